//! Clocks: the monotonic one, wall-clock time, and Embassy's time driver.

mod driver;
pub mod ports;
mod wall;

use crate::arch::timers;

pub use driver::{
    LATE_NS, latest_alarm, on_alarm_call, on_interrupt as on_embassy_interrupt, woke,
};
pub use wall::{
    Timeline, UserClock, adjust, atomic, keep_seconds, set_wall, share_with_users, wall,
};

/// Nanoseconds since boot. Any context.
pub fn now() -> u64 {
    timers::now()
}
