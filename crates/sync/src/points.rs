//! Places at which a schedule may be disturbed, with the feature
//! `schedule-points`; without it nothing is left of them.
//!
//! Whatever happens at such a place could also happen in an ordinary run, by
//! an interrupt or by another CPU, only seldom.

use crate::platform;

/// A thread may be switched away from here, if nothing forbids it.
#[inline(always)]
pub(crate) fn switch() {
    if !cfg!(feature = "schedule-points") {
        return;
    }
    let context = platform::context();
    let free = context.preemptible() && platform::irqs_enabled();
    if at(free, free && context.need_resched()) {
        platform::reschedule();
    }
}

/// Another CPU may come first here, whatever the caller holds.
#[inline(always)]
pub(crate) fn contend() {
    at(false, false);
}

/// Whether to switch now: `free` if nothing forbids it, `due` if somebody has
/// asked for it.
#[inline(always)]
pub(crate) fn at(free: bool, due: bool) -> bool {
    #[cfg(all(target_os = "none", feature = "schedule-points"))]
    return platform::schedule_point(free, due);
    #[cfg(not(all(target_os = "none", feature = "schedule-points")))]
    return free && due;
}
