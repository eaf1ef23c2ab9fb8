//! A main loop that goes around without anything from outside: somebody in it
//! waits by asking again and again.

use crate::main_loop;
use crate::thread;
use crate::watchdog::{self, Kind, Who};
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use paddock_detectors::{BusyWait, Rounds};
use paddock_sync::platform;

/// A task was woken by an interrupt or by another thread than the loop's.
static FROM_OUTSIDE: AtomicBool = AtomicBool::new(false);

/// Notes who wakes a task of the main loop. From its pender: any context.
#[inline]
pub fn main_loop_was_woken() {
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

    /// A round begins in which the steps of `due` run. Reports a busy wait.
    #[inline]
    pub fn round(&mut self, due: u32) {
        if FROM_OUTSIDE.load(Relaxed) {
            FROM_OUTSIDE.store(false, Relaxed);
            self.0.progress();
        }
        if let Some(busy) = self.0.round(due, platform::now) {
            report(&busy);
        }
    }
}

#[cold]
fn report(busy: &BusyWait) {
    for step in main_loop::steps_of(busy.steps) {
        watchdog::report(
            Kind::BusyWait,
            step as u64,
            format_args!(
                "main-loop step {step:?} of {} has run {} times in {} ms, woken by nobody but itself",
                Who(thread::current()),
                busy.rounds,
                busy.nanos / 1_000_000
            ),
        );
    }
}
