//! `/proc` (proc(5)).

pub(super) mod attributes;
mod children;
mod cpu;
mod fds;
mod inet;
mod ipc;
mod keys;
mod load;
mod login;
mod memory;
pub(super) mod mount_points;
mod namespaces;
mod net;
mod oom;
pub mod paddock;
pub(super) mod pids;
mod process;
mod settings;
mod slack;
mod stat;
mod status;
mod system;
mod tables;
pub(super) mod text;
mod user_maps;

pub use process::of_directory;
pub use text::Text;

use super::clock::WallClock;
use super::mounts;
use crate::process::numbers::known_to;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_abi::stat::PROC_SUPER_MAGIC;
use paddock_abi::{Errno, Result};
use paddock_process::{Local, PidSpace};
use paddock_sync::{may_allocate, try_arc};
use paddock_vfs::FileSystem;
use paddock_vfs::proc_fs::{ProcFs, ProcNode, StaticDir};
use text::file;

/// The filesystem, as it shows the processes of a PID namespace.
///
/// # Errors
/// `ENOMEM`.
pub fn filesystem(clock: &Arc<WallClock>, space: &PidSpace) -> Result<Arc<dyn FileSystem>> {
    may_allocate()?;
    let number = mounts::device_number();
    let root = try_arc(root(space))?;
    Ok(ProcFs::new(
        "proc",
        PROC_SUPER_MAGIC,
        number,
        clock.clone(),
        root,
        space.owner().clone(),
    )?)
}

fn root(space: &PidSpace) -> StaticDir {
    let (process, thread) = (space.clone(), space.clone());
    StaticDir::new()
        .with("cgroups", file(system::cgroups))
        .with("cmdline", file(system::command_line))
        .with("cpuinfo", file(cpu::info))
        .with("devices", file(system::devices))
        .with("diskstats", file(system::disk_statistics))
        .with("filesystems", file(system::filesystems))
        .with("interrupts", file(cpu::interrupts))
        .with("key-users", file(keys::users))
        .with("keys", file(keys::all))
        .with("loadavg", file(load::averages))
        .with("meminfo", file(system::memory))
        .with("mounts", ProcNode::link(|| Ok(b"self/mounts".to_vec())))
        .with("net", ProcNode::link(|| Ok(b"self/net".to_vec())))
        .with(
            "paddock",
            ProcNode::dir(paddock::directory()).with_mode(0o500),
        )
        .with("partitions", file(system::partitions))
        .with("self", ProcNode::link(move || own_process(&process)))
        .with("stat", file(cpu::statistics))
        .with("swaps", file(system::swaps))
        .with("slabinfo", file(system::slabs).with_mode(0o400))
        .with("sys", ProcNode::dir(settings::directory()))
        .with("sysvipc", ProcNode::dir(ipc::directory()))
        .with("thread-self", ProcNode::link(move || own_thread(&thread)))
        .with("uptime", file(system::uptime))
        .with("version", file(system::version))
        .with("vmstat", file(system::memory_statistics))
        .with_more(pids::Processes(space.clone()))
}

/// A number in the mount's namespace. `ENOENT` for one who is not in there.
fn known(space: &PidSpace, id: u32) -> Result<u32> {
    match known_to(space, id) {
        Local::NOBODY => Err(Errno::ENOENT),
        number => Ok(number.get()),
    }
}

fn own_process(space: &PidSpace) -> Result<Vec<u8>> {
    let thread = crate::process::current().ok_or(Errno::ENOENT)?;
    Ok(format!("{}", known(space, thread.process.pid)?).into_bytes())
}

fn own_thread(space: &PidSpace) -> Result<Vec<u8>> {
    let thread = crate::process::current().ok_or(Errno::ENOENT)?;
    let (process, thread) = (known(space, thread.process.pid)?, known(space, thread.tid)?);
    Ok(format!("{process}/task/{thread}").into_bytes())
}
