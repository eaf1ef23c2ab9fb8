//! The tree of files: what is mounted where, devices, terminals and `/proc`.

pub mod cgroup;
mod clock;
mod devices;
mod fifos;
mod flusher;
mod fuse;
mod initrd;
mod job;
pub mod kinds;
mod kmsg;
mod loops;
pub mod mounts;
pub mod proc;
mod root;
mod sys;

use crate::console::terminal::{self, ConsoleSink};
use crate::machine::CommandLine;
use crate::memory::frames;
use crate::power;
use crate::process::{folders, namespaces, terminals, vfs};
use alloc::sync::Arc;
use clock::WallClock;
use embassy_executor::Spawner;
use job::Processes;
use paddock_abi::Result;
use paddock_sync::{OnceCell, try_arc};
use paddock_tty::{Terminals, Tty};
use paddock_vfs::{MountNamespace, Path, PathContext};

static CONSOLE: OnceCell<Arc<Tty>> = OnceCell::new();
static MEMORY_FILES: OnceCell<Path> = OnceCell::new();

/// Finds the root filesystem and mounts everything. Once, in a thread; may
/// sleep. Without a usable disk the root is in memory; what is wrong is told
/// in one message.
///
/// # Panics
/// If there is not even memory for an empty tree.
#[allow(clippy::disallowed_methods, reason = "runs at boot, before any user")]
pub fn mount_root(command_line: &CommandLine<'_>) {
    power::before_end(shut_down);
    folders::on_end(proc::mount_points::ended);
    let clock = Arc::new(WallClock);
    let devices = devices::table(&make_terminals(), &make_console());
    let root = root::find(command_line, &clock);
    let namespace = match MountNamespace::new(root.fs, &root.source, devices, kept_names()) {
        Ok(namespace) => namespace,
        Err(error) => panic!("no root filesystem: {error}"),
    };
    let context = PathContext::root_at(namespace.root());
    if let Some(archive) = root.archive {
        initrd::unpack(&namespace, &context, archive);
    }
    mounts::mount_all(&namespace, &context, &clock);
    vfs::set_namespace(namespace);
    if namespaces::init().is_err() {
        panic!("no memory for the first namespaces");
    }
    flusher::start();
}

/// Names that are kept when nobody uses them. With its inode one takes about a KiB: a
/// sixteenth of memory.
fn kept_names() -> usize {
    (frames::total() / 4).clamp(1024, 1 << 16)
}

#[allow(clippy::disallowed_methods, reason = "runs at boot, before any user")]
fn make_terminals() -> Arc<Terminals> {
    let terminals = Terminals::new(Arc::new(Processes));
    terminals::set(terminals.clone());
    terminals
}

#[allow(clippy::disallowed_methods, reason = "runs at boot, before any user")]
fn make_console() -> Arc<Tty> {
    let console = Arc::new(Tty::console(Arc::new(Processes), Arc::new(ConsoleSink)));
    let _ = CONSOLE.set(console.clone());
    console
}

/// Where files without names are made that are in memory (memfd_create(2)). They
/// are bounded by who pays for them. `ENOMEM`.
pub fn memory_files() -> Result<Path> {
    if let Some(home) = MEMORY_FILES.get() {
        return Ok(home.clone());
    }
    let fs = mounts::memory_fs(&try_arc(WallClock)?, mounts::half_of_memory(), 0o700)?;
    let home = vfs::namespace().detached(fs, "memfd")?;
    // Another one may have come first.
    let _ = MEMORY_FILES.set(home.clone());
    Ok(MEMORY_FILES.get().cloned().unwrap_or(home))
}

/// Starts the tasks that move the console's bytes. After [`mount_root`];
/// `spawner` is the main loop's, of deferred interrupt work.
pub fn start_console(spawner: Spawner) {
    let Some(console) = CONSOLE.get() else {
        return;
    };
    match (
        terminal::feed(console.clone()),
        terminal::flush(console.clone()),
    ) {
        (Ok(feed), Ok(flush)) => {
            spawner.spawn(feed);
            spawner.spawn(flush);
        }
        _ => log::error!("console: its tasks have been started already"),
    }
}

/// Unmounts everything, before the machine goes off: the disk is clean
/// afterwards, and files are of no use any more. May sleep.
fn shut_down() {
    let Some(namespace) = vfs::try_namespace() else {
        return;
    };
    if let Err(error) = namespace.unmount_all() {
        log::error!("unmount: not everything could be written: {error}");
    }
}
