//! What threads ask of the scheduler: to begin, to wait, to be woken, to end.

use super::cpu::{self as per_cpu};
use super::placing::{self, Arrival, QUEUES};
use super::stack::KernelStack;
use super::{MAX_THREADS, Thread, current, switch, timer};
use crate::arch::{cpu, timers};
use crate::{cpus, memory};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};
use paddock_abi::{Errno, Result};
use paddock_sched::{Class, End, Id, State};
use paddock_sync::{
    Context, IrqGuard, IrqOff, NO_DEADLINE, PreemptGuard, Rank, SpinLock, SpinLockGuard, WaitQueue,
    try_arc,
};

/// All threads, and those that have ended but are not freed yet.
struct Registry {
    threads: paddock_sched::Table<Arc<Thread>>,
    dead: Vec<Arc<Thread>>,
    /// Dead ones to whom somebody still referred at the last look.
    referred: Vec<Arc<Thread>>,
}

static REGISTRY: SpinLock<Registry> = SpinLock::new(
    Rank::ThreadTable,
    Registry {
        threads: paddock_sched::Table::new(MAX_THREADS),
        dead: Vec::new(),
        referred: Vec::new(),
    },
);

/// The reaper waits here for threads that have ended.
static REAPER: WaitQueue = WaitQueue::new();

impl Registry {
    /// Makes room, so that nothing allocates when a thread is woken, put to
    /// sleep or ends.
    fn reserve_for_one_more(&mut self) -> Result<()> {
        let count = self.threads.slots() + 1;
        // Everyone who lives will be dead, and may be referred to then; one
        // more is in the reaper's hands.
        let living = self.threads.len() + 1;
        let ended = living + self.dead.len() + 1;
        self.dead
            .try_reserve(living)
            .and_then(|()| self.referred.try_reserve(ended))
            .map_err(|_| Errno::ENOMEM)?;
        let cpus = cpus::possible();
        QUEUES.reserve(cpus, count)?;
        (0..cpus).try_for_each(|index| per_cpu::by_index(index).sleepers.lock().reserve(count))
    }
}

/// Makes a thread and lets it run.
pub fn add(make: impl FnOnce(Id) -> Thread) -> Result<Arc<Thread>> {
    let mut registry = REGISTRY.lock();
    registry.reserve_for_one_more()?;
    let id = registry.threads.insert_with(|id| try_arc(make(id)))?;
    let thread = registry.threads.get(id).cloned().ok_or(Errno::EAGAIN)?;
    drop(registry);
    let _masked = IrqGuard::new();
    thread.note_ready();
    thread.state.go(State::Ready);
    placing::place(thread.clone(), Arrival::New);
    Ok(thread)
}

/// All threads, as of now.
pub fn snapshot() -> Vec<Arc<Thread>> {
    let registry = REGISTRY.lock();
    let mut all = Vec::new();
    if all.try_reserve(registry.threads.len()).is_ok() {
        all.extend(registry.threads.iter().cloned());
    }
    all
}

/// The threads, with the lock that keeps them.
pub struct Table(SpinLockGuard<'static, Registry, IrqOff>);

impl Table {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Thread>> {
        self.0.threads.iter()
    }
}

/// All threads, if the table's lock is free. Any context.
pub fn try_table() -> Option<Table> {
    REGISTRY.try_lock().map(Table)
}

/// Any context: readies a blocked thread, or leaves it a note for its next
/// park.
pub fn unpark(thread: &Arc<Thread>) {
    let _masked = IrqGuard::new();
    thread.note_ready();
    if thread.state.unpark() {
        placing::place(thread.clone(), Arrival::Woken);
    }
}

/// Blocks the running thread until it is unparked or `deadline` has come.
pub fn park(deadline: u64) {
    let masked = IrqGuard::new();
    if timers::now() >= deadline {
        return;
    }
    let thread = current();
    if deadline == u64::MAX {
        park_for_ever(thread, &masked);
        return;
    }
    if !thread.state.park() {
        return;
    }
    let this = per_cpu::this();
    // The idle thread, which is not counted, never parks.
    let own = super::current_arc();
    this.sleepers
        .lock()
        .insert(thread.id.index(), own, deadline);
    switch::switch(&masked);
    thread.note_slept();
    // Still there if the thread was woken before its time.
    let left = this.sleepers.lock().remove(thread.id.index());
    drop(left);
}

/// Blocks the running thread, which this is, until it is unparked.
fn park_for_ever(thread: &Thread, masked: &IrqGuard) {
    thread.wakers.begin_park();
    if thread.state.park() {
        thread.look_for_waker();
        switch::switch(masked);
        thread.note_slept();
    }
    thread.wakers.end_park();
}

/// Switches if somebody better, or a peer, is ready. Also at the end of an
/// interrupt taken in the kernel.
pub fn preempt() {
    switch::switch(&IrqGuard::new());
}

/// Gives up the rest of the slice: every peer that is ready runs first.
pub fn yield_slice() {
    current().budget.store(0, Relaxed);
    preempt();
}

/// Ends the running thread.
pub fn exit() -> ! {
    // A dead thread that is switched away from never runs again, so nothing
    // may do that before the reaper knows of it.
    let _stay = PreemptGuard::new();
    let thread = current();
    thread.state.go(State::Dead);
    let mut registry = REGISTRY.lock();
    if let Some(owned) = registry.threads.remove(thread.id) {
        registry.dead.push(owned);
    }
    drop(registry);
    REAPER.wake_one();
    switch::switch(&IrqGuard::new());
    unreachable!("a dead thread was switched to")
}

/// A thread's effective priority has changed: it runs, or is queued,
/// accordingly. Any context.
pub fn priority_changed(context: &Context) {
    let _masked = IrqGuard::new();
    let thread = Thread::of_context(context);
    let class = thread.effective_class();
    if class == Class::Idle {
        return;
    }
    let home = || thread.info.cpu.load(SeqCst);
    if let Some(cpu) = QUEUES.reclass(home, |other| core::ptr::eq(&raw const **other, thread)) {
        let class = QUEUES.class_on(cpu, class);
        placing::announce(cpu, class, End::Front, Arrival::Woken);
    } else if core::ptr::eq(thread, current()) {
        let this = per_cpu::this();
        let class = thread.class_here();
        this.set_running_class(class);
        if QUEUES.best(thread.cpu()).is_some_and(|best| best < class) {
            thread.context.set_need_resched();
        }
        timer::arm(this);
    }
}

/// Turns the boot's thread of control into the first CPU's idle thread: the
/// scheduler owns this CPU from here.
pub fn start_scheduling() -> ! {
    per_cpu::by_index(0)
        .idle
        .emergency_stack
        .store(memory::emergency_stack_top(), Relaxed);
    if let Err(error) = super::spawn("reaper", reap) {
        panic!("no memory for the first thread: {error}");
    }
    start_scheduling_here()
}

/// Makes ready what another CPU's idle thread needs. Thread context, before
/// that CPU is started.
///
/// # Errors
/// `EBUSY` if that was done before.
pub fn prepare_idle(index: usize, stack: KernelStack, emergency: KernelStack) -> Result<()> {
    let cpu = per_cpu::by_index(index);
    cpu.idle.info.cpu.store(index, Relaxed);
    cpu.idle.emergency_stack.store(emergency.top(), Relaxed);
    let set = cpu.stacks.set((stack, emergency));
    set.map(|_| ()).map_err(|_| Errno::EBUSY)
}

/// The idle thread of every CPU: preemption off once, interrupts masked.
pub fn start_scheduling_here() -> ! {
    let (this, count) = (per_cpu::this(), timers::count_now());
    this.running_since.store(timers::at(count), Relaxed);
    this.online_since.store(count, Relaxed);
    current().cpu_time.switch_in(count);
    cpu::irq_enable();
    current().context.end_section();
    loop {
        preempt();
        idle();
    }
}

/// Sleeps until an interrupt comes, if nobody is ready.
fn idle() {
    // FIQ as well: it comes as an interrupt once both are unmasked again.
    let saved = cpu::irq_and_fiq_save();
    let here = current().cpu();
    if !current().context.need_resched() && QUEUES.enter_idle(here) {
        cpu::wait_for_interrupt();
    }
    QUEUES.leave_idle(here);
    cpu::irq_restore(saved);
}

/// From the first to the second look at a dead thread that somebody refers to,
/// in nanoseconds; from then on twice as long each time, up to the other.
const FIRST_PAUSE_NS: u64 = 2_000_000;
const LONGEST_PAUSE_NS: u64 = 1_000_000_000;

/// Drops threads that have ended, each once nobody else refers to it: the
/// last reference may be a waker's, in an interrupt, where what a thread owns
/// must not be dropped.
fn reap() {
    let mut pause = FIRST_PAUSE_NS;
    let mut look_again = NO_DEADLINE;
    loop {
        if let Ok(thread) = REAPER.wait_deadline(look_again, || REGISTRY.lock().dead.pop()) {
            while thread.on_cpu.load(Acquire) {
                super::yield_now();
            }
            if !free(thread) {
                pause = FIRST_PAUSE_NS;
                look_again = look_again.min(timers::now() + pause);
            }
        }
        if timers::now() < look_again {
            continue;
        }
        look_again = NO_DEADLINE;
        if !free_referred() {
            pause = (pause * 2).min(LONGEST_PAUSE_NS);
            look_again = timers::now() + pause;
        }
    }
}

/// Frees a dead thread, or keeps it for later; whether it is gone.
fn free(thread: Arc<Thread>) -> bool {
    match Arc::try_unwrap(thread) {
        Ok(ended) => {
            drop(ended);
            true
        }
        Err(shared) => {
            // There is room: `reserve_for_one_more` has made it.
            REGISTRY.lock().referred.insert(0, shared);
            false
        }
    }
}

/// Looks again at those that somebody referred to; whether all are gone.
fn free_referred() -> bool {
    let count = REGISTRY.lock().referred.len();
    (0..count).fold(true, |all, _| {
        let thread = REGISTRY.lock().referred.pop();
        thread.is_none_or(free) && all
    })
}
