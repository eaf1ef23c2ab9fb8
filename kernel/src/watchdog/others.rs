//! What is looked at beyond the CPU itself: the timers of the others, and the
//! threads.

use super::idle_watch::LOOK_NS;
use super::report::{self, Who, ms};
use super::report_writer::{self, Kind, ReportWriter};
use super::{settings, stolen};
use crate::config;
use crate::cpus::{self, MAX_CPUS};
use crate::interrupted;
use crate::thread::{self, Thread, Threads};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use paddock_sched::Class;
use paddock_watchdog::{Episode, PeakHold, Severity};

/// How often (ns) the threads are looked at.
const SCAN_NS: u64 = 1_000_000_000;

static SILENCE: [Episode; MAX_CPUS] = [const { Episode::new() }; MAX_CPUS];
static RUNS_ON: [Episode; MAX_CPUS] = [const { Episode::new() }; MAX_CPUS];
static NOT_RUN: Episode = Episode::new();
/// How many threads there were.
static CROWD: PeakHold = PeakHold::new();
/// When (ns) the threads are looked at next, by whichever CPU comes first.
static NEXT_SCAN: AtomicU64 = AtomicU64::new(0);

/// When (ns) each CPU looked at the others last, and since when it does so
/// without a gap.
static LOOKED: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];
static LOOKING_SINCE: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];

/// For how long (ns) the CPU `here`, which does so now, has looked at the others:
/// the silence of one is only known for that time. A CPU that was idle with no
/// timer cannot tell a host that has stopped the machine from one that is silent.
fn looked_for(here: usize, now: u64) -> u64 {
    let last = LOOKED[here].swap(now, Relaxed);
    if now.saturating_sub(last) > 2 * LOOK_NS {
        LOOKING_SINCE[here].store(now, Relaxed);
    }
    now.saturating_sub(LOOKING_SINCE[here].load(Relaxed))
}

/// Whether the other CPUs take their timer interrupts. `last_seen` gives when
/// (ns) a CPU took its last one.
pub fn check_timers(now: u64, last_seen: impl Fn(usize) -> u64) {
    let here = cpus::this_cpu();
    let looked = looked_for(here, now);
    for cpu in (0..cpus::online()).filter(|&cpu| cpu != here) {
        let since = match thread::timer_fires_at(cpu) {
            0 => last_seen(cpu),
            due => due,
        };
        let since = since.max(report_writer::spoke(cpu));
        let lasts = stolen::ran(since, now);
        let known = lasts.min(looked);
        let Some(severity) = SILENCE[cpu].judge(since, known, settings::limits()) else {
            continue;
        };
        tell_silent(severity, cpu, lasts);
    }
}

fn tell_silent(severity: Severity, cpu: usize, silent: u64) {
    thread::inspect(|threads| {
        let thread = threads.on_cpu(cpu);
        let details = format_args!("cpu {cpu}, {}, for {} ms", Who(thread), ms(silent));
        let told = ReportWriter::begin(severity, Kind::NoTimerInterrupts, cpu as u64, details);
        if let Some(writer) = told
            && severity == Severity::Report
        {
            report::about(&writer, threads, thread);
        }
    });
}

/// Whether the running kernel thread ever sleeps. One without preemption is
/// noticed for that.
pub fn check_runaway(now: u64) {
    let thread = thread::current();
    if thread.class() != Class::System || interrupted::section().is_some() {
        return;
    }
    let (ran, run) = thread.run_without_sleep();
    let ran = stolen::ran_here(now.saturating_sub(ran), now);
    let key = thread.id().to_u64().rotate_left(32) ^ run;
    let limits = settings::limits().report_only();
    if RUNS_ON[cpus::this_cpu()].judge(key, ran, limits).is_none() {
        return;
    }
    thread::inspect(|threads| {
        let details = format_args!("{} has run for {} ms without sleep", Who(thread), ms(ran));
        let (kind, cause) = (Kind::RunawayThread, thread.id().to_u64());
        if let Some(writer) = ReportWriter::begin(Severity::Report, kind, cause, details) {
            report::about(&writer, threads, thread);
        }
    });
}

/// Whether a thread that is ready gets no CPU: once a second, on one CPU.
pub fn check_ready(now: u64) {
    let due = NEXT_SCAN.load(Relaxed);
    let period = SCAN_NS.min(settings::limits().report);
    let taken = |due| NEXT_SCAN.compare_exchange(due, now + period, Relaxed, Relaxed);
    if now < due || taken(due).is_err() {
        return;
    }
    thread::inspect(|threads| {
        let ready = |thread| Some((Thread::ready_since(thread)?, thread));
        let longest = threads.iter().filter_map(ready).min_by_key(|it| it.0);
        if let Some((since, thread)) = longest {
            judge_ready(threads, thread, since, now);
        }
    });
}

/// In how many nanoseconds it is the turn of each of `threads` threads of
/// programs: all others may have a slice before, those that sleep now as well,
/// and operators have as much again.
fn round_ns(threads: u64) -> u64 {
    threads * config::TIME_SLICE_NS * 2
}

/// How long (ns) a thread may be ready: those of the kernel come first, one of a
/// program waits for as many others as there were since, of which some may have
/// ended.
fn ready_limit(thread: &Thread, threads: u64, now: u64) -> u64 {
    let limit = settings::limits().report;
    let most = CROWD.note(threads, now, now + limit + round_ns(threads));
    match thread.effective_class() {
        Class::System => limit,
        _ => limit + round_ns(most),
    }
}

fn judge_ready(threads: &Threads, thread: &Thread, since: u64, now: u64) {
    let cpu = thread.cpu();
    let mut limits = settings::limits();
    limits.report = ready_limit(thread, threads.iter().count() as u64, now);
    let waits = stolen::ran(since, now);
    if NOT_RUN.judge(since, waits, limits.report_only()).is_none() {
        return;
    }
    let running = threads.on_cpu(cpu);
    let told = ReportWriter::begin(
        Severity::Report,
        Kind::ThreadNotRun,
        cpu as u64,
        format_args!(
            "{}, {:?}, ready for {} ms on cpu {cpu}, which runs {}, {:?}",
            Who(thread),
            thread.effective_class(),
            ms(waits),
            Who(running),
            running.effective_class(),
        ),
    );
    if let Some(writer) = told {
        report::about(&writer, threads, running);
    }
}
