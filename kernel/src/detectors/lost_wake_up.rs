//! Threads that nobody can wake.

use crate::thread::{Thread, ports};
use crate::watchdog::{self, Kind, Who};

implements!(ports::has_no_waker, lost_wake_up: fn(&Thread));

/// `thread` is blocked for ever and there is no waker of it. Any context.
#[cold]
#[unsafe(export_name = "paddock_thread_has_no_waker")]
fn lost_wake_up(thread: &Thread) {
    watchdog::report_thread(
        Kind::LostWakeUp,
        thread,
        format_args!("{} is blocked, and nobody has a waker of it", Who(thread)),
    );
}
