//! A main loop that goes around without anything from outside: somebody in it
//! waits by asking again and again.

use crate::main_loop;
use crate::thread;
use crate::watchdog::{self, Kind, Who};
use paddock_detectors::BusyWait;

implements!(main_loop::is_busy, is_busy: fn(&BusyWait));

/// The main loop waits busily. Its own context.
#[cold]
#[unsafe(export_name = "paddock_main_loop_is_busy")]
fn is_busy(busy: &BusyWait) {
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
