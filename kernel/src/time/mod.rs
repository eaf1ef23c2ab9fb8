//! Clocks: the monotonic one, wall-clock time, and Embassy's time driver.

mod driver;
pub mod ports;

use crate::arch::timers;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use paddock_sync::{OnceCell, PreemptOff, Rank, SpinLock};

pub use driver::{
    LATE_NS, latest_alarm, on_alarm_call, on_interrupt as on_embassy_interrupt, woke,
};

/// Wall-clock time at which the monotonic clock read zero, ns since 1970.
static WALL_OFFSET: AtomicU64 = AtomicU64::new(0);

/// The clocks as programs read them without a system call: by `vdso.s`, which
/// knows where each field is.
#[repr(C)]
pub struct UserClock {
    /// The physical counter when the monotonic clock read zero.
    start: AtomicU64,
    /// Nanoseconds a count, as 32.32 fixed point.
    nanos_per_count: AtomicU64,
    /// As [`WALL_OFFSET`].
    wall_offset: AtomicU64,
}

static USER_CLOCK: OnceCell<&UserClock> = OnceCell::new();
/// One setting of the wall clock at a time: it is kept in two places.
static SETTING: SpinLock<(), PreemptOff> = SpinLock::new(Rank::Leaf, ());

/// Nanoseconds since boot. Any context.
pub fn now() -> u64 {
    timers::now()
}

/// Nanoseconds since 1970. Any context.
pub fn wall() -> u64 {
    WALL_OFFSET.load(Relaxed).saturating_add(now())
}

/// Sets wall-clock time, in nanoseconds since 1970. Any context but an
/// interrupt.
pub fn set_wall(nanos: u64) {
    let _one = SETTING.lock();
    let offset = nanos.saturating_sub(now());
    WALL_OFFSET.store(offset, Relaxed);
    if let Some(clock) = USER_CLOCK.get() {
        clock.wall_offset.store(offset, Relaxed);
    }
}

/// Keeps `clock` right from now on. Once.
pub fn share_with_users(clock: &'static UserClock) {
    let _one = SETTING.lock();
    let (start, nanos_per_count) = timers::scale_of_clock();
    clock.start.store(start, Relaxed);
    clock.nanos_per_count.store(nanos_per_count, Relaxed);
    clock.wall_offset.store(WALL_OFFSET.load(Relaxed), Relaxed);
    let _ = USER_CLOCK.set(clock);
}
