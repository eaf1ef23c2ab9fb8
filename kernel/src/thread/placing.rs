//! Where a thread that became ready will run, and who has to be told.

use super::cpu::{self as per_cpu};
use super::{Thread, current, timer};
use crate::cpus::{self, Ipi, MAX_CPUS};
use crate::schedule_fuzz;
use alloc::sync::Arc;
use core::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};
use paddock_sched::{Class, CpuMask, End, Queues, Runnable};

/// The type of the run queues.
pub type RunQueues = Queues<Thread, MAX_CPUS>;

/// The run queues of all CPUs.
pub static QUEUES: RunQueues = Queues::new();

/// How a thread has become ready.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// It has just been made. It runs before its maker goes on: it may be over by the time
    /// that the maker waits for it, and no page is copied for what the maker writes
    /// meanwhile.
    New,
    /// It was blocked.
    Woken,
}

impl Runnable for Thread {
    fn class(&self) -> Class {
        self.effective_class()
    }

    fn affinity(&self) -> CpuMask {
        Thread::affinity(self)
    }

    fn on_cpu(&self) -> bool {
        self.on_cpu.load(Acquire)
    }

    fn home(&self) -> usize {
        self.cpu.load(SeqCst)
    }

    fn set_home(&self, cpu: usize) {
        self.cpu.store(cpu, SeqCst);
    }
}

/// Puts a thread that has just become Ready into a queue, and sees to it that
/// it is noticed. Interrupts are masked.
pub fn place(thread: Arc<Thread>, arrival: Arrival) {
    let end = if thread.budget.load(Relaxed) == 0 || thread.yields_on_waking() {
        thread.budget.store(thread.slice(), Relaxed);
        End::Back
    } else {
        End::Front
    };
    let class = thread.effective_class();
    let cpu = choose(&thread, class);
    QUEUES.push(cpu, end, thread);
    announce(cpu, QUEUES.class_on(cpu, class), end, arrival);
}

/// The CPU for a thread that became ready.
fn choose(thread: &Arc<Thread>, class: Class) -> usize {
    let last = thread.home();
    // Only that CPU may take it: see `paddock_sched::Queues`.
    if cpus::possible() == 1 || Runnable::on_cpu(&**thread) {
        return last;
    }
    let allowed = thread.allowed_now();
    if let Some(cpu) = schedule_fuzz::cpu_for_wake_up(allowed) {
        return cpu;
    }
    let here = current().cpu();
    let idle = QUEUES
        .claim_idle(CpuMask(allowed.0 & CpuMask::only(last).0), last)
        .or_else(|| QUEUES.claim_idle(allowed, here));
    if let Some(cpu) = idle {
        return cpu;
    }
    let fits = |&cpu: &usize| class <= per_cpu::by_index(cpu).running_class();
    let candidates = || (0..cpus::online()).filter(|&cpu| allowed.has(cpu));
    if allowed.has(last) && fits(&last) {
        return last;
    }
    candidates()
        .filter(fits)
        .min_by_key(|&cpu| QUEUES.length(cpu))
        .or_else(|| candidates().min_by_key(|&cpu| QUEUES.length(cpu)))
        .unwrap_or(last)
}

/// A thread of `class` is in the queue of `cpu`: asks for a switch if it
/// should run before who runs there, and for a timer if after, or if who runs has just
/// begun.
pub fn announce(cpu: usize, class: Class, end: End, arrival: Arrival) {
    let there = per_cpu::by_index(cpu);
    let running = there.running_class();
    let at_once = class < running || (class == running && end == End::Front);
    if cpu == current().cpu() {
        let waits = arrival == Arrival::Woken && class == running;
        if at_once && !(waits && timer::begins(there)) {
            current().context.set_need_resched();
        } else {
            timer::arm(there);
        }
    } else if at_once {
        there.preempt_asked.store(true, Relaxed);
        cpus::send(cpu, Ipi::Reschedule);
    } else if class == running && QUEUES.length(cpu) == 1 {
        cpus::send(cpu, Ipi::Reschedule);
    }
}

/// Wakes an idle CPU if threads wait for `cpu` that it could run.
pub fn offer(cpu: usize) {
    if QUEUES.length(cpu) == 0 || !QUEUES.anybody_idle() {
        return;
    }
    let allowed = QUEUES.waiting_affinity(cpu);
    if let Some(idle) = QUEUES.claim_idle(allowed, cpu) {
        cpus::send(idle, Ipi::Reschedule);
    }
}
