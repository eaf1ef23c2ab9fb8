//! `/sys` (sysfs(5)): processors, disks and interfaces, as tools and language
//! runtimes look for them.

mod block;
mod class_net;
mod cpu;
mod loops;

use super::clock::WallClock;
use super::mounts;
use super::proc::attributes::{Attribute, Attributes, names};
use super::proc::text::{Text, file};
use crate::net::space::NetSpace;
use crate::process::net_space::NetNamespace;
use alloc::sync::Arc;
use paddock_abi::Result;
use paddock_abi::stat::SYSFS_MAGIC;
use paddock_sync::{may_allocate, try_arc};
use paddock_vfs::FileSystem;
use paddock_vfs::proc_fs::{ProcFs, ProcNode, StaticDir};

/// The filesystem, as it shows the interfaces of a network namespace.
///
/// # Errors
/// `ENOMEM`.
pub fn filesystem(clock: &Arc<WallClock>, space: &Arc<NetSpace>) -> Result<Arc<dyn FileSystem>> {
    may_allocate()?;
    let number = mounts::device_number();
    Ok(ProcFs::new(
        "sysfs",
        SYSFS_MAGIC,
        number,
        clock.clone(),
        try_arc(root(space))?,
        space.owner().clone(),
    )?)
}

fn root(space: &Arc<NetSpace>) -> StaticDir {
    let class = StaticDir::new()
        .with("block", ProcNode::dir(block::Disks))
        .with("net", ProcNode::dir(class_net::Interfaces(space.clone())));
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
