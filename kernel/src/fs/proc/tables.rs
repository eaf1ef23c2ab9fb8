//! `/proc/PID/limits`, `mounts` and `mountinfo`.

use super::process::Subject;
use super::text::Text;
use crate::process::object::UNLIMITED;
use crate::process::vfs;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use paddock_abi::stat::{device_major, device_minor};
use paddock_abi::{Errno, Result};
use paddock_vfs::path::{MountFlags, MountInfo};

/// Names and units, in the order of getrlimit(2)'s numbers.
const LIMITS: [(&str, &str); 16] = [
    ("Max cpu time", "seconds"),
    ("Max file size", "bytes"),
    ("Max data size", "bytes"),
    ("Max stack size", "bytes"),
    ("Max core file size", "bytes"),
    ("Max resident set", "bytes"),
    ("Max processes", "processes"),
    ("Max open files", "files"),
    ("Max locked memory", "bytes"),
    ("Max address space", "bytes"),
    ("Max file locks", "locks"),
    ("Max pending signals", "signals"),
    ("Max msgqueue size", "bytes"),
    ("Max nice priority", ""),
    ("Max realtime priority", ""),
    ("Max realtime timeout", "us"),
];

pub fn limits(subject: &Subject, out: &mut Text<'_>) -> Result<()> {
    let values = *subject.process.limits.lock();
    let mut line = |name: &str, soft: &str, hard: &str, unit: &str| {
        out.put(format_args!(
            "{name:<25} {soft:<20} {hard:<20} {unit:<10}\n"
        ))
    };
    line("Limit", "Soft Limit", "Hard Limit", "Units")?;
    let shown = |value: u64| match value {
        UNLIMITED => String::from("unlimited"),
        value => alloc::format!("{value}"),
    };
    for ((name, unit), (soft, hard)) in LIMITS.iter().zip(values) {
        line(name, &shown(soft), &shown(hard), unit)?;
    }
    Ok(())
}

/// Whether something can be written.
const fn access(read_only: bool) -> &'static str {
    match read_only {
        true => "ro",
        false => "rw",
    }
}

/// A mount's options.
fn options(info: &MountInfo, read_only: bool) -> Result<String> {
    let mut text = String::from(access(read_only));
    for (flag, name) in [
        (MountFlags::NOSUID, ",nosuid"),
        (MountFlags::NODEV, ",nodev"),
        (MountFlags::NOEXEC, ",noexec"),
        (MountFlags::NOSYMFOLLOW, ",nosymfollow"),
    ] {
        if info.flags.contains(flag) {
            text.push_str(name);
        }
    }
    text.push_str(",noatime");
    Ok(text)
}

/// A mount's kind of filesystem, and which of that kind.
struct Kind<'a>(&'a MountInfo);

impl fmt::Display for Kind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.kind)?;
        match &self.0.subtype {
            Some(subtype) => write!(f, ".{subtype}"),
            None => Ok(()),
        }
    }
}

fn all_mounts(subject: &Subject) -> Result<Vec<MountInfo>> {
    let root = subject.process.paths.lock().root.clone();
    let mounts = vfs::namespace().mounts(&root)?;
    if mounts.is_empty() {
        Err(Errno::ENOENT)
    } else {
        Ok(mounts)
    }
}

pub fn mounts(subject: &Subject, out: &mut Text<'_>) -> Result<()> {
    for info in all_mounts(subject)? {
        out.escaped(info.source.as_bytes())?;
        out.bytes(b" ")?;
        out.escaped(&info.target)?;
        let read_only = info.fs_read_only || info.flags.contains(MountFlags::RDONLY);
        let options = options(&info, read_only)?;
        let (kind, own) = (Kind(&info), &info.options);
        out.put(format_args!(" {kind} {options}{own} 0 0\n"))?;
    }
    Ok(())
}

/// As `mounts`, with the numbers of the mounts, and of those that they are on.
pub fn mount_info(subject: &Subject, out: &mut Text<'_>) -> Result<()> {
    for info in all_mounts(subject)? {
        let (number, parent) = (info.id, info.parent);
        let (major, minor) = (device_major(info.device), device_minor(info.device));
        out.put(format_args!("{number} {parent} {major}:{minor} "))?;
        out.escaped(&info.root)?;
        out.bytes(b" ")?;
        out.escaped(&info.target)?;
        let options = options(&info, info.flags.contains(MountFlags::RDONLY))?;
        out.put(format_args!(" {options} - {} ", Kind(&info)))?;
        out.escaped(info.source.as_bytes())?;
        let access = access(info.fs_read_only);
        out.put(format_args!(" {access}{}\n", info.options))?;
    }
    Ok(())
}
