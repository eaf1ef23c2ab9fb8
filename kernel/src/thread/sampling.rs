//! Samples of what the CPUs do: each CPU's timer, at a rate that the profiler sets,
//! hands it what it has interrupted.

use super::cpu::{self as per_cpu, Cpu};
use crate::arch::timers;
use crate::arch::trap::TrapFrame;
use crate::cpus::{self, Ipi};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use paddock_sync::{OnceCell, PreemptGuard};

/// What takes a sample: any context, interrupts masked. It takes no lock.
type Sampler = fn(&TrapFrame);

static SAMPLER: OnceCell<Sampler> = OnceCell::new();
/// Nanoseconds from one sample to the next; zero if none are wanted.
static PERIOD: AtomicU64 = AtomicU64::new(0);

/// Who takes the samples. Once.
pub fn set_sampler(sampler: Sampler) {
    // A second one would be a mistake of `main`'s; the first one stays.
    let _ = SAMPLER.set(sampler);
}

/// Has every CPU that is not idle take a sample each `period` nanoseconds; zero
/// ends that. Thread context.
pub fn set_sample_period(period: u64) {
    PERIOD.store(period, Relaxed);
    let due = match period {
        0 => u64::MAX,
        period => timers::now() + period,
    };
    let _stay = PreemptGuard::new();
    for cpu in 0..cpus::online() {
        per_cpu::by_index(cpu).sample_due.store(due, Relaxed);
        cpus::send(cpu, Ipi::Reschedule);
    }
}

/// The first time after `now` that is a whole number of periods after `due`.
fn next(due: u64, now: u64, period: u64) -> u64 {
    now + period - now.saturating_sub(due) % period
}

/// The timer of `this`, the calling CPU, has interrupted `frame`. Interrupts are
/// masked.
pub fn take_if_due(this: &Cpu, now: u64, frame: &TrapFrame) {
    let due = this.sample_due.load(Relaxed);
    if now < due {
        return;
    }
    let period = PERIOD.load(Relaxed);
    if period == 0 {
        this.sample_due.store(u64::MAX, Relaxed);
        return;
    }
    this.sample_due.store(next(due, now, period), Relaxed);
    if let Some(sampler) = SAMPLER.get() {
        sampler(frame);
    }
}

/// `this`, the calling CPU, is no longer idle: what was due meanwhile is not made
/// up for, and the beginning of a run is not sampled more than the rest.
pub fn skip_idle(this: &Cpu, now: u64) {
    let (due, period) = (this.sample_due.load(Relaxed), PERIOD.load(Relaxed));
    if due <= now && period != 0 {
        this.sample_due.store(next(due, now, period), Relaxed);
    }
}
