//! Processes that the kernel itself starts (process 1, SSH sessions), and the
//! first steps of every user thread.

use super::files::FileShare;
use super::namespaces::Namespaces;
use super::object::{DEFAULT_LIMITS, ExitHook, Names, NewProcess, Process, UserThread};
use super::program::{self, Request};
use super::terminals;
use super::{accounts, cgroup, exec, limits, tree};
use crate::arch::context::FpState;
use crate::arch::trap::TrapFrame;
use crate::thread;
use alloc::sync::Arc;
use core::arch::asm;
use core::sync::atomic::Ordering;
use paddock_abi::signal::SIGCHLD;
use paddock_abi::{Errno, Result};
use paddock_cgroup::Place;
use paddock_mem::Limits;
use paddock_process::signal::{Protection, Signals};
use paddock_process::stack::Strings;
use paddock_process::{Local, PidSpace, Usage, WaitStatus};
use paddock_sync::{try_arc, try_string};
use paddock_tty::Tty;
use paddock_vfs::{FdTable, PathContext};

/// The number of process 1.
pub const FIRST: u32 = 1;

/// A program for [`spawn`].
pub struct Program<'a> {
    /// Its path.
    pub path: &'a [u8],
    /// Its arguments, its own name first.
    pub arguments: Strings,
    /// Its environment.
    pub environment: Strings,
    /// Its descriptors.
    pub files: FdTable,
    /// Root, working directory, identity.
    pub paths: PathContext,
    /// Whether it is process 1, which nothing else ever is.
    pub first: bool,
    /// The controlling terminal of its new session.
    pub terminal: Option<Arc<Tty>>,
    /// Whether it may use the operator's reserve of memory.
    pub is_operators: bool,
    /// What to do when it has ended; any locks it takes may sleep.
    pub on_exit: Option<ExitHook>,
}

/// Starts a program that leads a session of its own, as a child of process 1
/// or as process 1 itself. Thread context.
///
/// # Errors
/// Those of execve(2) and fork(2).
pub fn spawn(program: Program<'_>) -> Result<Arc<Process>> {
    let loaded = program::load(Request {
        context: &program.paths,
        path: program.path,
        file: None,
        arguments: program.arguments,
        environment: program.environment,
        limits: Limits {
            stack: DEFAULT_LIMITS[super::object::RLIMIT_STACK].0,
            ..Limits::default()
        },
        fixed_addresses: false,
        gives_nothing: false,
    })?;
    let uid = program.paths.cred.uid.real;
    let pid = if program.first {
        tree().lock().reserve_first()?
    } else {
        tree().lock().reserve(None, uid, limits::OPERATORS)?
    };
    let parent = (!program.first && tree().lock().get(FIRST).is_some()).then_some(FIRST);
    let number = Local::new(pid);
    let made = Signals::new(pid, protection(program.first)).and_then(|signals| {
        try_arc(Process::new(NewProcess {
            pid,
            number,
            space: PidSpace::INITIAL,
            memory: loaded.memory,
            files: FileShare::new(program.files)?,
            paths: program.paths.fs_info(),
            namespaces: Namespaces::initial(),
            cred: loaded.cred.clone(),
            signals,
            limits: limits::defaults(),
            names: Names {
                comm: exec::comm_of(program.path)?,
                auxv: loaded.auxv,
            },
            place: Place::new(cgroup::hierarchy().root())?,
            account: accounts::of_new_process(uid)?,
            is_operators: program.is_operators,
            is_login: !program.first,
            personality: 0,
            oom_score_adj: 0,
            login_user: u32::MAX,
        }))
    });
    let process = made.inspect_err(|_| tree().lock().release(pid))?;
    *process.executable.lock() = Some(loaded.executable);
    process
        .trampoline
        .store(loaded.trampoline, Ordering::Relaxed);
    process.start_stack.store(loaded.sp, Ordering::Relaxed);
    *process.on_exit.lock() = program.on_exit;
    let frame = TrapFrame::new_user(loaded.entry, loaded.sp);
    let thread = try_arc(UserThread::new(
        (pid, number),
        process.clone(),
        loaded.cred.clone(),
        frame,
        FpState::new(),
        0,
    ))?;
    {
        let mut tree = tree().lock();
        cgroup::enter(&process, None, false)?;
        tree.add(pid, parent, process.clone(), SIGCHLD)?;
        tree.set_uid(pid, loaded.cred.uid.real)?;
        let _ = tree.new_session(pid);
    }
    let assigned = match &program.terminal {
        Some(tty) => terminals::all().assign(pid, tty),
        None => Ok(()),
    };
    assigned
        .and_then(|()| start_thread(&thread))
        .inspect_err(|_| abandon(pid))?;
    Ok(process)
}

/// Takes a process whose first thread never ran out of the family again: it
/// leaves no zombie.
pub fn abandon(pid: u32) {
    let status = WaitStatus::Exited(0);
    let mut tree = tree().lock();
    let group = tree.get(pid).map(|process| cgroup::leave(&process));
    let ended = tree.exit(pid, status, Usage::default(), true, |_, _| {});
    drop(tree);
    if let Some(group) = group {
        group.tell();
    }
    drop(ended);
}

/// The first process gets only the signals that it handles.
fn protection(first: bool) -> Protection {
    match first {
        true => Protection::Whole,
        false => Protection::No,
    }
}

/// Gives a user thread its kernel thread and lets it run.
///
/// # Errors
/// `EAGAIN`, also when the calling thread's process is losing all its threads
/// but one that calls execve; `ENOMEM`.
pub fn start_thread(thread: &Arc<UserThread>) -> Result<()> {
    let process = &thread.process;
    let name = match super::current() {
        Some(creator) => creator.name(),
        None => try_string(&process.names.lock().comm)?,
    };
    let mut threads = process.threads.lock();
    // Under the lock with which `signals::end_other_threads` tells them all:
    // none is made that it does not see.
    let ends = |own: &Arc<UserThread>| own.leaving.load(Ordering::Acquire);
    if super::current().is_some_and(ends) {
        return Err(Errno::EAGAIN);
    }
    threads.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
    threads.push(thread.clone());
    if let Some(creator) = super::current() {
        let mode = creator.seccomp_mode();
        *thread.seccomp.lock() = mode;
    }
    drop(threads);
    // Before it runs, and while the one that starts it has no call for a descriptor
    // under way.
    process.files().add_thread();
    let started = thread::spawn_user(thread.clone(), &name, run);
    if started.is_err() {
        process.files().remove_thread();
        process
            .threads
            .lock()
            .retain(|other| !Arc::ptr_eq(other, thread));
    }
    // The new thread does so too, if it is quicker: who knows its number finds it.
    started.map(|made| drop(thread.kernel_thread.set(Arc::downgrade(&made))))
}

/// The kernel's side of a new user thread: on to user mode. Owns nothing when
/// it leaves.
fn run() {
    let Some(thread) = super::current() else {
        return;
    };
    let _ = thread
        .kernel_thread
        .set(Arc::downgrade(&thread::current_arc()));
    thread.watch();
    let Some(mut frame) = thread.start.lock().take() else {
        return;
    };
    thread.notify_self();
    super::finish(&mut frame);
    // SAFETY: interrupts are masked, and the frame lies on this thread's
    // stack, whose part above it is never used again.
    unsafe {
        asm!("mov sp, {}", "b return_to_user", in(reg) &raw mut frame, options(noreturn));
    }
}

/// Called when a process has given back what it owned.
pub fn on_process_end(process: &Arc<Process>) {
    if process.pid == FIRST {
        log::error!("process 1 has ended; the kernel goes on without it");
    }
}
