//! Blocking, written once: an object's operation is tried, and while it would
//! block the thread waits for the object's readiness.

use crate::time;
use paddock_abi::{Errno, Result};
use paddock_sync::{Deadline, NO_DEADLINE, Pollable, Ready, WaitError};
use paddock_vfs::OpenFile;

/// How long a change may go unnoticed that comes between an attempt and the wait for
/// the next, in nanoseconds.
const RECHECK_NS: u64 = 5_000_000;

/// Does `operation` on an open file; if it would block, waits for `events`
/// (or an error, or a hang-up) and tries again. `EAGAIN` at once if the file
/// is not to block. May sleep.
///
/// # Errors
/// `ERESTARTSYS` if a signal comes first; the operation's own.
pub fn block_on<T>(
    file: &OpenFile,
    events: Ready,
    nonblocking: bool,
    operation: impl FnMut() -> Result<T>,
) -> Result<T> {
    block_until(file, events, nonblocking, || NO_DEADLINE, operation)
}

/// As [`block_on`], but no longer than until `deadline`, which is asked for when it
/// first has to wait: `EAGAIN` then.
#[inline]
pub fn block_until<T>(
    file: &OpenFile,
    events: Ready,
    nonblocking: bool,
    deadline: impl FnOnce() -> Deadline,
    mut operation: impl FnMut() -> Result<T>,
) -> Result<T> {
    match operation() {
        Err(Errno::EAGAIN) if !nonblocking => wait_and_retry(file, events, deadline(), operation),
        result => result,
    }
}

fn wait_and_retry<T>(
    file: &OpenFile,
    events: Ready,
    deadline: Deadline,
    mut operation: impl FnMut() -> Result<T>,
) -> Result<T> {
    let object = &**file.file();
    loop {
        wait_ready(object, events, deadline)?;
        match operation() {
            Err(Errno::EAGAIN) => wait_for_change(object, deadline)?,
            result => return result,
        }
    }
}

/// For an object that is ready, but not for what is asked of it: an eventfd that
/// takes a small number, but not this one. Waits until its queue is woken, or for a
/// while, as that may have been just before.
///
/// # Errors
/// As of [`wait_ready`].
fn wait_for_change(object: &(impl Pollable + ?Sized), deadline: Deadline) -> Result<()> {
    let queue = object.wait_queue().ok_or(Errno::EAGAIN)?;
    let mut looks = 0;
    // Before it is in the queue, when it is, and when it was woken.
    let woken = || {
        looks += 1;
        (looks > 2).then_some(())
    };
    let until = deadline.min(time::now().saturating_add(RECHECK_NS));
    match queue.wait_interruptible(until, woken) {
        Ok(()) => Ok(()),
        Err(WaitError::Interrupted) => Err(Errno::ERESTARTSYS),
        Err(WaitError::TimedOut) if time::now() >= deadline => Err(Errno::EAGAIN),
        Err(WaitError::TimedOut) => Ok(()),
    }
}

/// Waits until an object is ready for one of `events`, has an error, or has
/// hung up.
///
/// # Errors
/// `ERESTARTSYS`, `EAGAIN` once the deadline has passed.
pub fn wait_ready(
    object: &(impl Pollable + ?Sized),
    events: Ready,
    deadline: Deadline,
) -> Result<()> {
    let wanted = events | Ready::ERR | Ready::HUP;
    // An object without a queue is always ready: its EAGAIN is final.
    let queue = object.wait_queue().ok_or(Errno::EAGAIN)?;
    let ready = || object.ready().intersects(wanted).then_some(());
    queue
        .wait_interruptible(deadline, ready)
        .map_err(|error| match error {
            WaitError::Interrupted => Errno::ERESTARTSYS,
            WaitError::TimedOut => Errno::EAGAIN,
        })
}
