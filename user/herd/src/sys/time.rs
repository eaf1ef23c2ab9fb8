//! herd's clock: the same for every herd since the machine was started.

use rustix::time::{ClockId, clock_gettime};

use crate::machine::Time;

/// Milliseconds since 1970. Only makes a system call.
pub(crate) fn wall() -> Time {
    milliseconds(ClockId::Realtime)
}

/// Milliseconds since the machine was started. Only makes a system call.
pub(crate) fn now() -> Time {
    milliseconds(ClockId::Boottime)
}

fn milliseconds(clock: ClockId) -> Time {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds * 1_000 + nanoseconds / 1_000_000
}
