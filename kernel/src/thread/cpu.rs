//! What the scheduler keeps for each CPU.

use super::stack::KernelStack;
use super::{Thread, current};
use crate::arch::timers;
use crate::cpus::MAX_CPUS;
use alloc::sync::Arc;
use core::cell::UnsafeCell;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use paddock_sched::{Class, CpuTime, Share, Sleepers};
use paddock_sync::{IrqGuard, OnceCell, Rank, SpinLock};

/// One CPU.
pub struct Cpu {
    /// Runs when nobody else does; for the first CPU the boot's own thread.
    pub idle: Thread,
    /// The idle thread's stack, and the one for reports of overflown stacks;
    /// the first CPU has them from the boot.
    pub stacks: OnceCell<(KernelStack, KernelStack)>,
    /// Threads that wait for a time, on this CPU's timer.
    pub sleepers: SpinLock<Sleepers<Arc<Thread>>>,
    /// Class of the running thread, for the others; a hint.
    running_class: AtomicU8,
    /// Set, with an interrupt sent, to have a peer of the running thread
    /// run at once.
    pub preempt_asked: AtomicBool,
    /// Times (ns) that only this CPU writes, with interrupts masked: what the
    /// timer is armed for, the end of the running thread's slice, when it was
    /// switched to, and when the tick of a CPU that is not idle is due.
    pub armed: AtomicU64,
    /// `armed`, or when that was set if the time had passed: when the timer
    /// will fire if interrupts are on. Zero while its handler runs.
    pub fires_at: AtomicU64,
    /// What the timer was set to when it came as FIQ with interrupts masked;
    /// zero once somebody set it again, or began to.
    pub came_masked: AtomicU64,
    /// Whether the timer comes as FIQ.
    pub timer_is_fiq: AtomicBool,
    /// See `armed`.
    pub slice_end: AtomicU64,
    /// See `armed`.
    pub running_since: AtomicU64,
    /// See `armed`.
    pub tick_due: AtomicU64,
    /// When the running thread's process is to look at its CPU time; see
    /// `armed`.
    pub cpu_look: AtomicU64,
    /// When the profiler wants the next sample; see `armed`. Another CPU may set it
    /// when sampling begins.
    pub sample_due: AtomicU64,
    /// When it began to run threads, in counts.
    pub online_since: AtomicU64,
    /// What its threads were in user mode.
    pub user_time: UserTime,
    /// What process 1 and root's logins have had of it lately.
    pub operators: Share,
    local: UnsafeCell<Local>,
}

/// Time in user mode on one CPU, in counts. Written by the CPU itself, with
/// interrupts masked.
pub struct UserTime {
    /// Of stretches that are over.
    past: AtomicU64,
    /// What the running thread had used before it was switched to.
    before: AtomicU64,
}

impl UserTime {
    const fn new() -> UserTime {
        UserTime {
            past: AtomicU64::new(0),
            before: AtomicU64::new(0),
        }
    }

    /// A switch to a thread.
    pub fn enter(&self, time: &CpuTime) {
        self.before.store(time.read(timers::count).user, Relaxed);
    }

    /// A switch away from it.
    pub fn leave(&self, time: &CpuTime) {
        let now = self.with(time);
        self.past.store(now, Relaxed);
    }

    /// Of stretches that are over.
    pub fn past(&self) -> u64 {
        self.past.load(Relaxed)
    }

    /// All, with what `time`, the running thread's, says.
    pub fn with(&self, time: &CpuTime) -> u64 {
        let used = time.read(timers::count).user;
        self.past.load(Relaxed) + used.saturating_sub(self.before.load(Relaxed))
    }
}

/// What only the CPU itself touches.
pub struct Local {
    /// The running thread; `None` is the idle one.
    pub running: Option<Arc<Thread>>,
    /// The thread that the switch now under way comes from.
    pub previous: *const Thread,
    /// That thread, if it is ready but may no longer run here.
    pub displaced: Option<Arc<Thread>>,
}

// SAFETY: `local` is only reached through `Cpu::local`; all else is Sync.
unsafe impl Sync for Cpu {}

/// Every CPU, by index.
static CPUS: [Cpu; MAX_CPUS] = [const { Cpu::new() }; MAX_CPUS];

impl Cpu {
    const fn new() -> Self {
        Cpu {
            idle: Thread::new_idle(),
            stacks: OnceCell::new(),
            sleepers: SpinLock::new(Rank::Sleepers, Sleepers::new()),
            running_class: AtomicU8::new(Class::Idle as u8),
            preempt_asked: AtomicBool::new(false),
            armed: AtomicU64::new(u64::MAX),
            fires_at: AtomicU64::new(u64::MAX),
            came_masked: AtomicU64::new(0),
            timer_is_fiq: AtomicBool::new(false),
            slice_end: AtomicU64::new(u64::MAX),
            running_since: AtomicU64::new(0),
            tick_due: AtomicU64::new(0),
            cpu_look: AtomicU64::new(u64::MAX),
            sample_due: AtomicU64::new(u64::MAX),
            online_since: AtomicU64::new(0),
            user_time: UserTime::new(),
            operators: Share::new(),
            local: UnsafeCell::new(Local {
                running: None,
                previous: ptr::null(),
                displaced: None,
            }),
        }
    }

    /// What only this CPU touches.
    ///
    /// # Safety
    /// The calling CPU is this one and stays it, as `_masked` says; and no
    /// other reference to it is alive.
    #[allow(clippy::mut_from_ref, reason = "the caller's promise")]
    pub unsafe fn local(&self, _masked: &IrqGuard) -> &mut Local {
        // SAFETY: the caller's promise.
        unsafe { &mut *self.local.get() }
    }

    /// What the running thread runs as; for other CPUs a hint.
    pub fn running_class(&self) -> Class {
        Class::from_u8(self.running_class.load(Relaxed))
    }

    /// Notes what the running thread runs as.
    pub fn set_running_class(&self, class: Class) {
        self.running_class.store(class as u8, Relaxed);
    }
}

/// The CPU of this index.
pub fn by_index(index: usize) -> &'static Cpu {
    &CPUS[index]
}

/// The calling CPU. Interrupts are masked or preemption is off.
pub fn this() -> &'static Cpu {
    &CPUS[current().cpu()]
}
