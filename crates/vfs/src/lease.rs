//! Leases (fcntl(2), `F_SETLEASE`), as far as whoever opens a file has to know of them.

use crate::{Errno, Inode, OpenFlags, Result};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering::SeqCst, fence};
use paddock_sync::OnceCell;

/// Breaks the leases on the inode that are in the way of somebody who opens it, and writes
/// or not, and waits for their holders unless it must not. May sleep.
type Breaks = fn(inode: &Arc<dyn Inode>, writes: bool, nonblocking: bool) -> Result<()>;

static BREAKS: OnceCell<Breaks> = OnceCell::new();
/// Reasons to look for leases: that there are some, and everybody who is about to make one.
static REASONS: AtomicUsize = AtomicUsize::new(0);

/// Sets what is called when a file is opened or cut while there are leases. Once; false if
/// it was set before.
pub fn on_conflict(function: Breaks) -> bool {
    BREAKS.set(function).is_ok()
}

/// One reason more to look for leases. Said before a lease is made and anybody looked for
/// who has the file open for writing: who opens it at the same time either sees this or is
/// seen. Never sleeps.
pub fn more() {
    REASONS.fetch_add(1, SeqCst);
    fence(SeqCst);
}

/// One reason less. Never sleeps.
pub fn fewer() {
    REASONS.fetch_sub(1, SeqCst);
}

/// A regular file is about to be opened, or cut, and is counted as such already. May sleep.
///
/// # Errors
/// `EWOULDBLOCK` if somebody with `O_NONBLOCK` would have to wait; `ERESTARTSYS`, `ENOMEM`.
#[inline]
pub(crate) fn check(inode: &Arc<dyn Inode>, flags: OpenFlags) -> Result<()> {
    match REASONS.load(SeqCst) {
        0 => Ok(()),
        _ => check_all(inode, flags),
    }
}

#[cold]
fn check_all(inode: &Arc<dyn Inode>, flags: OpenFlags) -> Result<()> {
    let writes = flags.writable() || flags.contains(OpenFlags::TRUNC);
    let nonblocking = flags.contains(OpenFlags::NONBLOCK);
    let function = BREAKS.get().ok_or(Errno::EAGAIN)?;
    function(inode, writes, nonblocking)
}
