//! The end of threads and processes.
//!
//! The order matters: a process gives everything back before its parent
//! hears of its end. Threads end only at the way back to user mode, where no
//! frame below owns anything.

use super::files::FileShare;
use super::namespaces::Namespaces;
use super::object::{Process, UserThread};
use super::{
    acct, cgroup, current, folders, futex, ipc, keys, locks, memory, numbers, oom, signals,
    terminals, trace, tree,
};
use crate::arch::user_access::copy_to_user;
use crate::memory::frames::Reserve;
use crate::thread;
use alloc::sync::Arc;
use core::sync::atomic::Ordering;
use paddock_abi::signal::{SIGCHLD, SIGCONT, SIGHUP, Siginfo};
use paddock_process::{Bereft, ExitEffects, Local, Usage, WaitStatus};
use paddock_vfs::notify;

/// Decides how a process ends; all its threads go on their next way to user
/// mode. Only the first call counts.
pub fn begin_exit(process: &Process, status: WaitStatus) {
    process.signals.lock().set_ending(status);
    process.stop.lock().stopped = false;
    // Whoever may take the last memory, and the CPU from the caller, must
    // have been told before to end.
    process.wake_threads();
    // Ending takes a little memory and gives back much.
    for thread in process.threads.lock().iter() {
        if let Some(kernel) = thread.kernel_thread() {
            kernel.set_reserve(Reserve::None);
        }
    }
    process.hasten();
}

/// Ends the running thread, and its process with the last one. Only from the
/// way back to user mode.
pub fn exit_thread() -> ! {
    if let Some(thread) = current() {
        leave(thread);
    }
    thread::exit()
}

fn leave(thread: &Arc<UserThread>) {
    let process = &thread.process;
    clear_tid(thread);
    futex::release_robust_list(thread);
    futex::pass_on_locks(thread);
    keys::thread_ended(thread);
    let receiver = process.signals.lock().remove_thread(thread.tid);
    if let Some(tid) = receiver {
        process.wake_thread(tid);
    }
    thread.leave_memory();
    let last = process.remove_thread(thread);
    if thread.tid != process.pid {
        if thread.is_traced() {
            trace::thread_ended(thread);
        }
        tree().lock().release(thread.tid);
        folders::thread_ended(process, thread.tid);
        process.remove_task();
    }
    cgroup::on_thread_end(process);
    process.changed.wake_all();
    if last {
        locks::process_ended(process);
        end_process(process, thread);
    }
}

/// Whether others use the process's memory: other threads, or a process that was made with
/// it.
fn is_shared(process: &Process) -> bool {
    // The process's own reference, and the one that is looked at.
    process.threads.lock().len() > 1 || process.memory().is_ok_and(|it| Arc::strong_count(&it) > 2)
}

/// pthread_join(3) waits for this word to become zero.
fn clear_tid(thread: &UserThread) {
    let address = thread.clear_tid.swap(0, Ordering::Relaxed);
    if address != 0
        && is_shared(&thread.process)
        && copy_to_user(address, &0u32.to_le_bytes()).is_ok()
    {
        futex::wake_address(thread, address, 1);
    }
}

fn end_process(process: &Arc<Process>, thread: &UserThread) {
    process.end_timers();
    acct::process_ends(process, thread);
    memory::goes(process, thread);
    release_memory(process);
    ipc::sem::process_ended(process);
    keys::ended(process);
    drop(process.files.replace(FileShare::none()));
    // The bytes in its pipes and sockets went with the files.
    oom::on_release(process);
    release_directories(process);
    end_session(process.pid);
    numbers::end_space(process);
    let decided = process.signals.lock().ending();
    let code = process.exit_code.load(Ordering::Relaxed);
    let status = decided.unwrap_or(WaitStatus::Exited(code));
    release_vfork_parent(process);
    super::spawn::on_process_end(process);
    let reap = parent_reaps(process.pid);
    process.count_rest(thread);
    cgroup::keep_used(process);
    let usage = Usage {
        max_rss_kib: process.max_rss_kib(),
        ..process.usage()
    };
    let (mut orphans, mut children) = (alloc::vec::Vec::new(), alloc::vec::Vec::new());
    trace::tracer_ended(process.pid);
    let (effects, group, tracer) = {
        let mut tree = tree().lock();
        let tracer = tree.trace_ended(process.pid, status);
        let effects = tree.exit(process.pid, status, usage, reap, |what, member| {
            let list = match what {
                Bereft::Group => &mut orphans,
                Bereft::Child if asks_for_signal(member) => &mut children,
                Bereft::Child => return,
            };
            if list.try_reserve(1).is_ok() {
                list.push(member.clone());
            }
        });
        // Before anybody can wait for it, and before its number can be another's.
        process.has_exited.store(true, Ordering::Release);
        (effects, cgroup::leave(process), tracer)
    };
    if let Some(tracer) = tracer {
        trace::process_ended(&tracer, process, status);
    }
    for child in children {
        let signal = child.parent_death_signal.load(Ordering::Relaxed);
        let _ = signals::send_to_process(&child, &Siginfo::kernel(signal));
    }
    for orphan in orphans {
        for signal in [SIGHUP, SIGCONT] {
            let _ = signals::send_to_process(&orphan, &Siginfo::kernel(signal));
        }
    }
    if let Ok(effects) = effects {
        tell_of_end(process, status, &effects);
    }
    // An empty group has no process that could still be waited for in vain.
    group.tell();
    process.exited.wake_all();
    let hook = process.on_exit.lock().take();
    if let Some(hook) = hook {
        hook(status);
    }
}

/// Tells of a process's end those who can wait for it.
fn tell_of_end(process: &Arc<Process>, status: WaitStatus, effects: &ExitEffects<Process>) {
    let send = |receiver: &Arc<Process>, signal: u32, number: Local| {
        let info = signals::child_info(receiver, signal, process, number, status);
        let _ = signals::send_to_process(receiver, &info);
    };
    if let Some(parent) = &effects.parent {
        if effects.exit_signal != 0 {
            send(parent, effects.exit_signal, effects.number);
        }
        parent.children.wake_all();
    }
    if let Some(reaper) = &effects.reaper {
        send(reaper, SIGCHLD, effects.number_to_reaper);
        reaper.children.wake_all();
    }
    if effects.gone.is_some() {
        folders::process_ended(process);
    }
}

/// `PR_SET_PDEATHSIG`.
fn asks_for_signal(process: &Process) -> bool {
    process.parent_death_signal.load(Ordering::Relaxed) != 0
}

/// A session whose leader ends loses its terminal.
fn end_session(pid: u32) {
    if tree().lock().session(pid) == Ok(pid) {
        terminals::all().session_ended(pid);
    }
}

/// Gives the memory up. All threads of the process have left it before they
/// left the process.
fn release_memory(process: &Process) {
    let old = process.memory.lock().take();
    if let Some(memory) = &old {
        process.note_peak(memory);
    }
    drop(old);
    let executable = process.executable.lock().take();
    drop(executable);
}

/// Lets go of its directories, and then of its namespaces. Who it was stays: that is asked of zombies too.
fn release_directories(process: &Process) {
    super::shared_places::leave(process);
    let root = super::vfs::namespace().root();
    let mut paths = process.paths.lock();
    let old = (
        core::mem::replace(&mut paths.root, root.clone()),
        core::mem::replace(&mut paths.base, root),
    );
    drop(paths);
    drop(old);
    notify::settle();
    let initial = Namespaces::initial();
    let old = core::mem::replace(&mut *process.namespaces.lock(), initial);
    drop(old);
}

/// Lets the parent of a vfork go on.
pub fn release_vfork_parent(process: &Process) {
    process.released_parent.store(true, Ordering::Release);
    process.changed.wake_all();
}

fn parent_reaps(pid: u32) -> bool {
    let parent = {
        let tree = tree().lock();
        tree.parent(pid).ok().and_then(|parent| tree.get(parent))
    };
    parent.is_some_and(|parent| parent.signals.lock().reaps_children())
}
