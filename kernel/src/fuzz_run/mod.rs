//! A run of the fuzzing of schedules: its seed, its disk in memory, and its end. Only
//! the kernel with the feature `fuzz-sched` has it; `cargo xtask fuzz-sched` runs it.

mod disk;
mod end;
mod medium;

pub use disk::start as start_disk;
pub use end::process_1_ended;

use crate::machine::CommandLine;
use crate::schedule_fuzz;
use crate::watchdog;

/// Words of the command line that only this kernel knows.
pub const WORDS: &[&str] = &[
    "paddock.seed",
    "paddock.fuzz",
    "paddock.fuzz_seconds",
    "paddock.fuzz_disk",
    "paddock.fuzz_power",
    "paddock.mistake",
];

/// Begins, if the command line has a seed. In the start-up's thread.
pub fn start(command_line: &CommandLine<'_>) {
    if schedule_fuzz::configure(command_line) {
        watchdog::after_report(end::watchdog_reported);
        end::start(command_line);
    }
}
