//! What is looked at in each timer interrupt.

use super::report::{self, At, Who, ms};
use super::voice::{self, Kind, Voice};
use super::{entry, others, settings};
use crate::main_loop::{self, Step};
use crate::smp::{self, MAX_CPUS};
use crate::thread;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use paddock_watchdog::{Severity, Spell};

/// What the watchdog knows of one CPU.
struct Cpu {
    /// When (ns) it last looked at itself.
    last_check: AtomicU64,
    preemption: Spell,
    interrupts: Spell,
}

static CPUS: [Cpu; MAX_CPUS] = [const {
    Cpu {
        last_check: AtomicU64::new(u64::MAX),
        preemption: Spell::new(),
        interrupts: Spell::new(),
    }
}; MAX_CPUS];

static STEP: Spell = Spell::new();

/// Looks at this CPU, whose scheduler timer was to fire at `due` and has
/// fired at `now` (ns; 0 if that is not known). From the timer interrupt, interrupts masked.
pub fn check(now: u64, due: u64) {
    let cpu = &CPUS[smp::this_cpu()];
    cpu.last_check.store(now, Relaxed);
    let late = due != 0 && check_interrupts(cpu, now, due);
    check_preemption(cpu, now);
    check_step(now);
    others::check_timers(now, |cpu| CPUS[cpu].last_check.load(Relaxed));
    if !late {
        others::check_runaway();
    }
    others::check_ready(now);
}

fn check_preemption(cpu: &Cpu, now: u64) {
    // Not a report that this interrupt has interrupted.
    if voice::spoke(smp::this_cpu()) == u64::MAX {
        return;
    }
    let Some((at, since)) = entry::section() else {
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
        report::about_alone(&voice, current);
    }
}

/// The timer's lateness is the time for which interrupts were off. Whether
/// that was too long.
fn check_interrupts(cpu: &Cpu, now: u64, due: u64) -> bool {
    let due = due.max(voice::spoke(smp::this_cpu()));
    let Some(severity) = cpu.interrupts.judge(due, now, settings::limits()) else {
        return false;
    };
    let current = thread::current();
    let (at, began) = entry::last_section();
    let voice = Voice::begin(
        severity,
        Kind::InterruptsOff,
        format_args!(
            "cpu {}, {}, for {} ms; the last section began {} ms ago at {}",
            smp::this_cpu(),
            Who(current),
            ms(now.saturating_sub(due)),
            ms(now.saturating_sub(began)),
            At(at)
        ),
    );
    if severity == Severity::Report {
        report::about_alone(&voice, current);
    }
    true
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
        report::about_alone(&voice, thread);
    }
}
