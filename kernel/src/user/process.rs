//! Processes and their threads: what they own, and how they are found.

use super::cpu_clock::CpuClock;
use super::files::{FileShare, Files};
use super::memory::{self, Memory};
use crate::arch::context::FpState;
use crate::arch::trap::TrapFrame;
use crate::memory::frames::Reserve;
use crate::thread::{self, Thread};
use crate::time;
use alloc::string::String;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU32, AtomicU64, Ordering};
use paddock_abi::process::RLIM_NLIMITS;
use paddock_abi::{Errno, Result};
use paddock_charge::Account;
use paddock_cred::Cred;
use paddock_mem::{Limits, PAGE_SIZE};
use paddock_process::signal::Signals;
use paddock_process::{CpuTimes, Member, Tree, Usage, WaitStatus};
use paddock_sync::{Deadline, Mutex, NO_DEADLINE, OnceCell, PreemptOff, Rank, SpinLock, WaitQueue};
use paddock_vfs::FsInfo;

/// Everyone's family.
pub static TREE: OnceCell<SpinLock<Tree<Process>, PreemptOff>> = OnceCell::new();

/// The family of all processes; made at boot.
pub fn tree() -> &'static SpinLock<Tree<Process>, PreemptOff> {
    match TREE.get() {
        Some(tree) => tree,
        None => panic!("processes are asked for before there are any"),
    }
}

/// A resource limit: (soft, hard).
pub type Limit = (u64, u64);

/// How many kinds of resource limits there are (getrlimit(2)).
pub const LIMITS: usize = RLIM_NLIMITS;
pub use paddock_abi::process::{
    RLIMIT_AS, RLIMIT_CORE, RLIMIT_CPU, RLIMIT_DATA, RLIMIT_FSIZE, RLIMIT_NICE, RLIMIT_NOFILE,
    RLIMIT_NPROC, RLIMIT_RTPRIO, RLIMIT_SIGPENDING, RLIMIT_STACK,
};
/// No limit.
pub const UNLIMITED: u64 = u64::MAX;

/// How many signals a process may have queued, unless it is told otherwise.
const SIGNALS_QUEUED: u64 = 1024;

/// The limits of process 1.
pub const DEFAULT_LIMITS: [Limit; LIMITS] = {
    let mut limits = [(UNLIMITED, UNLIMITED); LIMITS];
    limits[RLIMIT_STACK] = (8 << 20, UNLIMITED);
    limits[RLIMIT_NOFILE] = (1024, 4096);
    limits[RLIMIT_CORE] = (0, UNLIMITED);
    limits[RLIMIT_SIGPENDING] = (SIGNALS_QUEUED, SIGNALS_QUEUED);
    limits[RLIMIT_NICE] = (0, 0);
    limits[RLIMIT_RTPRIO] = (0, 0);
    limits
};

/// The timer slack of process 1, in nanoseconds.
pub const TIMER_SLACK_NS: u64 = 50_000;

/// What a process is called.
#[derive(Debug, Default)]
pub struct Names {
    /// The thread name, up to 15 bytes: /proc/PID/comm.
    pub comm: String,
    /// The arguments, each ended by a zero byte: /proc/PID/cmdline.
    pub arguments: Vec<u8>,
    /// The environment at execve: /proc/PID/environ.
    pub environment: Vec<u8>,
}

impl Names {
    /// The same names, for a fork. `ENOMEM`.
    pub fn try_clone(&self) -> Result<Names> {
        let Names {
            comm,
            arguments,
            environment,
        } = self;
        let mut copy = Names {
            comm: try_string(comm)?,
            arguments: Vec::new(),
            environment: Vec::new(),
        };
        for (to, from) in [
            (&mut copy.arguments, arguments),
            (&mut copy.environment, environment),
        ] {
            to.try_reserve_exact(from.len())
                .map_err(|_| Errno::ENOMEM)?;
            to.extend_from_slice(from);
        }
        Ok(copy)
    }
}

/// A copy of a text. `ENOMEM`.
pub fn try_string(text: &str) -> Result<String> {
    let mut copy = String::new();
    copy.try_reserve_exact(text.len())
        .map_err(|_| Errno::ENOMEM)?;
    copy.push_str(text);
    Ok(copy)
}

/// Whether all threads are to stand still (SIGSTOP and its kind).
#[derive(Debug, Default)]
pub struct StopState {
    /// Set by a stop, cleared by SIGCONT or death.
    pub stopped: bool,
}

/// A process.
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its parent's number: the tree's, for getppid(2) to read without it.
    pub parent: AtomicU32,
    /// Its memory; `None` once it has ended.
    pub memory: SpinLock<Option<Arc<Memory>>>,
    /// Its descriptors; shared after clone(CLONE_FILES).
    pub files: SpinLock<FileShare>,
    /// Working directory, root and mode mask.
    pub paths: Mutex<FsInfo>,
    /// Who it is to others: its first thread.
    cred: SpinLock<Arc<Cred>>,
    /// The signal at its parent's end; zero for none.
    pub parent_death_signal: AtomicU32,
    /// The program it runs.
    pub executable: SpinLock<Option<paddock_vfs::Path>>,
    /// Its signals.
    pub signals: SpinLock<Signals, PreemptOff>,
    /// Its threads that have not ended.
    pub threads: SpinLock<Vec<Arc<UserThread>>>,
    /// Where it waits for news of its children.
    pub children: WaitQueue,
    /// Where its threads wait for SIGCONT, for other threads' ends, and where
    /// a vfork's parent waits.
    pub changed: WaitQueue,
    /// Whether it is stopped.
    pub stop: SpinLock<StopState>,
    /// How it ends, once that is decided.
    pub ending: SpinLock<Option<WaitStatus>>,
    /// What its first thread gave exit(2): how it ends if nothing else has
    /// been decided.
    pub exit_code: AtomicU8,
    /// Names, for /proc.
    pub names: SpinLock<Names>,
    /// Resource limits.
    pub limits: SpinLock<[Limit; LIMITS]>,
    /// The address of code that calls rt_sigreturn.
    pub trampoline: AtomicU64,
    /// Its stack pointer when its program began.
    pub start_stack: AtomicU64,
    /// Set when a vfork's child has its own memory or has ended.
    pub released_parent: AtomicBool,
    /// When it began, ns since boot.
    pub started: u64,
    /// CPU time, and what it sets off.
    pub cpu_clock: CpuClock,
    /// What threads that have ended used.
    ended: SpinLock<Usage>,
    /// The most memory (pages) of programs that it ran before.
    peak_pages: AtomicU64,
    /// Pays for what the kernel keeps on its behalf.
    pub account: SpinLock<Arc<Account>>,
    /// Whether it may use the operator's reserve of memory: process 1, and
    /// what root's logins start.
    pub is_operators: bool,
    /// How much likelier (to 1000) or unlikelier (to -1000: never) it is to
    /// be chosen when memory runs out; proc_pid_oom_score_adj(5).
    pub oom_score_adj: AtomicI32,
    /// Called once when it ends, for whoever in the kernel started it.
    pub on_exit: SpinLock<Option<ExitHook>>,
}

/// What the kernel does when a process that it started has ended.
pub type ExitHook = alloc::boxed::Box<dyn FnOnce(WaitStatus) + Send>;

impl Member for Process {
    fn set_parent(&self, parent: u32) {
        self.parent.store(parent, Ordering::Relaxed);
    }
}

/// What a new process is made of.
pub struct NewProcess {
    /// Its number, reserved in the tree.
    pub pid: u32,
    /// Its memory.
    pub memory: Arc<Memory>,
    /// Its descriptors.
    pub files: FileShare,
    /// Directories and mode mask.
    pub paths: FsInfo,
    /// Identity.
    pub cred: Arc<Cred>,
    /// Signal state.
    pub signals: Signals,
    /// Resource limits.
    pub limits: [Limit; LIMITS],
    /// Names.
    pub names: Names,
    /// Pays for what the kernel keeps on its behalf.
    pub account: Arc<Account>,
    /// See [`Process::is_operators`].
    pub is_operators: bool,
    /// See [`Process::oom_score_adj`].
    pub oom_score_adj: i32,
}

impl Process {
    /// A process without threads, in no family yet.
    pub fn new(new: NewProcess) -> Process {
        let NewProcess {
            pid,
            memory,
            files,
            paths,
            cred,
            signals,
            limits,
            names,
            account,
            is_operators,
            oom_score_adj,
        } = new;
        Process {
            pid,
            parent: AtomicU32::new(0),
            memory: SpinLock::new(Rank::Leaf, Some(memory)),
            files: SpinLock::new(Rank::Leaf, files),
            paths: Mutex::new(Rank::FsInfo, paths),
            cred: SpinLock::new(Rank::Leaf, cred),
            parent_death_signal: AtomicU32::new(0),
            executable: SpinLock::new(Rank::Leaf, None),
            signals: SpinLock::new(Rank::Signals, signals),
            threads: SpinLock::new(Rank::Leaf, Vec::new()),
            children: WaitQueue::new(),
            changed: WaitQueue::new(),
            stop: SpinLock::new(Rank::Leaf, StopState::default()),
            ending: SpinLock::new(Rank::Leaf, None),
            exit_code: AtomicU8::new(0),
            names: SpinLock::new(Rank::Leaf, names),
            limits: SpinLock::new(Rank::Leaf, limits),
            trampoline: AtomicU64::new(0),
            start_stack: AtomicU64::new(0),
            released_parent: AtomicBool::new(false),
            started: time::now(),
            cpu_clock: CpuClock::new(limits[RLIMIT_CPU] != (UNLIMITED, UNLIMITED)),
            ended: SpinLock::new(Rank::Leaf, Usage::default()),
            peak_pages: AtomicU64::new(0),
            account: SpinLock::new(Rank::Leaf, account),
            is_operators,
            oom_score_adj: AtomicI32::new(oom_score_adj),
            on_exit: SpinLock::new(Rank::Leaf, None),
        }
    }

    /// The user that it belongs to. `ESRCH` once somebody has waited for it.
    pub fn uid(&self) -> Result<u32> {
        tree().lock().uid(self.pid)
    }

    /// Which reserves of memory its threads leave alone, while it lives.
    pub fn reserve(&self) -> Reserve {
        match self.is_operators {
            true => Reserve::Kernel,
            false => Reserve::Both,
        }
    }

    /// The process's memory. `ESRCH` once it has ended.
    pub fn memory(&self) -> Result<Arc<Memory>> {
        self.memory.lock().clone().ok_or(Errno::ESRCH)
    }

    /// Who it is to others: its first thread, also once that has ended.
    pub fn cred(&self) -> Arc<Cred> {
        self.cred.lock().clone()
    }

    /// It is someone else from now on.
    pub(super) fn set_cred(&self, cred: Arc<Cred>) {
        let old = core::mem::replace(&mut *self.cred.lock(), cred);
        drop(old);
    }

    /// The process's descriptors.
    pub fn files(&self) -> Arc<Files> {
        self.files.lock().files().clone()
    }

    /// A soft limit.
    pub fn limit(&self, which: usize) -> u64 {
        self.limits
            .lock()
            .get(which)
            .map_or(UNLIMITED, |limit| limit.0)
    }

    /// The limits of its memory, where `now` has no say.
    pub fn memory_limits(&self, now: Limits) -> Limits {
        let limits = self.limits.lock();
        Limits {
            address_space: limits[RLIMIT_AS].0,
            data: limits[RLIMIT_DATA].0,
            stack: limits[RLIMIT_STACK].0,
            ..now
        }
    }

    /// What all its threads have used by now, but for memory.
    pub fn usage(&self) -> Usage {
        let threads = self.threads.lock();
        let mut usage = *self.ended.lock();
        for thread in threads.iter() {
            usage.add(&thread.usage());
        }
        usage
    }

    /// CPU time of all its threads by now.
    pub fn cpu_times(&self) -> CpuTimes {
        let threads = self.threads.lock();
        let Usage {
            user_ns: mut user,
            system_ns: mut system,
            ..
        } = *self.ended.lock();
        for thread in threads.iter().filter_map(|thread| thread.kernel_thread()) {
            let times = thread.cpu_times();
            user += times.user;
            system += times.system;
        }
        CpuTimes { user, system }
    }

    /// The most memory it has had, in KiB. May sleep.
    pub fn max_rss_kib(&self) -> u64 {
        let now = self.memory().map(|memory| memory.peak_pages());
        let past = self.peak_pages.load(Ordering::Relaxed);
        past.max(now.unwrap_or(0)) * (PAGE_SIZE / 1024)
    }

    /// It gives this memory up. May sleep.
    pub fn note_peak(&self, memory: &Memory) {
        self.peak_pages
            .fetch_max(memory.peak_pages(), Ordering::Relaxed);
    }

    /// Takes a thread that ends out; whether it was the last. What it has used
    /// by then stays counted.
    pub fn remove_thread(&self, thread: &Arc<UserThread>) -> bool {
        let mut threads = self.threads.lock();
        let position = threads.iter().position(|other| Arc::ptr_eq(other, thread));
        let removed = position.map(|position| threads.swap_remove(position));
        let used = thread.usage();
        *thread.counted.lock() = used;
        self.ended.lock().add(&used);
        let last = threads.is_empty();
        drop(threads);
        drop(removed);
        last
    }

    /// Counts what its last thread, which runs and was taken out, has used
    /// since.
    pub fn count_rest(&self, thread: &UserThread) {
        let mut counted = thread.counted.lock();
        let now = thread.usage();
        self.ended.lock().add(&now.since(&counted));
        *counted = now;
    }

    /// Its thread of that number, if it has not ended.
    pub fn thread(&self, tid: u32) -> Option<Arc<UserThread>> {
        let threads = self.threads.lock();
        threads.iter().find(|thread| thread.tid == tid).cloned()
    }

    /// Makes every thread look at its signals soon.
    pub fn wake_threads(&self) {
        let threads = self.threads.lock();
        for thread in threads.iter() {
            thread.notify();
        }
        drop(threads);
        self.changed.wake_all();
    }

    /// Makes one thread look at its signals soon.
    pub fn wake_thread(&self, tid: u32) {
        let threads = self.threads.lock();
        if let Some(thread) = threads.iter().find(|thread| thread.tid == tid) {
            thread.notify();
        }
    }
}

/// The process side of a thread.
pub struct UserThread {
    /// Its number.
    pub tid: u32,
    /// Its process.
    pub process: Arc<Process>,
    /// Its floating-point registers while it is not on a CPU.
    fp: UnsafeCell<FpState>,
    /// Its thread pointer (TPIDR_EL0) while it is not on a CPU.
    tls: AtomicU64,
    /// Who it is.
    cred: SpinLock<Arc<Cred>>,
    /// By how much (ns) its sleeps may end late (`PR_SET_TIMERSLACK`), and what
    /// that is when it asks for none in particular.
    pub timer_slack: [AtomicU64; 2],
    /// set_tid_address(2): cleared and woken at the thread's end.
    pub clear_tid: AtomicU64,
    /// set_robust_list(2).
    pub robust_list: AtomicU64,
    /// The thread alone is to end: it called exit(2), or another one calls
    /// execve.
    pub leaving: AtomicBool,
    /// It has done all that needs the process's memory, and stays away from
    /// it: whoever is left may give the memory up.
    left: AtomicBool,
    /// Page faults: without and with a read from a disk.
    pub faults: [AtomicU64; 2],
    /// What it had used when it was taken out of its process.
    counted: SpinLock<Usage>,
    /// The interrupted system call that may have to be done again.
    pub interrupted: SpinLock<Option<Interrupted>>,
    /// When the interrupted system call would have ended; [`NO_DEADLINE`] if
    /// it had no time to end at. The thread's own.
    pub resume_until: AtomicU64,
    /// A copy to or from its memory found none to be had.
    pub lacked_memory: AtomicBool,
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
        tid: u32,
        process: Arc<Process>,
        cred: Arc<Cred>,
        start: TrapFrame,
        fp: FpState,
        tls: u64,
    ) -> UserThread {
        UserThread {
            tid,
            process,
            fp: UnsafeCell::new(fp),
            tls: AtomicU64::new(tls),
            cred: SpinLock::new(Rank::Leaf, cred),
            timer_slack: [const { AtomicU64::new(TIMER_SLACK_NS) }; 2],
            clear_tid: AtomicU64::new(0),
            robust_list: AtomicU64::new(0),
            leaving: AtomicBool::new(false),
            left: AtomicBool::new(false),
            faults: [const { AtomicU64::new(0) }; 2],
            counted: SpinLock::new(Rank::Leaf, Usage::default()),
            interrupted: SpinLock::new(Rank::Leaf, None),
            resume_until: AtomicU64::new(NO_DEADLINE),
            lacked_memory: AtomicBool::new(false),
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

    /// It is someone else from now on; who it was.
    pub(super) fn replace_cred(&self, cred: Arc<Cred>) -> Arc<Cred> {
        core::mem::replace(&mut *self.cred.lock(), cred)
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

    /// Whether a signal waits that the running thread, which this is, must
    /// handle.
    pub fn signal_pending(&self) -> bool {
        thread::current().has_work()
            && (self.leaving.load(Ordering::Acquire)
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
    }

    /// Called by the switch to this thread, interrupts masked.
    pub fn load_state(&self) {
        // SAFETY: this thread is the one being entered.
        unsafe { (*self.fp.get()).load() };
        crate::arch::cpu::set_user_tls(self.tls.load(Ordering::Relaxed));
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
