//! Clocks: the monotonic one, wall-clock time, and Embassy's time driver.

mod driver;

use crate::arch::timers;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub use driver::{look_at_alarms, next_alarm, on_alarm_call, on_interrupt as on_embassy_interrupt};

/// Wall-clock time at which the monotonic clock read zero, ns since 1970.
static WALL_OFFSET: AtomicU64 = AtomicU64::new(0);

/// Nanoseconds since boot. Any context.
pub fn now() -> u64 {
    timers::now()
}

/// Nanoseconds since 1970. Any context.
pub fn wall() -> u64 {
    WALL_OFFSET.load(Relaxed).saturating_add(now())
}

/// Sets wall-clock time, in nanoseconds since 1970.
pub fn set_wall(nanos: u64) {
    WALL_OFFSET.store(nanos.saturating_sub(now()), Relaxed);
}
