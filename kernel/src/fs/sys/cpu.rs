//! `/sys/devices/system/cpu`.

use super::{Attribute, Attributes};
use crate::config::MAX_CPUS;
use crate::cpus;
use crate::fs::proc::pids;
use crate::fs::proc::text::{Text, file};
use alloc::format;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_vfs::FileKind;
use paddock_vfs::proc_fs::{ProcDir, ProcName, ProcNode, StaticDir};

pub fn directory() -> StaticDir {
    StaticDir::new()
        .with(
            "kernel_max",
            file(|out| out.put(format_args!("{}\n", MAX_CPUS - 1))),
        )
        .with(
            "offline",
            file(|out| range(out, cpus::online(), cpus::possible())),
        )
        .with("online", file(|out| range(out, 0, cpus::online())))
        .with("possible", file(|out| range(out, 0, cpus::possible())))
        .with("present", file(|out| range(out, 0, cpus::possible())))
        .with_more(Processors)
}

/// A list of CPUs as cpuset(7) writes it.
fn range(out: &mut Text<'_>, first: usize, end: usize) -> Result<()> {
    match end.saturating_sub(first) {
        0 => out.bytes(b"\n"),
        1 => out.put(format_args!("{first}\n")),
        _ => out.put(format_args!("{first}-{}\n", end - 1)),
    }
}

/// `cpu0` and so on.
struct Processors;

const TOPOLOGY: &[Attribute<u32>] = &[
    ("core_cpus_list", |cpu, out| {
        out.put(format_args!("{cpu}\n"))
    }),
    ("core_id", |cpu, out| out.put(format_args!("{cpu}\n"))),
    ("core_siblings_list", |_, out| {
        range(out, 0, cpus::possible())
    }),
    ("physical_package_id", |_, out| out.bytes(b"0\n")),
    ("thread_siblings_list", |cpu, out| {
        out.put(format_args!("{cpu}\n"))
    }),
];

const ATTRIBUTES: &[Attribute<u32>] = &[("online", |cpu, out| {
    let is_online = (*cpu as usize) < cpus::online();
    out.put(format_args!("{}\n", u8::from(is_online)))
})];

impl ProcDir for Processors {
    fn lookup(&self, name: &[u8]) -> Result<ProcNode> {
        let number = name.strip_prefix(b"cpu").ok_or(Errno::ENOENT)?;
        let cpu = pids::number(number)?;
        if cpu as usize >= cpus::possible() {
            return Err(Errno::ENOENT);
        }
        Ok(ProcNode::dir(Attributes {
            thing: cpu,
            attributes: ATTRIBUTES,
            below: &[("topology", |cpu| {
                ProcNode::dir(Attributes {
                    thing: *cpu,
                    attributes: TOPOLOGY,
                    below: &[],
                })
            })],
        }))
    }

    fn list(&self) -> Result<Vec<ProcName>> {
        let mut names = Vec::new();
        names
            .try_reserve_exact(cpus::possible())
            .map_err(|_| Errno::ENOMEM)?;
        names.extend((0..cpus::possible()).map(|cpu| ProcName {
            key: cpu as u64,
            name: format!("cpu{cpu}").into_bytes(),
            kind: FileKind::Directory,
        }));
        Ok(names)
    }
}
