//! `/sys` (sysfs(5)): processors, disks and interfaces, as tools and language
//! runtimes look for them.

mod block;
mod class_net;
mod cpu;

use super::clock::WallClock;
use super::mounts;
use super::proc::text::{Text, file};
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_abi::stat::SYSFS_MAGIC;
use paddock_abi::{Errno, Result};
use paddock_cred::UserNamespace;
use paddock_vfs::proc_fs::{ProcDir, ProcFs, ProcName, ProcNode, StaticDir};
use paddock_vfs::{FileKind, FileSystem};

/// The filesystem.
///
/// # Errors
/// `ENOMEM`.
#[allow(clippy::disallowed_methods, reason = "runs at boot, before any user")]
pub fn filesystem(clock: &Arc<WallClock>) -> Result<Arc<dyn FileSystem>> {
    let number = mounts::device_number();
    Ok(ProcFs::new(
        "sysfs",
        SYSFS_MAGIC,
        number,
        clock.clone(),
        Arc::new(root()),
        UserNamespace::INITIAL,
    )?)
}

fn root() -> StaticDir {
    let class = StaticDir::new()
        .with("block", ProcNode::dir(block::Disks))
        .with("net", ProcNode::dir(class_net::Interfaces));
    let devices = StaticDir::new().with(
        "system",
        ProcNode::dir(StaticDir::new().with("cpu", ProcNode::dir(cpu::directory()))),
    );
    let huge_pages = StaticDir::new().with(
        "enabled",
        file(|out| out.bytes(b"always madvise [never]\n")),
    );
    let mm = StaticDir::new().with("transparent_hugepage", ProcNode::dir(huge_pages));
    // Where cgroup2 is mounted.
    let fs = StaticDir::new().with("cgroup", ProcNode::dir(StaticDir::new()));
    StaticDir::new()
        .with("block", ProcNode::dir(block::Disks))
        .with("class", ProcNode::dir(class))
        .with("devices", ProcNode::dir(devices))
        .with("fs", ProcNode::dir(fs))
        .with(
            "kernel",
            ProcNode::dir(StaticDir::new().with("mm", ProcNode::dir(mm))),
        )
}

/// An attribute of something that is found anew at each look.
type Attribute<T> = (&'static str, fn(&T, &mut Text<'_>) -> Result<()>);

/// A directory below something.
type Below<T> = (&'static str, fn(&T) -> ProcNode);

/// The attributes of one thing, and directories below it.
struct Attributes<T: 'static> {
    thing: T,
    attributes: &'static [Attribute<T>],
    below: &'static [Below<T>],
}

impl<T: Clone + Send + Sync + 'static> ProcDir for Attributes<T> {
    fn lookup(&self, name: &[u8]) -> Result<ProcNode> {
        let is_named = |own: &str| own.as_bytes() == name;
        if let Some((_, make)) = self.below.iter().find(|(own, _)| is_named(own)) {
            return Ok(make(&self.thing));
        }
        let (_, show) = self
            .attributes
            .iter()
            .find(|(own, _)| is_named(own))
            .ok_or(Errno::ENOENT)?;
        let thing = self.thing.clone();
        Ok(ProcNode::text(move |out| show(&thing, &mut Text::new(out))))
    }

    fn list(&self) -> Result<Vec<ProcName>> {
        let directories = self.below.iter().map(|(name, _)| (*name, true));
        let files = self.attributes.iter().map(|(name, _)| (*name, false));
        names(directories.chain(files))
    }
}

/// Entries of these names; whether each is a directory. `ENOMEM`.
fn names<'a>(entries: impl Iterator<Item = (&'a str, bool)>) -> Result<Vec<ProcName>> {
    let mut list = Vec::new();
    for (key, (name, is_dir)) in (0..).zip(entries) {
        list.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        list.push(ProcName {
            key,
            name: name.as_bytes().to_vec(),
            kind: match is_dir {
                true => FileKind::Directory,
                false => FileKind::Regular,
            },
        });
    }
    Ok(list)
}
