//! What the main loop knows of its rounds: whether anything from outside led to them.

use crate::thread;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use paddock_detectors::{BusyWait, Rounds};
use paddock_sync::platform;

unsafe extern "Rust" {
    /// The loop goes around without anything from outside. Told to the detectors,
    /// which are above: found when the kernel is linked. The loop's own context.
    #[link_name = "paddock_main_loop_is_busy"]
    pub safe fn is_busy(busy: &BusyWait);
}

/// A task was woken by an interrupt or by another thread than the loop's.
static FROM_OUTSIDE: AtomicBool = AtomicBool::new(false);

/// Notes who wakes a task of the main loop. From its pender: any context.
#[inline]
pub fn note_waker() {
    let context = platform::context();
    if !context.in_poll() || context.in_interrupt() {
        FROM_OUTSIDE.store(true, Relaxed);
    }
}

/// The main loop's account of its rounds.
pub struct LoopWatch(Rounds);

impl LoopWatch {
    /// Before the first round.
    pub const fn new() -> Self {
        LoopWatch(Rounds::new())
    }

    /// The loop has slept.
    #[inline]
    pub fn slept(&mut self) {
        self.0.slept();
    }

    /// A round begins in which the steps of `due` run. A busy wait is told.
    #[inline]
    pub fn round(&mut self, due: u32) {
        if FROM_OUTSIDE.load(Relaxed) {
            FROM_OUTSIDE.store(false, Relaxed);
            self.0.progress();
            thread::current().note_slept();
        }
        if let Some(busy) = self.0.round(due, platform::now) {
            is_busy(&busy);
        }
    }
}
