//! An interrupt that is due and has not come: whether it is on its way, which
//! is the business of whoever keeps the CPU from it, or will never come.

use crate::gic;
use paddock_detectors::Misses;

/// What is known of an interrupt that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It waits for its CPU, or its handler runs there: it was not the device
    /// that stood still but the CPU, whose hypervisor may have had other things
    /// to do.
    UnderWay,
    /// It is not there. A hypervisor may be late in passing it on.
    Perhaps,
    /// It will not come, for this reason.
    For(&'static str),
}

/// Judges an interrupt that is due, a private one on this CPU. One that is
/// merely absent is judged to be missing when that was so several times in a
/// row, which `misses` counts. Any context.
#[cold]
pub fn missing(interrupt: u32, misses: &Misses) -> Missing {
    if !gic::is_enabled(interrupt) {
        Missing::For("is disabled in the interrupt controller")
    } else if gic::is_pending(interrupt) || gic::is_active(interrupt) {
        Missing::UnderWay
    } else if misses.note() {
        Missing::For("has not come")
    } else {
        Missing::Perhaps
    }
}
