//! Each CPU's scheduler timer: deadlines, the end of a slice, and the tick of
//! a CPU that is not idle.
//!
//! The timer serves the earliest deadline, and the slice's end if a peer is
//! ready and no switch is due yet; otherwise it is off. So it is never armed
//! for a time that has passed and been dealt with. While a thread runs it is
//! armed at most [`TICK_NS`] ahead, for the watchdog.

use super::cpu::{self as per_cpu, Cpu};
use super::placing::{self, Arrival, QUEUES};
use super::sampling;
use super::{Thread, current, ports};
use crate::arch::cpu;
use crate::arch::timers::{self, SchedulerTimer};
use crate::arch::trap::TrapFrame;
use crate::cpus::{self, Ipi};
use crate::gic;
use crate::interrupted;
use crate::interrupts::{self, Handler};
use crate::{config, machine, schedule_fuzz};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use paddock_sched::{Class, End};
use paddock_sync::IrqGuard;

/// How often a CPU that is not idle looks at itself.
const TICK_NS: u64 = 100_000_000;

/// The timer's interrupt, as the device tree has it.
static INTERRUPT: AtomicU32 = AtomicU32::new(SchedulerTimer::INTERRUPT);

/// Readies the threads of `this`, the calling CPU, whose time has come.
pub fn wake_sleepers(this: &Cpu, now: u64) {
    loop {
        let due = this.sleepers.lock().pop_due(now);
        let Some(thread) = due else {
            return;
        };
        thread.note_ready();
        if thread.state.expire() {
            placing::place(thread, Arrival::Woken);
        }
    }
}

/// Sets the timer of `this`, the calling CPU. Interrupts are masked.
pub fn arm(this: &Cpu) {
    let running = this.running_class();
    let mut next = this.sleepers.lock().earliest();
    let here = current().cpu();
    if running == Class::Idle {
        next = next.min(ports::watch_while_idle(here));
    } else {
        next = next.min(this.tick_due.load(Relaxed));
        next = next.min(this.cpu_look.load(Relaxed));
        next = next.min(this.sample_due.load(Relaxed));
        let peer = QUEUES.length(here) > 0
            && QUEUES
                .best(here)
                .is_some_and(|best| shares_with(running, best))
            && !current().context.need_resched();
        if peer {
            next = next.min(this.slice_end.load(Relaxed));
        }
    }
    if next != this.armed.load(Relaxed) {
        let now = timers::now();
        // An emulator may run the CPU before its timers.
        note_delay(this, now);
        this.armed.store(next, Relaxed);
        this.fires_at.store(next.max(now), Relaxed);
        this.came_masked.store(0, Relaxed);
        timers::SCHEDULER.set(next);
    }
}

/// Whether the running thread of `this`, the calling CPU, goes on for a moment although a
/// peer was woken who may have the CPU at once: it has just begun. Its slice ends with that
/// moment. The timer is set afterwards. Interrupts are masked.
pub fn begins(this: &Cpu) -> bool {
    let until = this.running_since.load(Relaxed) + config::WAKEUP_GRANULARITY_NS;
    if timers::now() >= until {
        return false;
    }
    let end = this.slice_end.load(Relaxed);
    this.slice_end.store(end.min(until), Relaxed);
    true
}

/// Notes on `this`, the calling CPU, when `thread`, which runs there, is to
/// look at its process's CPU time: now, or when the timer says so. The timer
/// is set afterwards. Interrupts are masked.
pub fn set_cpu_look(this: &Cpu, thread: &Thread, now: u64) {
    let at = match &thread.user {
        Some(user) => user.look_at(now),
        None => u64::MAX,
    };
    if at <= now {
        thread.set_work();
    }
    let at = if at <= now { u64::MAX } else { at };
    this.cpu_look.store(at, Relaxed);
}

/// The same for the running thread, once it has looked. Thread context.
pub fn renew_cpu_look() {
    let _masked = IrqGuard::new();
    let this = per_cpu::this();
    set_cpu_look(this, current(), timers::now());
    arm(this);
}

/// `this`, the calling CPU, is no longer idle.
pub fn start_tick(this: &Cpu, now: u64) {
    if this.tick_due.load(Relaxed) <= now {
        this.tick_due
            .store(now + schedule_fuzz::tick(TICK_NS), Relaxed);
    }
    sampling::skip_idle(this, now);
}

/// The timer has fired. Interrupt context.
fn on_interrupt() {
    ports::timer_came(current().cpu());
    note_delay(per_cpu::this(), timers::now());
    on_timer();
}

/// The timer of `this`, the calling CPU, has fired at `now`, or is about to.
/// Interrupts are masked.
fn note_delay(this: &Cpu, now: u64) {
    if !this.timer_is_fiq.load(Relaxed) {
        return;
    }
    let due = match this.came_masked.load(Relaxed) {
        0 => this.fires_at.load(Relaxed),
        again => again,
    };
    if due != 0 {
        ports::timer_delayed(due, now);
    }
}

/// The timer has fired and has come as FIQ, with interrupts masked in what it
/// has interrupted, `frame`: its work is done when they no longer are, and the
/// timer comes again to see whether that happens. In any state of the kernel.
pub fn came_masked(frame: &TrapFrame) {
    let this = per_cpu::this();
    let Some(taken) = gic::acknowledge_fiq(INTERRUPT.load(Relaxed)) else {
        return;
    };
    let now = timers::now();
    note_delay(this, now);
    sampling::take_if_due(this, now, frame);
    let again = now + TICK_NS;
    this.came_masked.store(again, Relaxed);
    timers::SCHEDULER.set(again);
    if !timers::SCHEDULER.is_set_to(again) {
        // Somebody else has it; it must not come for ever.
        timers::SCHEDULER.stop();
    }
    gic::end(taken);
    cpus::send_self(Ipi::Timer);
    ports::tick_masked(frame, now, this.fires_at.load(Relaxed));
}

/// The work that [`came_masked`] has left. Interrupt context.
pub fn on_masked_timer() {
    if per_cpu::this().came_masked.load(Relaxed) != 0 {
        on_timer();
    }
}

/// Whether a thread of class `running` has the CPU for a slice only, with one
/// of class `waiting` ready: those of [`Class::Operator`] come first for a
/// share of it.
fn shares_with(running: Class, waiting: Class) -> bool {
    waiting <= running || (running == Class::Operator && waiting == Class::User)
}

/// Looks whether operators have had their share of `this`, the calling CPU.
/// Interrupts are masked.
pub fn renew_share(this: &Cpu, now: u64) {
    let thread = current();
    let running = match thread.effective_class() {
        Class::Operator => now.saturating_sub(this.running_since.load(Relaxed)),
        _ => 0,
    };
    let spent = this.operators.is_spent(now, running);
    QUEUES.set_operators_yield(thread.cpu(), spent);
}

/// Does what is due. Interrupt context.
fn on_timer() {
    let _masked = IrqGuard::new();
    let this = per_cpu::this();
    let now = timers::now();
    let set_to = match this.came_masked.load(Relaxed) {
        again if again != 0 && timers::SCHEDULER.is_set_to(again) => again,
        _ => this.armed.load(Relaxed),
    };
    ports::timer_fired(set_to);
    this.armed.store(0, Relaxed);
    // Until it is set again it is as if it fired now: the host may stop the machine here.
    let due = this.fires_at.swap(now, Relaxed);
    if let Some(interrupted) = interrupted::frame() {
        sampling::take_if_due(this, now, interrupted);
    }
    wake_sleepers(this, now);
    let running = this.running_class();
    if running != Class::Idle && now >= this.tick_due.load(Relaxed) {
        this.tick_due
            .store(now + schedule_fuzz::tick(TICK_NS), Relaxed);
        let here = current().cpu();
        if let Some(thread) = QUEUES.balance(here) {
            QUEUES.push(here, End::Back, thread);
        }
    }
    if now >= this.cpu_look.load(Relaxed) {
        this.cpu_look.store(u64::MAX, Relaxed);
        current().set_work();
    }
    let slice_over = now >= this.slice_end.load(Relaxed);
    if slice_over {
        renew_share(this, now);
        this.set_running_class(current().class_here());
    }
    let running = this.running_class();
    let best = QUEUES.best(current().cpu()).unwrap_or(Class::Idle);
    if best < running || (best == running && best != Class::Idle && slice_over) {
        current().context.set_need_resched();
    } else if slice_over {
        // Nobody has a claim to the CPU yet.
        this.slice_end.store(now + config::TIME_SLICE_NS, Relaxed);
    }
    arm(this);
    ports::tick(now, due);
}

/// Another timer of the calling CPU has fired: does what this one should have
/// done, if it is late. Interrupt context.
pub fn catch_up() {
    let _masked = IrqGuard::new();
    let due = per_cpu::this().fires_at.load(Relaxed);
    if ports::timer_is_late(current().cpu(), due) {
        on_timer();
    }
}

/// Sets the timer of the calling CPU up, disabled. Once on each CPU, with
/// interrupts masked.
pub fn start() {
    timers::SCHEDULER.set(u64::MAX);
    let tree = machine::get().and_then(|machine| machine.timers.as_ref());
    let described = tree.and_then(|timers| timers.physical);
    let number = described.map_or(SchedulerTimer::INTERRUPT, |interrupt| interrupt.number);
    if let Err(error) = interrupts::register(number, Handler::new("sched-timer", on_interrupt)) {
        panic!("timer interrupt {number} cannot be used: {error}");
    }
    INTERRUPT.store(number, Relaxed);
    let comes = gic::set_fiq(number, true) && fiq_comes();
    per_cpu::this().timer_is_fiq.store(comes, Relaxed);
    if !comes {
        // False where it never could: then it is as it was.
        let _is_irq = gic::set_fiq(number, false);
        log::info!(
            "cpu {}: no FIQ: a host that stops the machine looks like interrupts that are off",
            current().cpu()
        );
    }
}

/// Has the watchdog know of time that the host has taken until now. Thread
/// context.
pub fn note_stolen_time() {
    let _masked = IrqGuard::new();
    note_delay(per_cpu::this(), timers::now());
}

/// Whether the calling CPU's timer comes as FIQ.
pub fn is_fiq() -> bool {
    per_cpu::this().timer_is_fiq.load(Relaxed)
}

/// Whether the timer of the calling CPU comes as FIQ, as it should: it is
/// tried. Interrupts are masked.
fn fiq_comes() -> bool {
    /// Far longer (ns) than it takes a busy emulator.
    const PATIENCE_NS: u64 = 20_000_000;
    let this = per_cpu::this();
    cpu::fiq_enable();
    let start = timers::now();
    timers::SCHEDULER.set(start);
    let came = || this.came_masked.load(Relaxed) != 0;
    while !came() && timers::now() < start + PATIENCE_NS {
        cpu::relax();
    }
    let comes = came();
    timers::SCHEDULER.set(u64::MAX);
    this.came_masked.store(0, Relaxed);
    comes
}

/// Another CPU has put a thread into this one's queue, or this one is to look
/// for work elsewhere. Interrupt context.
pub fn on_reschedule() {
    let _masked = IrqGuard::new();
    let this = per_cpu::this();
    let running = this.running_class();
    let best = QUEUES.best(current().cpu()).unwrap_or(Class::Idle);
    let asked = this.preempt_asked.swap(false, Relaxed);
    let peer = asked && best == running && best != Class::Idle;
    if best < running || (peer && !begins(this)) {
        current().context.set_need_resched();
    }
    arm(this);
}
