//! Schedules from a seed: with `paddock.seed=N` a generator decides at every
//! preemption point, lock and wake-up whether to switch, to whom, and on which
//! CPU a thread goes on. Only the kernel with the feature `fuzz-sched` has it;
//! `cargo xtask fuzz-sched` runs it.
//!
//! Under QEMU's `-icount shift=0,sleep=off` all CPUs run in turn in one thread
//! of the host, and time is the count of instructions. With what the host
//! times kept out, a run with the same seed repeats exactly; the line at its
//! end has a hash over all switches (time, CPU, thread) to prove it.
//!
//! Nothing here makes what could not happen by itself: a switch comes where an
//! interrupt could have asked for one, another CPU runs where it could have
//! been faster. The order of classes is not kept, because none may rely on it.

mod generator;

pub use generator::{chance, configure, disable, draw, enabled, seed, used_seed};

use crate::arch::{cpu, timers};
use crate::cpus;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use paddock_sched::{Class, CpuMask, Queues, Runnable};

/// A switch that was asked for is put off to a later place this seldom.
const PUT_OFF_ONE_IN: u64 = 4;
/// A CPU's turn ends this seldom with an interrupt or a system call.
const TURN_ENDS_ONE_IN: u64 = 4;
/// The order of threads changes this often, in switches.
const ORDER_LASTS: u64 = 32;
/// A wake-up goes to a CPU of no merit this often.
const MOVE_ONE_IN: u64 = 3;
/// The longest slice (ns): short, so that user code is interrupted anywhere and
/// one that computes for ever costs little.
const LONGEST_SLICE: u64 = 300_000;

/// Which order of threads is in force.
static ORDER: AtomicU64 = AtomicU64::new(0);
/// Over all switches so far.
static HASH: AtomicU64 = AtomicU64::new(0);

/// At a place where a guard ends or a lock is taken: whether to switch. Others'
/// CPUs may run first. Any context.
#[unsafe(export_name = "paddock_sync_schedule_point")]
fn point(free: bool, due: bool) -> bool {
    if !enabled() {
        return due;
    }
    if cpus::online() > 1 && chance(generator::rarity()) {
        // One CPU after another runs; this ends the caller's turn.
        cpu::relax();
    }
    match (free, due) {
        (false, _) => false,
        (true, true) => !chance(PUT_OFF_ONE_IN),
        (true, false) => chance(generator::rarity()),
    }
}

/// Whether to switch on the way back from an interrupt or to user mode. Others'
/// CPUs run first now and then.
pub fn switch_now() -> bool {
    if !enabled() {
        return false;
    }
    if cpus::online() > 1 && chance(TURN_ENDS_ONE_IN) {
        cpu::relax();
    }
    chance(generator::rarity())
}

/// Takes a ready thread of `cpu`, the calling one; `number` tells one from another.
pub fn pop<T: Runnable, const CPUS: usize>(
    queues: &Queues<T, CPUS>,
    cpu: usize,
    wanted: impl FnOnce(Class) -> bool,
    number: impl Fn(&T) -> u64,
) -> Option<Arc<T>> {
    if !enabled() {
        return queues.pop(cpu, wanted);
    }
    if chance(ORDER_LASTS) {
        ORDER.store(draw(), Relaxed);
    }
    let order = ORDER.load(Relaxed);
    let key = |thread: &Arc<T>| match generator::keeps_order() {
        true => generator::mix(order ^ number(thread)),
        false => draw(),
    };
    queues.pop_least(cpu, key)
}

/// How long (ns) a thread runs while others wait, of the slice that it has left.
pub fn slice(left: u64) -> u64 {
    match enabled() {
        true => left.min(draw() % LONGEST_SLICE),
        false => left,
    }
}

/// How often (ns) a CPU that is not idle looks at itself. With several, a CPU's
/// turn lasts until the next timer of any.
pub fn tick(ordinary: u64) -> u64 {
    match enabled() && cpus::online() > 1 {
        true => ordinary.min(LONGEST_SLICE),
        false => ordinary,
    }
}

/// Where a thread that was woken is to go on, if not where it should.
pub fn cpu_for_wake_up(allowed: CpuMask) -> Option<usize> {
    if !enabled() || !chance(MOVE_ONE_IN) {
        return None;
    }
    let cpu = (draw() % cpus::online() as u64) as usize;
    allowed.has(cpu).then_some(cpu)
}

/// A switch on the calling CPU, `cpu`, to the thread of this number. Interrupts are
/// masked.
pub fn note_switch(cpu: usize, number: u64) {
    if !enabled() {
        return;
    }
    let words = [timers::now(), cpu as u64, number];
    let add = |hash| {
        words
            .iter()
            .fold(hash, |hash, word| generator::mix(hash ^ word))
    };
    HASH.fetch_update(Relaxed, Relaxed, |hash| Some(add(hash)))
        .unwrap_or_else(|unchanged| unchanged);
}

/// A hash over all switches so far: two runs that are alike have the same.
pub fn hash() -> u64 {
    HASH.load(Relaxed)
}
