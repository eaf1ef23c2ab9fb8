//! What is looked at in each timer interrupt.

use super::report::{self, At, Who, ms};
use super::report_writer::{self, Kind, ReportWriter, cause_at};
use super::{others, settings, stolen};
use crate::arch::trap::TrapFrame;
use crate::backtrace;
use crate::cpus::{self, MAX_CPUS};
use crate::interrupted;
use crate::main_loop::{self, Step};
use crate::thread;
use crate::thread::ports;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use paddock_watchdog::{Episode, Severity};

implements!(ports::tick, check: fn(u64, u64));
implements!(ports::tick_masked, check_masked: fn(&TrapFrame, u64, u64));

/// What the watchdog knows of one CPU.
struct Cpu {
    /// When (ns) it last looked at itself.
    last_check: AtomicU64,
    preemption: Episode,
    interrupts: Episode,
}

static CPUS: [Cpu; MAX_CPUS] = [const {
    Cpu {
        last_check: AtomicU64::new(u64::MAX),
        preemption: Episode::new(),
        interrupts: Episode::new(),
    }
}; MAX_CPUS];

static STEP: Episode = Episode::new();

/// Looks at this CPU, whose scheduler timer was to fire at `due` and has
/// fired at `now` (ns; 0 if that is not known). From the timer interrupt, interrupts masked.
#[unsafe(export_name = "paddock_thread_tick")]
fn check(now: u64, due: u64) {
    let cpu = &CPUS[cpus::this_cpu()];
    cpu.last_check.store(now, Relaxed);
    let late = due != 0 && check_interrupts(cpu, now, due);
    check_preemption(cpu, now);
    check_step(now);
    others::check_timers(now, |cpu| CPUS[cpu].last_check.load(Relaxed));
    if !late {
        others::check_runaway(now);
    }
    others::check_ready(now);
}

fn check_preemption(cpu: &Cpu, now: u64) {
    // Not a report that this interrupt has interrupted.
    if report_writer::spoke(cpus::this_cpu()) == u64::MAX {
        return;
    }
    let Some((at, since)) = interrupted::section() else {
        return;
    };
    // A thread does not leave its CPU in a section: an older beginning is that of the
    // switch from it, if it came back just before this one began.
    let since = since.max(thread::running_since());
    let lasts = stolen::ran_here(since, now);
    let judged = cpu.preemption.judge(since, lasts, settings::limits());
    let Some(severity) = judged else {
        return;
    };
    let current = thread::current();
    let told = ReportWriter::begin(
        severity,
        Kind::PreemptionOff,
        cause_at(Some(at)),
        format_args!(
            "cpu {}, {}, for {} ms since {}",
            cpus::this_cpu(),
            Who(current),
            ms(lasts),
            At(Some(at))
        ),
    );
    if let Some(writer) = told
        && severity == Severity::Report
    {
        report::about_alone(&writer, current);
    }
}

/// The timer's lateness, less what the host took, is the time for which
/// interrupts were off. Whether that was too long.
fn check_interrupts(cpu: &Cpu, now: u64, due: u64) -> bool {
    let due = due.max(report_writer::spoke(cpus::this_cpu()));
    let lasts = stolen::ran_here(due, now);
    let Some(severity) = cpu.interrupts.judge(due, lasts, settings::limits()) else {
        return false;
    };
    let current = thread::current();
    let (at, began) = interrupted::last_section();
    let told = ReportWriter::begin(
        severity,
        Kind::InterruptsOff,
        cause_at(at),
        format_args!(
            "cpu {}, {}, for {} ms; the last section began {} ms ago at {}",
            cpus::this_cpu(),
            Who(current),
            ms(lasts),
            ms(now.saturating_sub(began)),
            At(at)
        ),
    );
    let Some(writer) = told else {
        return true;
    };
    if !thread::timer_is_fiq() {
        writer.say(format_args!("or the host did not let the machine run"));
    }
    if severity == Severity::Report {
        report::about_alone(&writer, current);
    }
    true
}

/// Interrupts of this CPU, whose scheduler timer was to fire at `due` (zero if
/// its handler runs) are masked at `now` in what `frame` tells of. From the
/// timer's FIQ, in any state of the kernel.
#[unsafe(export_name = "paddock_thread_tick_masked")]
fn check_masked(frame: &TrapFrame, now: u64, due: u64) {
    let cpu = &CPUS[cpus::this_cpu()];
    let spoke = report_writer::spoke(cpus::this_cpu());
    let due = match due {
        0 => cpu.last_check.load(Relaxed),
        due => due,
    };
    let due = due.max(spoke);
    let lasts = stolen::ran_here(due, now);
    let Some(severity) = cpu.interrupts.judge(due, lasts, settings::limits()) else {
        return;
    };
    let current = thread::current();
    let section = current.context().last_section();
    let told = ReportWriter::begin(
        severity,
        Kind::InterruptsOff,
        cause_at(section.map(|(at, _)| at)),
        format_args!(
            "cpu {}, {}, for {} ms and still",
            cpus::this_cpu(),
            Who(current),
            ms(lasts),
        ),
    );
    let Some(writer) = told else {
        return;
    };
    if let Some((at, began)) = section {
        let ago = ms(now.saturating_sub(began));
        writer.say(format_args!(
            "the last section began {ago} ms ago at {}",
            At(Some(at))
        ));
    }
    report::tell_places(&writer, backtrace::of_exception(frame));
}

fn check_step(now: u64) {
    let (step, since) = main_loop::current_step_since();
    if step == Step::Asleep {
        return;
    }
    let lasts = stolen::ran(since, now);
    let Some(severity) = STEP.judge(since, lasts, settings::step_limits()) else {
        return;
    };
    let told = ReportWriter::begin(
        severity,
        Kind::MainLoopStep,
        step as u64,
        format_args!("{step:?} for {} ms", ms(lasts)),
    );
    if severity == Severity::Report
        && let Some(writer) = told
        && let Some(thread) = main_loop::thread()
    {
        report::about_alone(&writer, thread);
    }
}
