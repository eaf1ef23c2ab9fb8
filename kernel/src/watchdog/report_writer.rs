//! How the watchdog speaks: one report at a time, past whoever holds the
//! console.

use crate::cpus::{self, MAX_CPUS};
use crate::{backtrace, console, time};
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use paddock_sync::{OnceCell, PreemptGuard};
use paddock_watchdog::{Repeat, Repeats, Severity};

/// What a report is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A section without preemption lasts.
    PreemptionOff,
    /// This CPU took its timer interrupt late.
    InterruptsOff,
    /// Another CPU does not take its timer interrupt.
    NoTimerInterrupts,
    /// A thread waits for a lock.
    BlockedOnLock,
    /// A step of the main loop lasts.
    MainLoopStep,
    /// A thread that is ready gets no CPU.
    ThreadNotRun,
    /// A kernel thread runs on and never sleeps.
    RunawayThread,
    /// A device has answered, but did not interrupt.
    InterruptMissing,
    /// A timer is not its owner's alone, or does not fire.
    TimerConflict,
    /// An interrupt comes again and again for nothing.
    InterruptStorm,
    /// The main loop waits by going around.
    BusyWait,
    /// A thread waits and nobody can wake it.
    LostWakeUp,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::PreemptionOff => "preemption off",
            Kind::InterruptsOff => "interrupts off",
            Kind::NoTimerInterrupts => "no timer interrupts",
            Kind::BlockedOnLock => "blocked on lock",
            Kind::MainLoopStep => "main-loop step",
            Kind::ThreadNotRun => "thread not run",
            Kind::RunawayThread => "runaway thread",
            Kind::InterruptMissing => "interrupt missing",
            Kind::TimerConflict => "timer conflict",
            Kind::InterruptStorm => "interrupt storm",
            Kind::BusyWait => "busy wait",
            Kind::LostWakeUp => "lost wake-up",
        })
    }
}

/// A minute, in nanoseconds: for so long a cause is not told of again.
const MINUTE_NS: u64 = 60_000_000_000;

static REPEATS: Repeats = Repeats::new(MINUTE_NS);

/// How often another CPU's report is waited for: some tens of milliseconds.
const PATIENCE: u32 = 1_000_000;

static SPEAKING: AtomicBool = AtomicBool::new(false);
/// When (ns) each CPU last spoke; `u64::MAX` while it does, or waits for it.
static SPOKE: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];
static WARNINGS: AtomicU64 = AtomicU64::new(0);
static REPORTS: AtomicU64 = AtomicU64::new(0);

/// How many warnings and reports there have been since boot.
pub fn counts() -> (u64, u64) {
    (
        WARNINGS.load(Ordering::Relaxed),
        REPORTS.load(Ordering::Relaxed),
    )
}

/// Until when (ns) a report has kept a CPU from its work: what lasted
/// meanwhile is no trouble. `u64::MAX` if one does so now.
pub fn spoke(cpu: usize) -> u64 {
    SPOKE[cpu].load(Ordering::Relaxed)
}

/// The right to speak. Others wait for its end, though not for ever: then two
/// reports are mixed. The speaker stays on its CPU.
pub struct ReportWriter {
    alone: bool,
    severity: Severity,
    _stay: PreemptGuard,
}

impl ReportWriter {
    /// Waits for the end of another CPU's report, with a bound.
    fn new(severity: Severity) -> Self {
        let stay = PreemptGuard::new();
        SPOKE[cpus::this_cpu()].store(u64::MAX, Ordering::Relaxed);
        let alone = (0..PATIENCE).any(|_| {
            if !SPEAKING.swap(true, Ordering::Acquire) {
                return true;
            }
            // The report that is waited for may be about this CPU.
            backtrace::answer();
            crate::arch::cpu::relax();
            false
        });
        ReportWriter {
            alone,
            severity,
            _stay: stay,
        }
    }

    /// Begins a warning or a report; `None` if one of the same kind and cause
    /// was told not long ago: then it is counted. The cause is whatever number
    /// tells it from others of its kind.
    pub fn begin(
        severity: Severity,
        kind: Kind,
        cause: u64,
        details: fmt::Arguments<'_>,
    ) -> Option<Self> {
        let (count, warning) = match severity {
            Severity::Warning => (&WARNINGS, "warning: "),
            Severity::Report => (&REPORTS, ""),
        };
        count.fetch_add(1, Ordering::Relaxed);
        let cause = cause.rotate_left(8) ^ (kind as u64) << 1 ^ severity as u64;
        let Repeat::Tell { counted } = REPEATS.note(cause, time::now()) else {
            return None;
        };
        let writer = Self::new(severity);
        console::print_urgent(format_args!("watchdog: {warning}{kind}: {details}"));
        if counted != 0 {
            writer.say(format_args!("and {counted} times since that was told last"));
        }
        Some(writer)
    }

    /// Another line of the report.
    pub fn say(&self, details: fmt::Arguments<'_>) {
        console::print_urgent(format_args!("watchdog:   {details}"));
    }

    /// A line of a back-trace.
    pub fn trace(&self, line: impl fmt::Display) {
        console::print_urgent(format_args!("{line}"));
    }
}

/// What is done when a report is out.
static AFTER_REPORT: OnceCell<fn()> = OnceCell::new();

/// Has `hook` called when a report is out. Once; it is called in any context.
#[cfg(feature = "fuzz-sched")]
pub fn after_report(hook: fn()) {
    // A second one would be a mistake of the caller's; the first one stays.
    let _ = AFTER_REPORT.set(hook);
}

/// A report of one line; see [`ReportWriter::begin`]. Any context.
pub fn report(kind: Kind, cause: u64, details: fmt::Arguments<'_>) {
    drop(ReportWriter::begin(Severity::Report, kind, cause, details));
}

/// A place in the source as a cause.
pub fn cause_at(at: Option<&'static core::panic::Location<'static>>) -> u64 {
    at.map_or(0, |at| core::ptr::from_ref(at).addr() as u64)
}

impl Drop for ReportWriter {
    fn drop(&mut self) {
        SPOKE[cpus::this_cpu()].store(time::now(), Ordering::Relaxed);
        if self.alone {
            SPEAKING.store(false, Ordering::Release);
        }
        if self.severity == Severity::Report
            && let Some(hook) = AFTER_REPORT.get()
        {
            hook();
        }
    }
}
