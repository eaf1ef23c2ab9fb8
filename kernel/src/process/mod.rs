//! Processes: their life from clone to exit, their memory, signals and traps.

pub mod accounts;
pub mod aio;
pub mod cgroup;
mod cgroup_space;
mod clone;
pub mod cpu_clock;
mod cut;
mod exec;
mod exit;
pub mod faults;
pub mod files;
mod finish;
pub mod folders;
pub mod futex;
mod hardware;
pub mod identity;
pub mod ipc;
pub mod keys;
pub mod leases;
pub mod limits;
pub mod locks;
pub mod memory;
pub mod namespaces;
pub mod net_space;
pub mod numbers;
pub mod object;
pub mod oom;
mod oom_group;
pub mod page_cache;
mod program;
pub mod reclaim;
mod seccomp;
pub mod services;
pub mod shared_places;
mod signals;
mod spawn;
pub mod terminals;
pub mod timers;
pub mod trace;
mod traps;
mod usage;
mod user_thread;
pub mod uts;
mod vdso;
pub mod vfs;

use crate::thread::{self, Thread};
use alloc::sync::Arc;
use paddock_process::WaitStatus;

pub use clone::{CloneRequest, clone, forks};
pub use exec::{exec, unshare_files};
pub use exit::begin_exit;
pub use faults::handle_kernel_access;
pub use finish::finish;
pub use hardware::Arm;
pub use object::{Process, UserThread, tree};
pub use seccomp::synchronize_filter;
pub use signals::{
    SIGNALS_CAME, Targets, before_return, force, send_from_process, send_to_group, send_to_process,
    send_to_thread, sigreturn,
};
pub use spawn::{Program, spawn};
pub use traps::handle_fault;

/// Process 1, if it is there.
pub fn process_1() -> Option<Arc<Process>> {
    tree().lock().get(spawn::FIRST)
}

/// Ends a process that no signal reaches: process 1. Never sleeps.
pub fn kill_by_kernel(process: &Process) {
    let signal = paddock_abi::signal::SIGKILL as u8;
    begin_exit(
        process,
        WaitStatus::Signaled {
            signal,
            core: false,
        },
    );
}

/// The process side of the running thread; a kernel thread has none.
pub fn current() -> Option<&'static Arc<UserThread>> {
    of(thread::current())
}

/// The process side of a thread.
pub fn of(thread: &Thread) -> Option<&Arc<UserThread>> {
    thread.user_side()
}

/// The process side of a thread that may make all system calls.
#[inline]
pub fn unwatched(thread: &Thread) -> Option<&Arc<UserThread>> {
    thread.unwatched_side()
}

/// Whether the running thread has something to do before user mode.
pub fn has_work() -> bool {
    thread::current().has_work()
}

/// Whether the running thread has a signal to handle. Ends interruptible
/// waits.
#[unsafe(export_name = "paddock_sync_interrupted")]
pub fn signal_pending() -> bool {
    current().is_some_and(|thread| thread.signal_pending())
}

/// Makes the tables of processes. Once, at boot.
pub fn init() {
    memory::init();
    accounts::init();
    cgroup::init();
    vdso::init();
    files::init();
    cut::init();
    let mut tree = paddock_process::Tree::new();
    if tree.reserve(None, 0, paddock_process::TaskLimits::NONE) != Ok(spawn::FIRST) {
        panic!("number 1 is not to be had for process 1");
    }
    let tree = paddock_sync::SpinLock::new(paddock_sync::Rank::ProcessTable, tree);
    if object::TREE.set(tree).is_err() {
        panic!("processes were set up twice");
    }
}
