//! Threads that nobody can wake.

use crate::thread::Thread;
use crate::watchdog::{self, Kind, Who};

/// `thread` is blocked for ever and there is no waker of it. Any context.
#[cold]
pub fn lost_wake_up(thread: &Thread) {
    watchdog::report_thread(
        Kind::LostWakeUp,
        thread,
        format_args!("{} is blocked, and nobody has a waker of it", Who(thread)),
    );
}
