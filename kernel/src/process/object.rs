//! Processes: what they own, and how they are found.

use super::cpu_clock::CpuClock;
use super::files::{FileShare, Files, OwnFiles};
use super::memory::Memory;
use super::namespaces::Namespaces;
use super::program::Executable;
use super::shared_places::SharedPlaces;
use super::timers::Timers;
use crate::memory::frames::Reserve;
use crate::time;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU32, AtomicU64, Ordering};
use paddock_abi::process::RLIM_NLIMITS;
use paddock_abi::{Errno, Result};
use paddock_cgroup::Place;
use paddock_charge::Account;
use paddock_cred::Cred;
use paddock_ipc::sem::UndoList;
use paddock_mem::Limits;
use paddock_process::signal::Signals;
use paddock_process::{Local, Member, PidSpace, Tree, Usage, WaitStatus};
use paddock_sync::{OnceCell, PreemptOff, Rank, SpinLock, WaitQueue, try_string};
use paddock_vfs::FsInfo;

pub use super::user_thread::{Interrupted, UserThread};

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
    RLIMIT_AS, RLIMIT_CORE, RLIMIT_CPU, RLIMIT_DATA, RLIMIT_FSIZE, RLIMIT_MEMLOCK, RLIMIT_MSGQUEUE,
    RLIMIT_NICE, RLIMIT_NOFILE, RLIMIT_NPROC, RLIMIT_RTPRIO, RLIMIT_SIGPENDING, RLIMIT_STACK,
};
/// No limit.
pub const UNLIMITED: u64 = u64::MAX;

/// How many signals a process may have queued, unless it is told otherwise.
const SIGNALS_QUEUED: u64 = 1024;

/// Bytes that a user's POSIX message queues may hold, likewise.
const MESSAGE_BYTES: u64 = 819_200;

/// The limits of process 1.
pub const DEFAULT_LIMITS: [Limit; LIMITS] = {
    let mut limits = [(UNLIMITED, UNLIMITED); LIMITS];
    limits[RLIMIT_STACK] = (8 << 20, UNLIMITED);
    limits[RLIMIT_NOFILE] = (1024, 4096);
    limits[RLIMIT_CORE] = (0, UNLIMITED);
    limits[RLIMIT_SIGPENDING] = (SIGNALS_QUEUED, SIGNALS_QUEUED);
    limits[RLIMIT_MSGQUEUE] = (MESSAGE_BYTES, MESSAGE_BYTES);
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
    /// The auxiliary vector at execve: /proc/PID/auxv.
    pub auxv: Vec<u8>,
}

impl Names {
    /// The same names, for a fork. `ENOMEM`.
    pub fn try_clone(&self) -> Result<Names> {
        let Names { comm, auxv } = self;
        let mut copy = Names {
            comm: try_string(comm)?,
            auxv: Vec::new(),
        };
        copy.auxv
            .try_reserve_exact(auxv.len())
            .map_err(|_| Errno::ENOMEM)?;
        copy.auxv.extend_from_slice(auxv);
        Ok(copy)
    }
}

/// Whether all threads are to stand still (SIGSTOP and its kind).
#[derive(Debug, Default)]
pub struct StopState {
    /// Set by a stop, cleared by SIGCONT or death.
    pub stopped: bool,
    /// The signal of the last stop.
    pub signal: u8,
    /// How many stops there have been.
    pub number: u64,
    /// Threads that stand still, for that or for the cgroup, or wait for the
    /// child of a vfork: they do not go to user mode.
    pub standing: usize,
}

/// A process.
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// The same as its own PID namespace knows it.
    pub number: Local,
    /// That namespace, in which it stays.
    pub space: PidSpace,
    /// Its parent as its namespace knows that: the tree's, for getppid(2) to read without
    /// it.
    parent: AtomicU32,
    /// Its memory; `None` once it has ended.
    pub memory: SpinLock<Option<Arc<Memory>>>,
    /// Its descriptors; shared after clone(CLONE_FILES).
    pub files: OwnFiles,
    /// Working directory, root and mode mask.
    pub paths: SpinLock<FsInfo, PreemptOff>,
    /// With whom it shares these.
    pub shared_places: SharedPlaces,
    /// The namespaces that it is in.
    pub namespaces: SpinLock<Arc<Namespaces>>,
    /// Who it is to others: its first thread.
    cred: SpinLock<Arc<Cred>>,
    /// The signal at its parent's end; zero for none.
    pub parent_death_signal: AtomicU32,
    /// The program it runs.
    pub executable: SpinLock<Option<Executable>>,
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
    /// Its cgroup, and what it is counted for there.
    pub place: SpinLock<Place>,
    /// That group's account for memory, to be read without the lock.
    pub memory_account: AtomicU64,
    /// Whether that has all its threads stand still.
    pub freezing: AtomicBool,
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
    /// Timers of real time.
    pub timers: SpinLock<Timers>,
    /// CPU time, and what it sets off.
    pub cpu_clock: CpuClock,
    /// What threads that have ended used.
    pub(super) ended: SpinLock<Usage>,
    /// The most memory (pages) of programs that it ran before.
    pub(super) peak_pages: AtomicU64,
    /// Pays for what the kernel keeps on its behalf.
    pub account: SpinLock<Arc<Account>>,
    /// Whether it may use the operator's reserves: process 1, and what root's
    /// logins start as root.
    is_operators: AtomicBool,
    /// Whether it is a login's and not a service's.
    pub is_login: bool,
    /// Whether its threads run before those of other programs, for a share of
    /// a CPU: the operator's, and what process 1 starts until that is the
    /// service's program.
    pub runs_first: AtomicBool,
    /// All its threads have ended, and its parent can hear of that.
    pub has_exited: AtomicBool,
    /// Where that is waited for.
    pub exited: WaitQueue,
    /// How its programs are run; personality(2).
    pub personality: AtomicU32,
    /// How much likelier (to 1000) or unlikelier (to -1000: never) it is to
    /// be chosen when memory runs out; proc_pid_oom_score_adj(5).
    pub oom_score_adj: AtomicI32,
    /// As whom a person has logged in; `u32::MAX` if nobody has.
    pub login_user: AtomicU32,
    /// Its cgroup's memory was to be had by its end.
    pub killed_for_memory: AtomicBool,
    /// Called once when it ends, for whoever in the kernel started it.
    pub on_exit: SpinLock<Option<ExitHook>>,
    /// The semaphores that its end changes (`SEM_UNDO`).
    pub sem_undo: SpinLock<UndoList>,
    /// It, or one before it, has asked for keys at some time.
    pub has_keys: AtomicBool,
}

/// What the kernel does when a process that it started has ended.
pub type ExitHook = alloc::boxed::Box<dyn FnOnce(WaitStatus) + Send>;

impl Member for Process {
    fn set_parent(&self, parent: Local) {
        self.parent.store(parent.get(), Ordering::Relaxed);
    }

    fn removed(&self) {
        self.remove_task();
    }

    fn left_alone(&self) {
        self.children.wake_all();
    }
}

/// What a new process is made of.
pub struct NewProcess {
    /// Its number, reserved in the tree.
    pub pid: u32,
    /// Its number in its PID namespace.
    pub number: Local,
    /// That namespace.
    pub space: PidSpace,
    /// Its memory.
    pub memory: Arc<Memory>,
    /// Its descriptors.
    pub files: FileShare,
    /// Directories and mode mask.
    pub paths: FsInfo,
    /// Namespaces.
    pub namespaces: Arc<Namespaces>,
    /// Identity.
    pub cred: Arc<Cred>,
    /// Signal state.
    pub signals: Signals,
    /// Resource limits.
    pub limits: [Limit; LIMITS],
    /// Names.
    pub names: Names,
    /// Its cgroup.
    pub place: Place,
    /// Pays for what the kernel keeps on its behalf.
    pub account: Arc<Account>,
    /// See [`Process::is_operators`].
    pub is_operators: bool,
    /// See [`Process::is_login`].
    pub is_login: bool,
    /// See [`Process::personality`].
    pub personality: u32,
    /// See [`Process::oom_score_adj`].
    pub oom_score_adj: i32,
    /// See [`Process::login_user`].
    pub login_user: u32,
}

impl Process {
    /// A process without threads, in no family yet.
    pub fn new(new: NewProcess) -> Process {
        let NewProcess {
            pid,
            number,
            space,
            memory,
            files,
            paths,
            namespaces,
            cred,
            signals,
            limits,
            names,
            place,
            account,
            is_operators,
            is_login,
            personality,
            oom_score_adj,
            login_user,
        } = new;
        Process {
            pid,
            number,
            space,
            parent: AtomicU32::new(0),
            memory: SpinLock::new(Rank::Leaf, Some(memory)),
            files: OwnFiles::new(files),
            paths: SpinLock::new(Rank::Leaf, paths),
            shared_places: SharedPlaces::none(),
            namespaces: SpinLock::new(Rank::Leaf, namespaces),
            cred: SpinLock::new(Rank::Leaf, cred),
            parent_death_signal: AtomicU32::new(0),
            executable: SpinLock::new(Rank::Leaf, None),
            signals: SpinLock::new(Rank::Signals, signals),
            threads: SpinLock::new(Rank::Leaf, Vec::new()),
            children: WaitQueue::new(),
            changed: WaitQueue::new(),
            stop: SpinLock::new(Rank::Leaf, StopState::default()),
            memory_account: AtomicU64::new(place.group().account().to_u64()),
            place: SpinLock::new(Rank::Leaf, place),
            freezing: AtomicBool::new(false),
            exit_code: AtomicU8::new(0),
            names: SpinLock::new(Rank::Leaf, names),
            limits: SpinLock::new(Rank::Leaf, limits),
            trampoline: AtomicU64::new(0),
            start_stack: AtomicU64::new(0),
            released_parent: AtomicBool::new(false),
            started: time::now(),
            timers: SpinLock::new(Rank::Leaf, Timers::new()),
            cpu_clock: CpuClock::new(limits[RLIMIT_CPU] != (UNLIMITED, UNLIMITED)),
            ended: SpinLock::new(Rank::Leaf, Usage::default()),
            peak_pages: AtomicU64::new(0),
            account: SpinLock::new(Rank::Leaf, account),
            is_operators: AtomicBool::new(is_operators),
            is_login,
            runs_first: AtomicBool::new(is_operators),
            has_exited: AtomicBool::new(false),
            exited: WaitQueue::new(),
            personality: AtomicU32::new(personality),
            oom_score_adj: AtomicI32::new(oom_score_adj),
            login_user: AtomicU32::new(login_user),
            killed_for_memory: AtomicBool::new(false),
            on_exit: SpinLock::new(Rank::Leaf, None),
            sem_undo: SpinLock::new(Rank::Leaf, UndoList::new()),
            has_keys: AtomicBool::new(false),
        }
    }

    /// Its parent, as its PID namespace knows it.
    pub fn parent(&self) -> Local {
        Local::new(self.parent.load(Ordering::Relaxed))
    }

    /// The user that it belongs to. `ESRCH` once somebody has waited for it.
    pub fn uid(&self) -> Result<u32> {
        tree().lock().uid(self.pid)
    }

    /// Which reserves of memory its threads leave alone, while it lives.
    pub fn reserve(&self) -> Reserve {
        match self.is_operators() {
            true => Reserve::Kernel,
            false => Reserve::Both,
        }
    }

    /// Whether it may use the operator's reserves.
    pub fn is_operators(&self) -> bool {
        self.is_operators.load(Ordering::Relaxed)
    }

    /// It is no longer the operator's: it has become another user's. `thread`
    /// is the running one, and its own.
    pub fn leave_operators(&self, thread: &UserThread) {
        self.is_operators.store(false, Ordering::Relaxed);
        self.runs_first.store(false, Ordering::Relaxed);
        if let Some(kernel) = thread.kernel_thread() {
            kernel.set_reserve(self.reserve());
            kernel.set_operators(false);
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
        self.files.get()
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

    /// Has it end before others run, if a signal that was sent to it ends it.
    pub fn hasten_for(&self, signal: u32) {
        if self.signals.lock().is_deadly(signal) {
            self.hasten();
        }
    }

    /// Has its threads run before those of others until they end. They must
    /// have been told to: one that goes on would keep the caller from running.
    pub fn hasten(&self) {
        for thread in self.threads.lock().iter() {
            if let Some(kernel) = thread.kernel_thread() {
                kernel.hasten();
            }
        }
    }

    /// Makes one thread look at its signals soon.
    pub fn wake_thread(&self, tid: u32) {
        let threads = self.threads.lock();
        if let Some(thread) = threads.iter().find(|thread| thread.tid == tid) {
            thread.notify();
        }
    }
}
