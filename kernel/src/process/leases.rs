//! Leases on files (fcntl(2), `F_SETLEASE`): who holds which, and for how long whoever
//! breaks them waits.

use super::locks::{Owner, file_by_file};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use paddock_abi::Result;
use paddock_process::{LeaseKind, Leases};
use paddock_sync::{PreemptOff, Rank, SpinLock, WaitQueue};
use paddock_vfs::{Inode, lease};

/// A file, by its device and inode.
pub type File = (u64, u64);

static TABLE: SpinLock<Leases<File, Owner>, PreemptOff> = SpinLock::new(Rank::Leaf, Leases::new());
/// A lease has gone, or become another one.
pub static CHANGED: WaitQueue = WaitQueue::new();
/// `/proc/sys/fs/lease-break-time`, in seconds (proc_sys_fs(5)).
pub static BREAK_SECONDS: AtomicU32 = AtomicU32::new(45);
/// `/proc/sys/fs/leases-enable`.
pub static ENABLED: AtomicBool = AtomicBool::new(true);

/// Calls `body` with the table. Nothing in it sleeps.
pub fn with_table<T>(body: impl FnOnce(&mut Leases<File, Owner>) -> T) -> T {
    let mut table = TABLE.lock();
    let was_empty = table.is_empty();
    let result = body(&mut table);
    match (was_empty, table.is_empty()) {
        (true, false) => lease::more(),
        (false, true) => lease::fewer(),
        _ => {}
    }
    result
}

/// By what the inode's file is known. Those of its metadata.
pub fn file_of(inode: &Arc<dyn Inode>) -> Result<File> {
    let metadata = inode.metadata()?;
    Ok((metadata.device, metadata.ino))
}

/// How long holders have (ns); `None` for ever.
pub fn break_nanos() -> Option<u64> {
    match BREAK_SECONDS.load(Relaxed) {
        0 => None,
        seconds => Some(u64::from(seconds) * 1_000_000_000),
    }
}

/// A lease, as `/proc/locks` tells it: what it is or is to become, the process that got
/// it, and whether somebody waits for that.
pub type Shown = (Option<LeaseKind>, u32, bool);

/// Shows all leases, file by file. `ENOMEM`, and the errors of `show`, which may sleep.
pub fn for_each(mut show: impl FnMut(File, Shown) -> Result<()>) -> Result<()> {
    file_by_file(
        |file| with_table(|table| table.next_file(file)),
        |file, take| with_table(|table| table.show(file).for_each(take)),
        |file, shown| show(file, *shown),
    )
}
