//! The tree of files: what is mounted where, devices, terminals and `/proc`.

pub mod cgroup;
mod clock;
mod devices;
mod fifos;
mod flusher;
mod initrd;
mod job;
mod kmsg;
mod mounts;
pub mod proc;
mod root;
mod sys;

use crate::console::terminal::{self, ConsoleSink};
use crate::machine::CommandLine;
use crate::memory;
use crate::power;
use crate::process::vfs;
use alloc::sync::Arc;
use clock::WallClock;
use embassy_executor::Spawner;
#[cfg(feature = "fuzz-sched")]
pub use initrd::memory as initrd_memory;
use job::Processes;
use paddock_abi::Result;
use paddock_sync::{OnceCell, try_arc};
use paddock_tty::{Terminals, Tty};
use paddock_vfs::{MountNamespace, Path, PathContext};

/// The share of memory, as a divisor, that the page cache keeps under
/// pressure: the code of the programs that run.
const KEPT_SHARE: usize = 64;
/// Pages that are taken back at once.
const RECLAIMED: usize = 64;

static TERMINALS: OnceCell<Arc<Terminals>> = OnceCell::new();
static CONSOLE: OnceCell<Arc<Tty>> = OnceCell::new();
static MEMORY_FILES: OnceCell<Path> = OnceCell::new();

/// All terminals. After [`mount_root`].
pub fn terminals() -> &'static Arc<Terminals> {
    match TERMINALS.get() {
        Some(terminals) => terminals,
        None => panic!("terminals are asked for before the root is mounted"),
    }
}

/// The console's terminal, after [`mount_root`].
pub fn console() -> Option<&'static Arc<Tty>> {
    CONSOLE.get()
}

/// Finds the root filesystem and mounts everything. Once, in a thread; may
/// sleep. Without a usable disk the root is in memory; what is wrong is told
/// in one message.
///
/// # Panics
/// If there is not even memory for an empty tree.
#[allow(clippy::disallowed_methods, reason = "runs at boot, before any user")]
pub fn mount_root(command_line: &CommandLine<'_>) {
    power::before_end(shut_down);
    let clock = Arc::new(WallClock);
    let devices = devices::table(&make_terminals(), &make_console());
    let root = root::find(command_line, &clock);
    let namespace = match MountNamespace::new(root.fs, &root.source, devices) {
        Ok(namespace) => namespace,
        Err(error) => panic!("no root filesystem: {error}"),
    };
    let context = PathContext::root_at(namespace.root());
    if let Some(archive) = root.archive {
        initrd::unpack(&namespace, &context, archive);
    }
    mounts::mount_all(&namespace, &context, &clock);
    vfs::set_namespace(namespace);
    flusher::start();
}

#[allow(clippy::disallowed_methods, reason = "runs at boot, before any user")]
fn make_terminals() -> Arc<Terminals> {
    let terminals = Terminals::new(Arc::new(Processes));
    let _ = TERMINALS.set(terminals.clone());
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

/// Takes clean pages back from the page cache; whether there were any. Some
/// are left however short memory is: programs that lose their code to one
/// that wants all memory would only read it again. Never sleeps; not from
/// interrupts.
pub fn reclaim() -> bool {
    let kept = memory::frames::total() / KEPT_SHARE;
    root::page_cache().is_some_and(|cache| cache.pages() > kept && cache.shrink(RECLAIMED) > 0)
}

/// Pages of files in memory: (all, those that the disk does not have yet).
/// Any context that may take a lock.
pub fn cached_pages() -> (usize, usize) {
    root::page_cache().map_or((0, 0), |cache| (cache.pages(), cache.dirty_pages()))
}

/// Takes all clean pages back from the page cache. Never sleeps.
pub fn drop_pages() {
    if let Some(cache) = root::page_cache() {
        cache.shrink(usize::MAX);
    }
}

/// Lets go of cached names, inodes and metadata. Sleeps.
pub fn drop_names() {
    if let Some(namespace) = vfs::try_namespace() {
        namespace.shrink();
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
