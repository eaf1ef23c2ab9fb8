//! What is looked at in each timer interrupt.

use super::report::{self, At, Who, ms};
use super::settings;
use super::voice::{Kind, Voice};
use crate::main_loop::{self, Step};
use crate::smp::{self, MAX_CPUS};
use crate::thread;
use core::panic::Location;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering::Relaxed};
use paddock_sync::platform;
use paddock_watchdog::{Severity, Spell};

/// What the watchdog knows of one CPU.
struct Cpu {
    /// The last section without preemption that had begun when the present
    /// interrupt came, and when (ns).
    section_at: AtomicPtr<Location<'static>>,
    section_since: AtomicU64,
    preemption: Spell,
    interrupts: Spell,
}

static CPUS: [Cpu; MAX_CPUS] = [const {
    Cpu {
        section_at: AtomicPtr::new(ptr::null_mut()),
        section_since: AtomicU64::new(0),
        preemption: Spell::new(),
        interrupts: Spell::new(),
    }
}; MAX_CPUS];

static STEP: Spell = Spell::new();

/// An interrupt has come: what it has interrupted is noted before its handler
/// begins sections of its own. Interrupt context.
#[inline]
pub fn note_interrupt() {
    let cpu = &CPUS[smp::this_cpu()];
    if let Some((at, since)) = platform::context().last_section() {
        cpu.section_at.store(ptr::from_ref(at).cast_mut(), Relaxed);
        cpu.section_since.store(since, Relaxed);
    }
}

/// Looks at this CPU, whose scheduler timer was to fire at `due` and has
/// fired at `now` (ns; 0 if that is not known). From the timer interrupt, interrupts masked.
pub fn check(now: u64, due: u64) {
    let cpu = &CPUS[smp::this_cpu()];
    if due != 0 {
        check_interrupts(cpu, now, due);
    }
    check_preemption(cpu, now);
    check_step(now);
}

fn check_preemption(cpu: &Cpu, now: u64) {
    let Some((at, since)) = platform::context().section() else {
        return;
    };
    let Some(severity) = cpu.preemption.judge(since, now, settings::limits()) else {
        return;
    };
    let current = thread::current();
    let voice = Voice::begin(
        severity,
        Kind::PreemptionOff,
        format_args!(
            "cpu {}, {}, for {} ms since {}",
            smp::this_cpu(),
            Who(current),
            ms(now.saturating_sub(since)),
            At(Some(at))
        ),
    );
    if severity == Severity::Report {
        report::about(&voice, current);
    }
}

/// The timer's lateness is the time for which interrupts were off.
fn check_interrupts(cpu: &Cpu, now: u64, due: u64) {
    let Some(severity) = cpu.interrupts.judge(due, now, settings::limits()) else {
        return;
    };
    let current = thread::current();
    // SAFETY: null, or set from a `&'static Location`.
    let at = unsafe { cpu.section_at.load(Relaxed).as_ref() };
    let voice = Voice::begin(
        severity,
        Kind::InterruptsOff,
        format_args!(
            "cpu {}, {}, for {} ms; the last section began {} ms ago at {}",
            smp::this_cpu(),
            Who(current),
            ms(now.saturating_sub(due)),
            ms(now.saturating_sub(cpu.section_since.load(Relaxed))),
            At(at)
        ),
    );
    if severity == Severity::Report {
        report::about(&voice, current);
    }
}

fn check_step(now: u64) {
    let (step, since) = main_loop::current_step_since();
    if step == Step::Asleep {
        return;
    }
    let Some(severity) = STEP.judge(since, now, settings::step_limits()) else {
        return;
    };
    let voice = Voice::begin(
        severity,
        Kind::MainLoopStep,
        format_args!("{step:?} for {} ms", ms(now.saturating_sub(since))),
    );
    if severity == Severity::Report
        && let Some(thread) = main_loop::thread()
    {
        report::about(&voice, thread);
    }
}
