//! Threads: what they are, how they begin and end.
//!
//! Everything per thread lives in one [`Thread`], dropped whole by the reaper
//! after the last reference is gone. A thread's state is changed by
//! `scheduler.rs` (park, unpark, exit) and `switch.rs` alone; `spawn.rs` makes
//! threads, `placing.rs` chooses the CPU of a thread that became ready,
//! `timer.rs` owns each CPU's scheduler timer, and `cpu.rs` is what there is for
//! each CPU.

mod cpu;
mod hooks;
mod inspect;
mod placing;
pub mod ports;
mod sampling;
mod scheduler;
mod spawn;
pub mod stack;
mod switch;
mod timer;
mod user_side;
mod waker;

use crate::arch::thread_info::ThreadInfo;
use crate::arch::{boot, cpu as processor, timers};
use crate::cpus::Ipi;
use crate::memory::frames::Reserve;
use crate::{config, cpus};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use core::cell::UnsafeCell;
use core::ops::Deref;
use core::sync::atomic::{AtomicBool, AtomicI8, AtomicPtr, AtomicU8, AtomicU64, Ordering};
use paddock_abi::process::{SCHED_IDLE, SCHED_OTHER};
use paddock_process::CpuTimes;
use paddock_sched::{AtomicState, Class, CpuMask, Id, State, Wakers};
use paddock_sync::{Context, PreemptGuard, Rank, SpinLock, WaitQueue, might_sleep};
use stack::KernelStack;

pub use inspect::{
    CpuUse, Threads, cpu_use, inspect, is_idle, running_since, snapshot, timer_fires_at,
};

pub use sampling::{set_sample_period, set_sampler};
pub use scheduler::{preempt, prepare_idle, start_scheduling, start_scheduling_here};
#[cfg(feature = "test-kernel")]
pub use spawn::spawn_as;
pub use spawn::{spawn, spawn_large, spawn_user};
pub use switch::context_switches;
pub use timer::{
    came_masked as timer_came_masked, catch_up, is_fiq as timer_is_fiq, note_stolen_time,
    on_masked_timer, on_reschedule, renew_cpu_look as set_cpu_look, start as start_timer,
};
pub use user_side::UserSide;

/// The most threads there can be at once.
pub const MAX_THREADS: usize = 8192;

/// A thread of execution, in the kernel or of a process.
///
/// `TPIDR_EL1` points at the `info` of the running one, so that comes first.
#[repr(C)]
pub struct Thread {
    info: ThreadInfo,
    /// The stack pointer while the thread does not run. Written by the switch
    /// itself, with the thread's `on_cpu` set.
    sp: UnsafeCell<usize>,
    /// From being picked until the switch away from it is complete.
    on_cpu: AtomicBool,
    state: AtomicState,
    /// The CPUs that it may run on.
    affinity: AtomicU64,
    /// When it became ready, ns since boot; while it waits for a CPU.
    ready_since: AtomicU64,
    wakers: Wakers,
    /// See `set_unparked_by_name`.
    unparked_by_name: AtomicBool,
    id: Id,
    class: Class,
    name: SpinLock<String>,
    stack: Option<KernelStack>,
    user: Option<Box<dyn UserSide>>,
    /// Where that is; null if its system calls are looked at first.
    unwatched: AtomicPtr<()>,
    /// Switches away from it because it waits, and for others' sake.
    switches: [AtomicU64; 2],
    /// Its reads of disks, in units of 512 bytes.
    blocks_read: AtomicU64,
    /// What `run_time` was when the thread last slept.
    run_at_sleep: AtomicU64,
    /// What is left of the slice, in nanoseconds. A thread that blocks early
    /// keeps the rest and, once woken, runs ahead of its peers for as long;
    /// with nothing left it queues up behind them.
    budget: AtomicU64,
    /// How nice it is to its peers, -20 to 19 (sched(7)).
    nice: AtomicI8,
    /// A number of sched(7): `SCHED_OTHER`, `SCHED_BATCH` or `SCHED_IDLE`.
    policy: AtomicU8,
    /// Threads that it makes are no less nice than others (`SCHED_RESET_ON_FORK`).
    resets_on_fork: AtomicBool,
}

// SAFETY: `sp` is only touched by the context switch, which the `on_cpu` flag
// serialises; all else is Sync by itself.
unsafe impl Sync for Thread {}

impl Thread {
    /// The thread of a CPU that has nothing to do: it runs from the beginning.
    const fn new_idle() -> Self {
        let mut thread = Self::new(Id::none(), Class::Idle);
        thread.on_cpu = AtomicBool::new(true);
        thread.state = AtomicState::new_running();
        thread
    }

    /// One that may run everywhere, and has no stack yet.
    const fn new(id: Id, class: Class) -> Self {
        Thread {
            info: ThreadInfo::new(class as u8),
            sp: UnsafeCell::new(0),
            on_cpu: AtomicBool::new(false),
            state: AtomicState::new(),
            affinity: AtomicU64::new(u64::MAX),
            ready_since: AtomicU64::new(0),
            wakers: Wakers::new(),
            unparked_by_name: AtomicBool::new(false),
            id,
            class,
            name: SpinLock::new(Rank::Leaf, String::new()),
            stack: None,
            user: None,
            unwatched: AtomicPtr::new(core::ptr::null_mut()),
            switches: [const { AtomicU64::new(0) }; 2],
            blocks_read: AtomicU64::new(0),
            run_at_sleep: AtomicU64::new(0),
            budget: AtomicU64::new(config::TIME_SLICE_NS),
            nice: AtomicI8::new(0),
            policy: AtomicU8::new(SCHED_OTHER as u8),
            resets_on_fork: AtomicBool::new(false),
        }
    }

    /// The thread's id.
    pub fn id(&self) -> Id {
        self.id
    }

    /// What kind of thread it is.
    pub fn class(&self) -> Class {
        self.class
    }

    /// The thread's name; "idle" for the boot's own.
    pub fn name(&self) -> String {
        if self.class == Class::Idle {
            return String::from("idle");
        }
        self.name.lock().clone()
    }

    /// Gives the thread another name.
    pub fn set_name(&self, name: String) {
        let old = core::mem::replace(&mut *self.name.lock(), name);
        drop(old);
    }

    /// The state, as of now.
    pub fn state(&self) -> State {
        self.state.get()
    }

    /// The CPU that it runs on, or ran on last.
    #[inline]
    pub fn cpu(&self) -> usize {
        self.info.cpu.load(Ordering::Relaxed)
    }

    /// The CPUs that it may run on.
    pub fn affinity(&self) -> CpuMask {
        CpuMask(self.affinity.load(Ordering::Relaxed))
    }

    /// Binds the thread to some CPUs, at the latest from its next switch. A
    /// set without a CPU that runs counts as all.
    pub fn set_affinity(&self, cpus: CpuMask) {
        self.affinity.store(cpus.0, Ordering::Relaxed);
        self.context.set_need_resched();
        self.kick();
    }

    /// Interrupts the thread if it runs on another CPU, so that it looks at
    /// what it has been told on its way back to user mode. Any context.
    pub fn kick(&self) {
        let _stay = PreemptGuard::new();
        if self.state() == State::Running && self.cpu() != cpus::this_cpu() {
            cpus::send(self.cpu(), Ipi::Reschedule);
        }
    }

    /// [`Self::affinity`] as far as those CPUs run.
    fn allowed_now(&self) -> CpuMask {
        let online = (1u64 << cpus::online()) - 1;
        let allowed = self.affinity().0 & online;
        CpuMask(if allowed == 0 { online } else { allowed })
    }

    fn may_run_on(&self, cpu: usize) -> bool {
        self.allowed_now().has(cpu) || self.class == Class::Idle
    }

    /// What it runs as now: its own class, or a better one that it was lent.
    pub fn effective_class(&self) -> Class {
        Class::from_u8(self.context.priority())
    }

    /// What that counts as on its own CPU.
    fn class_here(&self) -> Class {
        placing::QUEUES.class_on(self.cpu(), self.effective_class())
    }

    /// Since when (ns since boot) it has been waiting for a CPU, if it is.
    pub fn ready_since(&self) -> Option<u64> {
        (self.state() == State::Ready).then(|| self.ready_since.load(Ordering::Relaxed))
    }

    /// Before its state becomes Ready, if it is not: the watchdog may look at
    /// once.
    fn note_ready(&self) {
        if self.state() != State::Ready {
            self.ready_since
                .store(crate::time::now(), Ordering::Relaxed);
        }
    }

    /// The thread that this context is part of.
    fn of_context(context: &Context) -> &Thread {
        // SAFETY: every context of the kernel is the first field of a
        // `Thread`, which is `repr(C)`.
        unsafe { &*core::ptr::from_ref(context).cast() }
    }

    /// Whether it is to run before other programs, for a share of a CPU. For a
    /// thread that does not run yet, or itself.
    pub fn set_operators(&self, is_operators: bool) {
        let class = match is_operators {
            true => Class::Operator,
            false => self.class,
        };
        self.context.set_base_priority(class as u8);
    }

    /// It is to end: it runs before other programs until it has.
    pub fn hasten(&self) {
        paddock_sync::hasten(&self.context, Class::Operator as u8);
    }

    /// Has the thread leave other reserves alone from now on.
    pub fn set_reserve(&self, reserve: Reserve) {
        self.info.reserve.store(reserve as u8, Ordering::Relaxed);
    }

    /// Time spent running by now, in nanoseconds. Any context.
    pub fn run_time(&self) -> u64 {
        timers::nanos(self.cpu_time.read(timers::count_now).run)
    }

    /// Time spent in user mode and in the kernel by now. Any context.
    pub fn cpu_times(&self) -> CpuTimes {
        let used = self.cpu_time.read(timers::count_now);
        let (user, run) = (timers::nanos(used.user), timers::nanos(used.run));
        CpuTimes {
            user,
            system: run.saturating_sub(user),
        }
    }

    /// How often it has been switched away from: because it waits, and for
    /// others' sake.
    pub fn switches(&self) -> (u64, u64) {
        let [voluntary, involuntary] = &self.switches;
        (
            voluntary.load(Ordering::Relaxed),
            involuntary.load(Ordering::Relaxed),
        )
    }

    /// What it has read from disks, in units of 512 bytes.
    pub fn blocks_read(&self) -> u64 {
        self.blocks_read.load(Ordering::Relaxed)
    }

    /// The running thread, which this is, reads so much from a disk.
    pub fn count_blocks_read(&self, blocks: u64) {
        self.blocks_read.fetch_add(blocks, Ordering::Relaxed);
    }

    /// Counts a switch away from the running thread, which this is.
    fn count_switch(&self, voluntary: bool) {
        let counter = &self.switches[usize::from(!voluntary)];
        counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// How nice it is to its peers.
    pub fn nice(&self) -> i32 {
        i32::from(self.nice.load(Ordering::Relaxed))
    }

    /// Sets how nice it is, -20 to 19, from its next slice on.
    pub fn set_nice(&self, nice: i32) {
        self.nice
            .store(nice.clamp(-20, 19) as i8, Ordering::Relaxed);
    }

    /// Its policy (sched(7)): `SCHED_OTHER`, `SCHED_BATCH` or `SCHED_IDLE`.
    pub fn policy(&self) -> u32 {
        u32::from(self.policy.load(Ordering::Relaxed))
    }

    /// Whether threads that it makes begin without what only the superuser gives.
    pub fn resets_on_fork(&self) -> bool {
        self.resets_on_fork.load(Ordering::Relaxed)
    }

    /// Sets both, the policy from the next slice on.
    pub fn set_policy(&self, policy: u32, resets_on_fork: bool) {
        self.policy.store(policy as u8, Ordering::Relaxed);
        self.resets_on_fork.store(resets_on_fork, Ordering::Relaxed);
    }

    /// How nice a thread is to begin with that this one makes.
    fn nice_of_new(&self) -> i8 {
        let nice = self.nice.load(Ordering::Relaxed);
        match self.resets_on_fork() {
            true => nice.max(0),
            false => nice,
        }
    }

    /// How long (ns) it runs while its peers wait.
    pub fn slice(&self) -> u64 {
        match self.policy() {
            SCHED_IDLE => paddock_sched::idle_slice(config::TIME_SLICE_NS),
            _ => paddock_sched::slice(config::TIME_SLICE_NS, self.nice()),
        }
    }

    /// Whether it goes behind its peers whenever it wakes.
    fn yields_on_waking(&self) -> bool {
        self.policy() != SCHED_OTHER
    }

    /// The range of the kernel stack, (bottom, top).
    pub fn stack_range(&self) -> (usize, usize) {
        let idle = cpu::by_index(self.cpu()).stacks.get();
        self.stack
            .as_ref()
            .or(idle.map(|(stack, _)| stack))
            .map_or_else(boot::boot_stack, |stack| (stack.bottom(), stack.top()))
    }

    /// Notes that there may be something to do before the thread, of a
    /// process, goes back to user mode. Any context.
    pub fn set_work(&self) {
        self.work.store(true, Ordering::Release);
    }

    /// Whether there may be something to do before user mode.
    #[inline]
    pub fn has_work(&self) -> bool {
        self.work.load(Ordering::Acquire)
    }

    /// Takes that note.
    pub fn take_work(&self) -> bool {
        self.work.swap(false, Ordering::AcqRel)
    }

    /// Lets the thread's present or next park return. Any context.
    pub fn unpark(self: &Arc<Self>) {
        scheduler::unpark(self);
    }
}

const _: () = assert!(core::mem::offset_of!(Thread, info) == 0);

/// A thread is what the CPU knows of it, and more.
impl Deref for Thread {
    type Target = ThreadInfo;

    #[inline]
    fn deref(&self) -> &ThreadInfo {
        &self.info
    }
}

impl PartialEq for Thread {
    fn eq(&self, other: &Self) -> bool {
        core::ptr::eq(self, other)
    }
}

/// The idle thread of a CPU. That of the first is the boot's thread of control
/// before the scheduler has started.
pub fn idle_thread(cpu: usize) -> &'static Thread {
    &cpu::by_index(cpu).idle
}

/// Time (ns) that all CPUs together had nothing to do.
pub fn idle_time() -> u64 {
    (0..cpus::online())
        .map(|cpu| idle_thread(cpu).run_time())
        .sum()
}

/// The running thread.
#[inline]
pub fn current() -> &'static Thread {
    // SAFETY: every `ThreadInfo` that is made current is the beginning of a
    // thread, which is alive while it runs.
    unsafe { &*processor::current_pointer().cast() }
}

/// Makes `thread` the one that runs on this CPU.
///
/// # Safety
/// It is alive until another one is made current, and its stack is in use.
#[inline]
pub unsafe fn set_current(thread: &Thread) {
    // SAFETY: the caller's promise; a thread begins with its `ThreadInfo`.
    unsafe { processor::set_current(core::ptr::from_ref(thread).cast()) };
}

/// The running thread as an owned reference. Not for the idle thread, which
/// is not counted and never waits.
pub fn current_arc() -> Arc<Thread> {
    let thread = current();
    assert!(
        thread.class != Class::Idle,
        "the idle thread cannot be waited for"
    );
    let pointer = core::ptr::from_ref(thread);
    // SAFETY: every thread but the idle one lives in an `Arc`, of which the
    // scheduler holds one while the thread runs.
    unsafe {
        Arc::increment_strong_count(pointer);
        Arc::from_raw(pointer)
    }
}

/// Ends the running thread. Its caller's frames must own nothing.
pub fn exit() -> ! {
    might_sleep();
    scheduler::exit()
}

/// Lets others run. Thread context.
pub fn yield_now() {
    might_sleep();
    scheduler::yield_slice();
}

/// Sleeps until the clock reads `deadline` nanoseconds. Thread context.
pub fn sleep_until(deadline: u64) {
    let nobody = WaitQueue::new();
    let _ = nobody.wait_deadline(deadline, || None::<()>);
}

/// Sleeps for some milliseconds. Thread context.
pub fn sleep_ms(milliseconds: u64) {
    sleep_until(crate::time::now() + milliseconds * 1_000_000);
}

/// Calls `visit` for every thread. Thread context.
pub fn for_each(mut visit: impl FnMut(&Arc<Thread>)) {
    scheduler::snapshot().iter().for_each(&mut visit);
}
