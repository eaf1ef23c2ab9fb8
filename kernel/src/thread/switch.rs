//! Picking who runs next on this CPU, and switching to it.
//!
//! No lock is held across the switch itself. A thread's `on_cpu` flag is set
//! from being picked until the switch away from it is complete; until then no
//! other CPU takes it out of a queue (`paddock_sched::Queues`).

use super::cpu::{self as per_cpu, Cpu, Local};
use super::placing::{self, Arrival, QUEUES};
use super::{Thread, current, ports, timer};
use crate::arch::{context, timers};
use crate::{config, schedule_fuzz, violations};
use alloc::sync::Arc;
use core::panic::Location;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{self, Relaxed};
use paddock_sched::{Class, End, Runnable, State};
use paddock_sync::{IrqGuard, Violation};

static SWITCHES: AtomicU64 = AtomicU64::new(0);

/// How many times threads have been switched since boot.
pub fn context_switches() -> u64 {
    SWITCHES.load(Relaxed)
}

/// Switches to who should run now. The running thread's state says what
/// becomes of it: still Running means that it stays ready.
pub fn switch(masked: &IrqGuard) {
    let this = per_cpu::this();
    let count = timers::count_now();
    let now = timers::at(count);
    timer::wake_sleepers(this, now);
    let previous = current();
    check_sections(previous);
    // What follows does all that could have been asked for.
    previous.context.take_need_resched();
    timer::renew_share(this, now);
    let Some(next) = pick(previous) else {
        this.set_running_class(previous.class_here());
        timer::arm(this);
        return;
    };
    account(this, previous, count, now);
    let voluntary = previous.state() != State::Running;
    // SAFETY: interrupts are masked, and this is the only reference for as
    // long as it lives: it is not used across the switch.
    let local = unsafe { this.local(masked) };
    put_back(local, previous);
    let next_thread = start_slice(this, local, next, now);
    next_thread.cpu_time.switch_in(count);
    this.user_time.enter(&next_thread.cpu_time);
    timer::set_cpu_look(this, next_thread, now);
    timer::arm(this);
    if core::ptr::eq(next_thread, previous) {
        return;
    }
    previous.count_switch(voluntary);
    assert!(
        !next_thread.on_cpu.swap(true, Ordering::Acquire),
        "a thread was taken while another CPU uses its stack"
    );
    local.previous = previous;
    change_threads(previous, next_thread);
}

/// The switch's own section is the only one there may be: whoever keeps one
/// across a switch keeps it for himself, while others run in it.
#[inline]
fn check_sections(previous: &Thread) {
    if previous.context.preempt_depth() != 1 && previous.state() != State::Dead {
        report_kept_section(previous);
    }
}

#[cold]
fn report_kept_section(previous: &Thread) {
    violations::report(&Violation::Sleep {
        at: Location::caller(),
        context: "atomic section",
        began_at: previous.context.section().map(|(at, _)| at),
    });
}

/// Whom to run in place of `previous`.
enum Next {
    Thread(Arc<Thread>),
    Idle,
}

fn number(thread: &Thread) -> u64 {
    thread.id().index() as u64
}

/// Takes the next thread out of its queue; `None` if `previous` goes on.
fn pick(previous: &Thread) -> Option<Next> {
    let here = previous.cpu();
    let stays = previous.state() == State::Running;
    if stays && previous.may_run_on(here) {
        let class = previous.class_here();
        return schedule_fuzz::pop(&QUEUES, here, |best| best <= class, number).map(Next::Thread);
    }
    let next = schedule_fuzz::pop(&QUEUES, here, |_| true, number).or_else(|| QUEUES.steal(here));
    Some(next.map_or(Next::Idle, Next::Thread))
}

/// A thread that is ready goes back into a queue: to the head of the line if
/// it has part of its slice left.
fn put_back(local: &mut Local, previous: &Thread) {
    if previous.state() != State::Running {
        return;
    }
    let Some(thread) = local.running.take() else {
        return;
    };
    let here = previous.cpu();
    thread.note_ready();
    thread.state.go(State::Ready);
    if !previous.may_run_on(here) {
        local.displaced = Some(thread);
        return;
    }
    let spent = thread.budget.load(Relaxed) == 0 || thread.class == Class::System;
    if spent {
        thread.budget.store(thread.slice(), Relaxed);
    }
    let end = if spent { End::Back } else { End::Front };
    QUEUES.push(here, end, thread);
}

/// Makes `next` the one that runs here.
fn start_slice(this: &'static Cpu, local: &mut Local, next: Next, now: u64) -> &'static Thread {
    let here = current().cpu();
    let (next, slice) = match next {
        Next::Idle => (None, config::TIME_SLICE_NS),
        Next::Thread(thread) => {
            thread.state.go(State::Running);
            thread.set_home(here);
            let slice = thread.budget.load(Relaxed);
            (Some(thread), slice)
        }
    };
    let class = next
        .as_ref()
        .map_or(Class::Idle, |thread| thread.class_here());
    let was_idle = this.running_class() == Class::Idle;
    this.set_running_class(class);
    if was_idle && class != Class::Idle {
        timer::start_tick(this, now);
        ports::left_idle(here);
    }
    this.slice_end
        .store(now + schedule_fuzz::slice(slice), Relaxed);
    let pointer = next.as_ref().map_or(&raw const this.idle, Arc::as_ptr);
    // The reference to a blocked or dead thread that goes here is never the
    // last: the table of threads or the list of the dead has another.
    local.running = next;
    // SAFETY: kept alive by `running`, or static.
    unsafe { &*pointer }
}

/// Ends the running thread's stretch on this CPU.
fn account(this: &Cpu, previous: &Thread, count: u64, now: u64) {
    let ran = now.saturating_sub(this.running_since.load(Relaxed));
    previous.cpu_time.switch_out(count);
    this.user_time.leave(&previous.cpu_time);
    if let Some(user) = &previous.user {
        user.ran(ran);
    }
    if previous.effective_class() == Class::Operator {
        this.operators.charge(now, ran);
    }
    let left = previous.budget.load(Relaxed).saturating_sub(ran);
    // What is left is too short for a switch to be worth it: count it as none.
    let worth_it = left >= config::TIME_SLICE_NS / 100;
    previous
        .budget
        .store(if worth_it { left } else { 0 }, Relaxed);
    this.running_since.store(now, Relaxed);
}

/// Interrupts are masked; no lock is held.
fn change_threads(previous: &'static Thread, next: &'static Thread) {
    SWITCHES.fetch_add(1, Relaxed);
    schedule_fuzz::note_switch(next.cpu(), number(next));
    if let Some(user) = &previous.user {
        user.switch_out(next.user.is_some());
    }
    if let Some(user) = &next.user {
        user.switch_in();
    }
    next.emergency_stack
        .store(previous.emergency_stack.load(Relaxed), Relaxed);
    // SAFETY: interrupts are masked, and `next` is kept alive by `running`.
    unsafe { super::set_current(next) };
    // SAFETY: interrupts are masked; `next` is on no other CPU, and its stack
    // pointer was saved by an earlier switch or made for its first.
    unsafe { context::switch_stacks(previous.sp.get(), *next.sp.get()) };
    finish();
}

/// Runs on the new thread's stack: the old one's may be used from now on.
/// Interrupts are masked.
pub fn finish() {
    let this = per_cpu::this();
    let masked = IrqGuard::new();
    // SAFETY: interrupts are masked; the reference ends in this block.
    let (previous, displaced) = unsafe {
        let local = this.local(&masked);
        (local.previous, local.displaced.take())
    };
    // SAFETY: the thread before is alive until its `on_cpu` is cleared: the
    // reaper waits for that.
    unsafe { (*previous).on_cpu.store(false, Ordering::Release) };
    match displaced {
        Some(thread) => placing::place(thread, Arrival::Woken),
        None => placing::offer(current().cpu()),
    }
}
