//! The end of a run: well, with a report, or because it does not end.

use super::{HASH, generator};
use crate::machine::CommandLine;
use crate::watchdog::{self, Kind};
use crate::{console, power, thread, violations};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use paddock_process::WaitStatus;
use paddock_sched::State;

/// How long a run may last, in seconds of guest time.
const LIMIT_SECONDS: u64 = 60;

static LIMIT: AtomicU64 = AtomicU64::new(LIMIT_SECONDS);
/// Reports are no longer the end: one has led to it already.
static ENDING: AtomicBool = AtomicBool::new(false);

/// Starts the thread that ends a run which does not end by itself.
pub fn start(command_line: &CommandLine<'_>) {
    if let Some(limit) = command_line.value("paddock.fuzz_seconds") {
        match limit.parse() {
            Ok(seconds) => LIMIT.store(seconds, Relaxed),
            Err(_) => log::error!("command line: paddock.fuzz_seconds: expected a number"),
        }
    }
    if let Err(error) = thread::spawn("fuzz-limit", end_what_hangs) {
        panic!("no thread to end a run: {error}");
    }
}

/// Says where every thread is that is not at rest for good reason, and ends.
fn end_what_hangs() {
    let limit = LIMIT.load(Relaxed);
    thread::sleep_until(limit * 1_000_000_000);
    generator::disable();
    ENDING.store(true, Relaxed);
    console::print_urgent(format_args!(
        "fuzz: no end after {limit} s: where the threads are:"
    ));
    let own = thread::current();
    thread::for_each(|thread| {
        if **thread != *own && thread.state() != State::Dead {
            let details = format_args!("{} is {:?}", watchdog::Who(thread), thread.state());
            watchdog::report_thread(Kind::ThreadNotRun, thread, details);
        }
    });
    finish(None);
}

/// Process 1, whose status this is, has ended and its output is out.
pub fn process_1_ended(status: Option<WaitStatus>) {
    if generator::enabled() {
        finish(status);
    }
}

/// The watchdog has reported: the run has failed.
pub fn watchdog_reported() {
    if generator::enabled() && !ENDING.swap(true, Relaxed) {
        finish(None);
    }
}

/// The last line, and the status for the host: 0 if all went well.
fn finish(status: Option<WaitStatus>) -> ! {
    ENDING.store(true, Relaxed);
    let good = matches!(status, Some(WaitStatus::Exited(0)));
    console::enter_panic_mode();
    console::print_urgent(format_args!(
        "fuzz: {}: seed {} switches {} hash {:016x} violations {}",
        if good { "passed" } else { "FAILED" },
        generator::used_seed(),
        thread::context_switches(),
        HASH.load(Relaxed),
        violations::count(),
    ));
    power::exit(if good { 0 } else { power::PANIC_STATUS })
}
