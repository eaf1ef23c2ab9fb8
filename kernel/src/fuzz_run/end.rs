//! The end of a run: well, with a report, or because it does not end.

use super::disk;
use crate::machine::CommandLine;
use crate::watchdog::{self, Kind};
use crate::{console, power, schedule_fuzz, thread, violations};
use alloc::string::String;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use paddock_process::WaitStatus;
use paddock_sched::State;
use paddock_sync::{OnceCell, Rank, SpinLock, WaitQueue};

/// How long a run may last, in seconds of guest time.
const LIMIT_SECONDS: u64 = 60;

static LIMIT: AtomicU64 = AtomicU64::new(LIMIT_SECONDS);
/// Reports are no longer the end: one has led to it already.
static ENDING: AtomicBool = AtomicBool::new(false);

/// The host's file that gets what the disk holds in the end.
static FILE: OnceCell<String> = OnceCell::new();

/// How process 1 has ended, once it has.
static LAST: SpinLock<Option<Option<WaitStatus>>> = SpinLock::new(Rank::Leaf, None);
static LAST_IS_THERE: WaitQueue = WaitQueue::new();

/// Starts the thread that ends a run which does not end by itself.
pub fn start(command_line: &CommandLine<'_>) {
    if let Some(limit) = command_line.value("paddock.fuzz_seconds") {
        match limit.parse() {
            Ok(seconds) => LIMIT.store(seconds, Relaxed),
            Err(_) => log::error!("command line: paddock.fuzz_seconds: expected a number"),
        }
    }
    if let Some(file) = command_line.value("paddock.fuzz_disk") {
        let _ = FILE.set(String::from(file));
    }
    let threads = thread::spawn("fuzz-limit", end_what_hangs)
        .and_then(|_| thread::spawn("fuzz-end", end_well));
    if let Err(error) = threads {
        panic!("no thread to end a run: {error}");
    }
}

/// Says where every thread is that is not at rest for good reason, and ends.
fn end_what_hangs() {
    let limit = LIMIT.load(Relaxed);
    thread::sleep_until(limit * 1_000_000_000);
    schedule_fuzz::disable();
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

/// Process 1, whose status this is, has ended and its output is out. Any
/// context.
pub fn process_1_ended(status: Option<WaitStatus>) {
    *LAST.lock() = Some(status);
    LAST_IS_THERE.wake_one();
}

/// Unmounts everything once process 1 has ended, and gives the host what the
/// disk holds then, as a file that `paddock.fuzz_disk` names.
fn end_well() {
    let status = LAST_IS_THERE.wait_until(|| LAST.lock().take());
    power::shut_down();
    ENDING.store(true, Relaxed);
    schedule_fuzz::disable();
    give_disk(disk::dump);
    finish(status);
}

/// The power goes, in the middle of whatever is done: the host gets what the disk then
/// holds. Any context.
pub fn power_goes() -> ! {
    ENDING.store(true, Relaxed);
    schedule_fuzz::disable();
    give_disk(disk::dump_cut);
    console::print_urgent(format_args!("fuzz: the power goes"));
    finish(Some(WaitStatus::Exited(0)))
}

fn give_disk(dump: fn(&str) -> bool) {
    if let Some(file) = FILE.get()
        && !dump(file)
    {
        console::print_urgent(format_args!("fuzz: the disk cannot be written to {file}"));
        finish(None);
    }
}

/// The watchdog has reported: the run has failed.
pub fn watchdog_reported() {
    if schedule_fuzz::enabled() && !ENDING.swap(true, Relaxed) {
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
        schedule_fuzz::used_seed(),
        thread::context_switches(),
        schedule_fuzz::hash(),
        violations::count(),
    ));
    power::exit(if good { 0 } else { power::PANIC_STATUS })
}
