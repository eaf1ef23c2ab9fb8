//! The process side of threads: identity, registers, time that was used.

use super::memory;
use super::object::{Process, TIMER_SLACK_NS};
use super::trace::Trace;
use crate::arch::context::FpState;
use crate::arch::debug;
use crate::arch::trap::TrapFrame;
use crate::memory::frames::Reserve;
use crate::thread::{self, Thread, UserSide};
use alloc::string::String;
use alloc::sync::{Arc, Weak};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use paddock_abi::Errno;
use paddock_cred::Cred;
use paddock_process::{CpuTimes, IoUsage, Local, Usage};
use paddock_seccomp::Mode;
use paddock_sync::{Deadline, NO_DEADLINE, OnceCell, Rank, SpinLock};

/// Counters of [`IoUsage`]: changed by the thread itself, read by anyone.
#[derive(Debug, Default)]
pub struct IoCounters {
    bytes_read: AtomicU64,
    bytes_written: AtomicU64,
    reads: AtomicU64,
    writes: AtomicU64,
    bytes_to_disk: AtomicU64,
}

fn increase(counter: &AtomicU64, by: u64) {
    let now = counter.load(Ordering::Relaxed).wrapping_add(by);
    counter.store(now, Ordering::Relaxed);
}

impl IoCounters {
    /// The running thread, whose these are, has read `bytes`.
    pub fn count_read(&self, bytes: u64) {
        increase(&self.reads, 1);
        increase(&self.bytes_read, bytes);
    }

    /// The running thread has written `bytes`, to a disk or not.
    pub fn count_write(&self, bytes: u64, to_disk: bool) {
        increase(&self.writes, 1);
        increase(&self.bytes_written, bytes);
        if to_disk {
            increase(&self.bytes_to_disk, bytes);
        }
    }

    /// Their values.
    fn read(&self) -> IoUsage {
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        IoUsage {
            bytes_read: value(&self.bytes_read),
            bytes_written: value(&self.bytes_written),
            reads: value(&self.reads),
            writes: value(&self.writes),
            bytes_to_disk: value(&self.bytes_to_disk),
        }
    }
}

/// The process side of a thread.
pub struct UserThread {
    /// Its number.
    pub tid: u32,
    /// The same as its process's PID namespace knows it.
    pub number: Local,
    /// Its process.
    pub process: Arc<Process>,
    /// Its floating-point registers while it is not on a CPU.
    fp: UnsafeCell<FpState>,
    /// Its thread pointer (TPIDR_EL0) while it is not on a CPU.
    tls: AtomicU64,
    /// Who it is.
    cred: SpinLock<Arc<Cred>>,
    /// Which system calls it may make.
    pub(super) seccomp: SpinLock<Mode>,
    /// What its tracer sees of it.
    pub trace: Trace,
    /// By how much (ns) its sleeps may end late (`PR_SET_TIMERSLACK`), and what
    /// that is when it asks for none in particular.
    pub timer_slack: [AtomicU64; 2],
    /// set_tid_address(2): cleared and woken at the thread's end.
    pub clear_tid: AtomicU64,
    /// set_robust_list(2).
    pub robust_list: AtomicU64,
    /// Whether it may have a futex that is handed over and somebody waits for.
    pub(super) handed_over: AtomicU8,
    /// The thread alone is to end: it called exit(2), or another one calls
    /// execve.
    pub leaving: AtomicBool,
    /// It has done all that needs the process's memory, and stays away from
    /// it: whoever is left may give the memory up.
    left: AtomicBool,
    /// What it has read and written.
    pub io: IoCounters,
    /// Its I/O priority as ioprio_set(2) takes it; zero until one is set.
    pub ioprio: AtomicU32,
    /// On which nodes it takes memory as set_mempolicy(2) keeps it; zero by default.
    pub policy: AtomicU32,
    /// Page faults: without and with a read from a disk.
    pub faults: [AtomicU64; 2],
    /// What it had used when it was taken out of its process.
    pub(super) counted: SpinLock<Usage>,
    /// The interrupted system call that may have to be done again.
    pub interrupted: SpinLock<Option<Interrupted>>,
    /// When the interrupted system call would have ended; [`NO_DEADLINE`] if
    /// it had no time to end at. The thread's own.
    pub resume_until: AtomicU64,
    /// A copy to or from its memory found none to be had.
    pub lacked_memory: AtomicBool,
    /// The account that had no more for it ([`super::oom_group`]); zero if none was.
    pub over_limit: AtomicU64,
    /// Where it starts.
    pub start: SpinLock<Option<TrapFrame>>,
    /// The kernel's thread.
    pub kernel_thread: OnceCell<Weak<Thread>>,
}

/// A system call that a signal cut short.
#[derive(Clone, Copy, Debug)]
pub struct Interrupted {
    /// Its first argument, which the result has replaced.
    pub x0: u64,
    /// How it asked to be restarted.
    pub how: Errno,
}

// SAFETY: `fp` is touched by the thread itself, or by the switch away from or
// to it, which are never at the same time.
unsafe impl Sync for UserThread {}

impl UserThread {
    /// A thread that will start with these registers.
    pub fn new(
        (tid, number): (u32, Local),
        process: Arc<Process>,
        cred: Arc<Cred>,
        start: TrapFrame,
        fp: FpState,
        tls: u64,
    ) -> UserThread {
        UserThread {
            tid,
            number,
            process,
            fp: UnsafeCell::new(fp),
            tls: AtomicU64::new(tls),
            cred: SpinLock::new(Rank::Leaf, cred),
            seccomp: SpinLock::new(Rank::Leaf, Mode::Disabled),
            trace: Trace::new(),
            timer_slack: [const { AtomicU64::new(TIMER_SLACK_NS) }; 2],
            clear_tid: AtomicU64::new(0),
            robust_list: AtomicU64::new(0),
            handed_over: AtomicU8::new(0),
            leaving: AtomicBool::new(false),
            left: AtomicBool::new(false),
            io: IoCounters::default(),
            ioprio: AtomicU32::new(0),
            policy: AtomicU32::new(0),
            faults: [const { AtomicU64::new(0) }; 2],
            counted: SpinLock::new(Rank::Leaf, Usage::default()),
            interrupted: SpinLock::new(Rank::Leaf, None),
            resume_until: AtomicU64::new(NO_DEADLINE),
            lacked_memory: AtomicBool::new(false),
            over_limit: AtomicU64::new(0),
            start: SpinLock::new(Rank::Leaf, Some(start)),
            kernel_thread: OnceCell::new(),
        }
    }

    /// Who it is.
    pub fn cred(&self) -> Arc<Cred> {
        self.cred.lock().clone()
    }

    /// Looks at who it is.
    pub fn with_cred<T>(&self, look: impl FnOnce(&Cred) -> T) -> T {
        look(&self.cred.lock())
    }

    /// It is someone else from now on; who it was. What binds it by then stays, if
    /// nobody else has `cred` yet.
    pub(super) fn replace_cred(&self, cred: &mut Arc<Cred>) -> Arc<Cred> {
        let mut own = self.cred.lock();
        if own.no_new_privs
            && let Some(cred) = Arc::get_mut(cred)
        {
            cred.no_new_privs = true;
        }
        core::mem::replace(&mut own, cred.clone())
    }

    /// It is `new` from now on, if it is `old` until then.
    pub(super) fn exchange_cred(&self, old: &Arc<Cred>, new: Arc<Cred>) -> bool {
        let mut own = self.cred.lock();
        let same = Arc::ptr_eq(&own, old);
        if same {
            *own = new;
        }
        same
    }

    /// The kernel's thread, while it lives.
    pub fn kernel_thread(&self) -> Option<Arc<Thread>> {
        self.kernel_thread.get().and_then(Weak::upgrade)
    }

    /// Its name.
    pub fn name(&self) -> String {
        self.kernel_thread()
            .map_or_else(String::new, |thread| thread.name())
    }

    /// Sets its name, of at most 15 bytes; the first thread's is the
    /// process's.
    pub fn set_name(&self, name: String) {
        if self.tid == self.process.pid {
            self.process.names.lock().comm.clone_from(&name);
        }
        if let Some(thread) = self.kernel_thread() {
            thread.set_name(name);
        }
    }

    /// Its CPU time by now.
    pub fn cpu_times(&self) -> CpuTimes {
        self.kernel_thread()
            .map_or_else(CpuTimes::default, |thread| thread.cpu_times())
    }

    /// What it has used by now, but for memory.
    pub fn usage(&self) -> Usage {
        let Some(thread) = self.kernel_thread() else {
            return Usage::default();
        };
        let times = thread.cpu_times();
        let (voluntary, involuntary) = thread.switches();
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Usage {
            user_ns: times.user,
            system_ns: times.system,
            max_rss_kib: 0,
            minor_faults: count(&self.faults[0]),
            major_faults: count(&self.faults[1]),
            voluntary_switches: voluntary,
            involuntary_switches: involuntary,
            blocks_read: thread.blocks_read(),
            io: self.io.read(),
        }
    }

    /// Makes the thread look at its signals: wakes it if it sleeps
    /// interruptibly, interrupts it if it runs. Any context.
    pub fn notify(&self) {
        // One that has no kernel thread yet looks before it begins.
        if let Some(thread) = self.kernel_thread() {
            thread.set_work();
            thread.unpark();
            thread.kick();
        }
    }

    /// Takes the end of the call that was interrupted, for the running thread
    /// itself: the next system call is that one, or it never goes on.
    /// [`NO_DEADLINE`] if there is none.
    #[inline]
    pub fn take_resumed(&self) -> Deadline {
        let deadline = self.resume_until.load(Ordering::Relaxed);
        if deadline != NO_DEADLINE {
            self.resume_until.store(NO_DEADLINE, Ordering::Relaxed);
        }
        deadline
    }

    /// Whether the thread ends on its next way to user mode.
    pub fn is_ending(&self) -> bool {
        self.leaving.load(Ordering::Acquire) || self.process.signals.lock().is_dying()
    }

    /// Whether it does so, or takes a signal there that ends the process: what it
    /// waits for it does not need any more.
    pub fn is_doomed(&self) -> bool {
        self.is_ending() || self.process.signals.lock().has_deadly(self.tid)
    }

    /// Whether a signal waits that the running thread, which this is, must
    /// handle, or its cgroup has it stand still.
    pub fn signal_pending(&self) -> bool {
        thread::current().has_work()
            && (self.leaving.load(Ordering::Acquire)
                || self.process.freezing.load(Ordering::Acquire)
                || self.is_interrupted()
                || self.process.signals.lock().has_work(self.tid))
    }

    /// The registers of the running thread itself.
    pub fn current_fp(&self) -> FpState {
        let mut fp = FpState::new();
        let _stay = paddock_sync::PreemptGuard::new();
        fp.save();
        fp
    }

    /// Gives the running thread itself other registers.
    pub fn load_fp(&self, fp: &FpState) {
        let _stay = paddock_sync::PreemptGuard::new();
        fp.load();
    }

    /// Sets the thread pointer of the running thread itself.
    pub fn set_tls(&self, value: u64) {
        crate::arch::cpu::set_user_tls(value);
    }

    /// Has the running thread itself look again before user mode.
    pub fn notify_self(&self) {
        thread::current().set_work();
    }

    /// Called by the switch away from this thread, interrupts masked.
    pub fn save_state(&self) {
        // SAFETY: this thread is the one being left; nobody else touches it.
        unsafe { (*self.fp.get()).save() };
        self.tls
            .store(crate::arch::cpu::user_tls(), Ordering::Relaxed);
        if self.trace.is_stepping() {
            debug::set_stepping(false);
        }
    }

    /// Called by the switch to this thread, interrupts masked.
    pub fn load_state(&self) {
        // SAFETY: this thread is the one being entered.
        unsafe { (*self.fp.get()).load() };
        crate::arch::cpu::set_user_tls(self.tls.load(Ordering::Relaxed));
        if self.trace.is_stepping() {
            debug::set_stepping(true);
        }
        if self.left.load(Ordering::Relaxed) {
            memory::activate(None);
        } else {
            memory::activate(self.process.memory.lock().as_deref());
        }
    }

    /// Puts the running thread itself out of its process's memory, for good.
    /// What it does from then on, on whichever CPU, leaves the page tables
    /// alone.
    pub fn leave_memory(&self) {
        let _stay = paddock_sync::PreemptGuard::new();
        self.left.store(true, Ordering::Relaxed);
        memory::activate(None);
    }
}

// SAFETY: no other type has this trait.
unsafe impl UserSide for Arc<UserThread> {
    fn reserve(&self) -> Reserve {
        self.process.reserve()
    }

    fn is_operators(&self) -> bool {
        self.process.runs_first.load(Ordering::Relaxed)
    }

    fn ran(&self, nanos: u64) {
        self.process.cpu_clock.ran(nanos);
    }

    fn look_at(&self, now: u64) -> u64 {
        self.process.cpu_clock.look_at(now)
    }

    fn switch_in(&self) {
        self.load_state();
    }

    fn switch_out(&self, program_follows: bool) {
        self.save_state();
        if !program_follows {
            memory::activate(None);
        }
    }
}
