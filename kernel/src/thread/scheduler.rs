//! The scheduler: the one owner of thread states, run queues and deadlines.
//!
//! Its lock masks interrupts and is never held across the switch itself; a
//! thread's `on_cpu` flag keeps its stack from being entered by another CPU
//! before the switch away from it is complete.

use super::{BOOT_THREAD, MAX_THREADS, Thread, current};
use crate::arch::{context, cpu, timers};
use crate::{config, user};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::{self, Relaxed};
use core::sync::atomic::{AtomicU64, AtomicUsize};
use paddock_abi::{Errno, Result};
use paddock_sched::{Class, Deadlines, Id, RunQueue, State, Table};
use paddock_sync::{PreemptGuard, Rank, SpinLock, SpinLockGuard, WaitQueue, try_arc};

struct Scheduler {
    threads: Table<Arc<Thread>>,
    ready: RunQueue<Arc<Thread>>,
    deadlines: Deadlines,
    /// Who waits with a deadline, by the thread's slot index.
    sleepers: Vec<Option<Arc<Thread>>>,
    dead: Vec<Arc<Thread>>,
    /// The running thread; `None` is the idle one.
    running: Option<Arc<Thread>>,
    running_since: u64,
    slice_end: u64,
    armed: u64,
}

static SCHEDULER: SpinLock<Scheduler> = SpinLock::new(
    Rank::Scheduler,
    Scheduler {
        threads: Table::new(MAX_THREADS),
        ready: RunQueue::new(),
        deadlines: Deadlines::new(),
        sleepers: Vec::new(),
        dead: Vec::new(),
        running: None,
        running_since: 0,
        slice_end: u64::MAX,
        armed: u64::MAX,
    },
);

/// The thread that the switch now under way comes from.
static PREVIOUS: AtomicUsize = AtomicUsize::new(0);
static SWITCHES: AtomicU64 = AtomicU64::new(0);
/// The reaper waits here for threads that have ended.
static REAPER: WaitQueue = WaitQueue::new();

/// How many times threads have been switched since boot.
pub fn context_switches() -> u64 {
    SWITCHES.load(Relaxed)
}

impl Scheduler {
    fn set_state(thread: &Thread, to: State) {
        match thread.state().go(to) {
            Ok(state) => thread.state.store(state as u8, Relaxed),
            Err(bad) => panic!(
                "thread {:?}: {:?} cannot become {:?}",
                thread.id, bad.from, bad.to
            ),
        }
    }

    /// To the end of the line, with a new slice.
    fn make_ready(&mut self, thread: &Arc<Thread>) {
        Self::set_state(thread, State::Ready);
        thread.budget.store(config::TIME_SLICE_NS, Relaxed);
        self.ready.push(thread.class, thread.clone());
    }

    /// To the head of the line, if it has not used up its slice.
    fn make_woken(&mut self, thread: &Arc<Thread>) {
        if thread.budget.load(Relaxed) == 0 {
            self.make_ready(thread);
            return;
        }
        Self::set_state(thread, State::Ready);
        self.ready.push_front(thread.class, thread.clone());
        if thread.class <= self.running_class() {
            current().context.set_need_resched();
        }
    }

    /// A running thread gives way: behind its peers if its slice is over,
    /// else it goes on after whoever was woken.
    fn preempted(&mut self, thread: &Arc<Thread>) {
        if thread.budget.load(Relaxed) == 0 || thread.class == Class::System {
            self.make_ready(thread);
        } else {
            Self::set_state(thread, State::Ready);
            self.ready.push_front(thread.class, thread.clone());
        }
    }

    fn running_class(&self) -> Class {
        self.running
            .as_ref()
            .map_or(Class::Idle, |thread| thread.class)
    }

    /// Asks for a switch if somebody better is ready, and sees to it that a
    /// peer gets its turn at the end of the slice.
    fn note_ready(&mut self) {
        let Some(best) = self.ready.best() else {
            return;
        };
        if best < self.running_class() {
            current().context.set_need_resched();
        } else {
            self.arm_timer();
        }
    }

    /// The timer serves the earliest deadline, and the slice's end if a peer
    /// is ready and no switch is due yet; otherwise it is off. So it is never
    /// armed for a time that has passed and been dealt with.
    fn arm_timer(&mut self) {
        let mut next = self.deadlines.earliest().unwrap_or(u64::MAX);
        let peer = self
            .ready
            .best()
            .is_some_and(|best| best <= self.running_class());
        if peer && !current().context.need_resched() {
            next = next.min(self.slice_end);
        }
        if next != self.armed {
            self.armed = next;
            timers::SCHEDULER.set(next);
        }
    }

    fn wake_sleepers(&mut self, now: u64) {
        while let Some(index) = self.deadlines.pop_due(now) {
            if let Some(thread) = self.sleepers.get_mut(index).and_then(Option::take) {
                self.make_woken(&thread);
            }
        }
    }

    fn reserve_for_one_more(&mut self) -> Result<()> {
        let count = self.threads.slots() + 1;
        self.ready.reserve(count)?;
        self.deadlines.reserve(count)?;
        self.dead
            .try_reserve(count.saturating_sub(self.dead.len()))
            .map_err(|_| Errno::ENOMEM)?;
        self.sleepers
            .try_reserve(count.saturating_sub(self.sleepers.len()))
            .map_err(|_| Errno::ENOMEM)?;
        while self.sleepers.len() < count {
            self.sleepers.push(None);
        }
        Ok(())
    }
}

/// Makes a thread and lets it run.
pub(super) fn add(make: impl FnOnce(Id) -> Thread) -> Result<Arc<Thread>> {
    let mut scheduler = SCHEDULER.lock();
    scheduler.reserve_for_one_more()?;
    let id = scheduler.threads.insert_with(|id| try_arc(make(id)))?;
    let thread = scheduler.threads.get(id).cloned().ok_or(Errno::EAGAIN)?;
    scheduler.make_ready(&thread);
    scheduler.note_ready();
    Ok(thread)
}

/// All threads, as of now.
pub(super) fn snapshot() -> Vec<Arc<Thread>> {
    let scheduler = SCHEDULER.lock();
    let mut all = Vec::new();
    if all.try_reserve(scheduler.threads.len()).is_ok() {
        all.extend(scheduler.threads.iter().cloned());
    }
    all
}

/// Any context: readies a blocked thread, or leaves it a note for its next
/// park.
pub(super) fn unpark(thread: &Arc<Thread>) {
    let mut scheduler = SCHEDULER.lock();
    if thread.state() == State::Blocked {
        scheduler.deadlines.remove(thread.id.index());
        let sleeper = scheduler
            .sleepers
            .get_mut(thread.id.index())
            .and_then(Option::take);
        scheduler.make_woken(thread);
        scheduler.note_ready();
        drop(scheduler);
        drop(sleeper);
    } else {
        thread.notified.store(true, Relaxed);
    }
}

/// Blocks the running thread until it is unparked or `deadline` has come.
pub(super) fn park(deadline: u64) {
    let thread = current();
    let mut scheduler = SCHEDULER.lock();
    if thread.notified.swap(false, Relaxed) || timers::now() >= deadline {
        return;
    }
    Scheduler::set_state(thread, State::Blocked);
    if deadline != u64::MAX {
        let index = thread.id.index();
        scheduler.sleepers[index] = scheduler.running.clone();
        scheduler.deadlines.set(index, deadline);
    }
    switch(scheduler);
}

/// Switches if somebody better, or a peer after the slice's end, is ready.
pub fn preempt() {
    current().context.take_need_resched();
    switch(SCHEDULER.lock());
}

/// Gives up the rest of the slice: every peer that is ready runs first.
pub(super) fn yield_slice() {
    current().budget.store(0, Relaxed);
    preempt();
}

/// As [`preempt`], from the end of an interrupt taken in the kernel.
pub fn preempt_from_interrupt() {
    preempt();
}

pub(super) fn exit() -> ! {
    let thread = current();
    // A dead thread that is switched away from never runs again, so nothing
    // may do that before the reaper knows of it.
    let _stay = PreemptGuard::new();
    let mut scheduler = SCHEDULER.lock();
    Scheduler::set_state(thread, State::Dead);
    if let Some(owned) = scheduler.threads.remove(thread.id) {
        scheduler.dead.push(owned);
    }
    drop(scheduler);
    REAPER.wake_one();
    switch(SCHEDULER.lock());
    unreachable!("a dead thread was switched to")
}

/// The scheduler's timer has fired. Interrupt context.
pub fn on_timer() {
    let mut scheduler = SCHEDULER.lock();
    let now = timers::now();
    scheduler.armed = 0;
    scheduler.wake_sleepers(now);
    let best = scheduler.ready.best().unwrap_or(Class::Idle);
    let running = scheduler.running_class();
    if best < running || (best == running && best != Class::Idle && now >= scheduler.slice_end) {
        current().context.set_need_resched();
    }
    scheduler.arm_timer();
    drop(scheduler);
    crate::watchdog::check(now);
}

/// Picks who runs next and switches to it. The running thread's state says
/// what becomes of it: still Running means that it stays ready.
fn switch(mut scheduler: SpinLockGuard<'_, Scheduler, paddock_sync::IrqOff>) {
    let now = timers::now();
    scheduler.wake_sleepers(now);
    let previous = current();
    let stays = previous.state() == State::Running;
    if stays && !yields(&scheduler, previous) {
        scheduler.arm_timer();
        return;
    }
    account(&mut scheduler, previous, now);
    let next = scheduler.ready.pop();
    if stays
        && previous.class != Class::Idle
        && let Some(thread) = scheduler.running.take()
    {
        scheduler.preempted(&thread);
    }
    let slice = next
        .as_ref()
        .map_or(config::TIME_SLICE_NS, |thread| thread.budget.load(Relaxed));
    scheduler.slice_end = now + slice;
    let next_pointer: *const Thread = match &next {
        Some(thread) => {
            Scheduler::set_state(thread, State::Running);
            Arc::as_ptr(thread)
        }
        None => &raw const BOOT_THREAD,
    };
    // The reference to a blocked or dead thread that is dropped here is never
    // the last: its sleeper's slot, waker, table or the dead list has another.
    let old = core::mem::replace(&mut scheduler.running, next);
    scheduler.arm_timer();
    if core::ptr::eq(next_pointer, previous) {
        return;
    }
    // SAFETY: kept alive by `running`, or static.
    let next = unsafe { &*next_pointer };
    let section = SpinLockGuard::release(scheduler);
    drop(old);
    change_threads(previous, next);
    drop(section);
}

fn yields(scheduler: &Scheduler, previous: &Thread) -> bool {
    match scheduler.ready.best() {
        None => false,
        Some(best) => best <= previous.class,
    }
}

fn account(scheduler: &mut Scheduler, previous: &Thread, now: u64) {
    let ran = now.saturating_sub(scheduler.running_since);
    previous.run_time.fetch_add(ran, Relaxed);
    let left = previous.budget.load(Relaxed).saturating_sub(ran);
    // What is left is too short for a switch to be worth it: count it as none.
    previous.budget.store(
        if left < config::TIME_SLICE_NS / 100 {
            0
        } else {
            left
        },
        Relaxed,
    );
    scheduler.running_since = now;
}

/// Interrupts are masked; the scheduler's lock is free again.
fn change_threads(previous: &'static Thread, next: &'static Thread) {
    while next.on_cpu.swap(true, Ordering::Acquire) {
        core::hint::spin_loop();
    }
    SWITCHES.fetch_add(1, Relaxed);
    user::switch_state(previous.user(), next.user());
    PREVIOUS.store(core::ptr::from_ref(previous).expose_provenance(), Relaxed);
    next.emergency_stack
        .store(previous.emergency_stack.load(Relaxed), Relaxed);
    cpu::set_current(next);
    // SAFETY: interrupts are masked; `next` is on no other CPU, and its stack
    // pointer was saved by an earlier switch or made for its first.
    unsafe { context::switch_stacks(previous.sp.get(), *next.sp.get()) };
    finish_switch();
}

/// Runs on the new thread's stack: the old one's may be used from now on.
pub(super) fn finish_switch() {
    let previous = PREVIOUS.load(Relaxed);
    // SAFETY: the thread before is alive until its `on_cpu` is cleared: the
    // reaper waits for that.
    let previous = unsafe { &*core::ptr::with_exposed_provenance::<Thread>(previous) };
    previous.on_cpu.store(false, Ordering::Release);
}

/// Turns the boot's thread of control into the idle thread: the scheduler
/// owns this CPU from here.
pub fn start_scheduling() -> ! {
    BOOT_THREAD
        .emergency_stack
        .store(crate::memory::emergency_stack_top(), Relaxed);
    let reaper = super::spawn("reaper", reap);
    if let Err(error) = reaper {
        panic!("no memory for the first thread: {error}");
    }
    cpu::irq_enable();
    BOOT_THREAD.context.end_section();
    loop {
        preempt();
        idle();
    }
}

/// Sleeps until an interrupt makes somebody ready.
fn idle() {
    let saved = cpu::irq_save();
    if !current().context.need_resched() && SCHEDULER.lock().ready.is_empty() {
        cpu::wait_for_interrupt();
    }
    cpu::irq_restore(saved);
}

fn reap() {
    loop {
        let thread = REAPER.wait_until(|| SCHEDULER.lock().dead.pop());
        while thread.on_cpu.load(Ordering::Acquire) {
            super::yield_now();
        }
        // Whoever still holds a waker of it keeps it a little longer.
        drop(thread);
    }
}
