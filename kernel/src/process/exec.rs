//! execve(2): the point of no return.

use super::files;
use super::files::FileShare;
use super::object::{Process, UserThread};
use super::program::{self, Loaded, Request};
use super::{current, exit, identity, keys, memory, trace, tree};
use crate::arch::context::FpState;
use crate::arch::trap::TrapFrame;
use crate::thread;
use alloc::string::String;
use alloc::sync::Arc;
use core::sync::atomic::Ordering;
use paddock_abi::process::{ADDR_NO_RANDOMIZE, READ_IMPLIES_EXEC};
use paddock_abi::{Errno, Result};
use paddock_cred::{Cap, Cred};
use paddock_mem::Limits;
use paddock_process::stack::Strings;
use paddock_sync::{PreemptGuard, try_string};
use paddock_vfs::{Path, PathContext};

/// Replaces the running process's program by the one at `path`, or by `file`, which
/// then is called so. On success `frame` starts the new one.
///
/// # Errors
/// Those of execve(2); the process then goes on as it was.
pub fn exec(
    frame: &mut TrapFrame,
    path: &[u8],
    file: Option<Path>,
    arguments: Strings,
    environment: Strings,
) -> Result<()> {
    let thread = current().ok_or(Errno::ESRCH)?;
    let process = &thread.process;
    let name = comm_of(path)?;
    let cred = thread.cred();
    let gains = !cred.no_new_privs;
    let context = PathContext::new(&process.paths.lock(), cred);
    let loaded = program::load(Request {
        context: &context,
        path,
        file,
        arguments,
        environment,
        limits: process.memory_limits(Limits::default()),
        fixed_addresses: process.personality.load(Ordering::Relaxed) & ADDR_NO_RANDOMIZE != 0,
        gives_nothing: trace::is_by_weaker(thread) || shares_and_is_weak(thread),
    })?;
    become_only_thread(thread)?;
    // Another thread has seen to it that this one gains nothing, but it may have.
    if gains && thread.with_cred(|cred| cred.no_new_privs) {
        return Err(Errno::EAGAIN);
    }
    unshare_files(process)?;
    take_over(thread, loaded, name, frame);
    trace::tell_exec(thread, frame);
    Ok(())
}

/// Whether others, who run other programs, could move the process's root and directories,
/// and it may not become somebody else anyway.
fn shares_and_is_weak(thread: &UserThread) -> bool {
    thread.process.shared_places.is_shared()
        && !thread.with_cred(|cred| cred.capable_here(Cap::CAP_SETUID))
}

/// The process's descriptors are its own from now on. Only its last thread, with none
/// of them in hand. `ENOMEM`.
pub fn unshare_files(process: &Process) -> Result<()> {
    if !process.files.is_shared() {
        return Ok(());
    }
    let shared = process.files();
    let account = process.account.lock().clone();
    let copy = shared.lock().fork(&account)?;
    let own = FileShare::new(copy)?;
    own.files().add_thread();
    let old = process.files.replace(own);
    old.files().remove_thread();
    drop(old);
    Ok(())
}

/// Ends all other threads. `EAGAIN` if another one is doing that: it has been
/// told of this one, which ends. `EINTR` if the process ends.
fn become_only_thread(thread: &Arc<UserThread>) -> Result<()> {
    let process = &thread.process;
    if process.threads.lock().len() == 1 {
        return Ok(());
    }
    // Threads that are on the way out look at the signals only when the whole
    // process ends; here they are told one by one.
    super::signals::end_other_threads(thread)?;
    process.changed.wait_until(|| {
        let alone = process.threads.lock().len() == 1;
        (alone || process.signals.lock().is_dying()).then_some(())
    });
    if process.signals.lock().is_dying() {
        return Err(Errno::EINTR);
    }
    Ok(())
}

fn take_over(thread: &Arc<UserThread>, loaded: Loaded, name: String, frame: &mut TrapFrame) {
    let process = &thread.process;
    memory::goes(process, thread);
    if let Ok(old) = process.memory() {
        loaded.memory.inherit(&old);
    }
    let old = process.memory.lock().replace(loaded.memory);
    {
        let _stay = PreemptGuard::new();
        memory::activate(process.memory.lock().as_deref());
    }
    if let Some(memory) = &old {
        process.note_peak(memory);
    }
    drop(old);
    become_user(thread, loaded.cred, loaded.readable);
    let old = process.executable.lock().replace(loaded.executable);
    drop(old);
    process
        .trampoline
        .store(loaded.trampoline, Ordering::Relaxed);
    process
        .personality
        .fetch_and(!READ_IMPLIES_EXEC, Ordering::Relaxed);
    if loaded.secure {
        process.personality.store(0, Ordering::Relaxed);
    }
    process.start_stack.store(loaded.sp, Ordering::Relaxed);
    thread.clear_tid.store(0, Ordering::Relaxed);
    thread.robust_list.store(0, Ordering::Relaxed);
    process.signals.lock().exec(thread.tid);
    process.delete_timers();
    keys::execed(process);
    if let Ok(copy) = try_string(&name) {
        thread::current().set_name(copy);
    }
    let mut names = process.names.lock();
    names.comm = name;
    names.auxv = loaded.auxv;
    drop(names);
    process
        .runs_first
        .store(process.is_operators(), Ordering::Relaxed);
    if let Some(kernel) = thread.kernel_thread() {
        kernel.set_operators(process.is_operators());
    }
    close_marked(process);
    tree().lock().set_execed(process.pid);
    exit::release_vfork_parent(process);
    thread.load_fp(&FpState::new());
    thread.set_tls(0);
    *frame = TrapFrame::new_user(loaded.entry, loaded.sp);
}

/// The new program's identity, and who may look into it: nobody but the
/// superuser, if it acts for another than who started it, has gained something
/// or must not be read.
fn become_user(thread: &UserThread, cred: Arc<Cred>, readable: bool) {
    let process = &thread.process;
    let acts_for_another =
        cred.uid.effective != cred.uid.real || cred.gid.effective != cred.gid.real;
    let hides = thread.with_cred(|old| old.hides(&cred));
    if (acts_for_another || hides || !readable)
        && let Ok(memory) = process.memory()
    {
        memory.dumpable.store(0, Ordering::Relaxed);
    }
    if acts_for_another || hides {
        process.parent_death_signal.store(0, Ordering::Relaxed);
    }
    identity::take_on(thread, cred);
}

fn close_marked(process: &Arc<Process>) {
    let files = process.files();
    loop {
        // Closing may sleep and take other locks: one by one, outside.
        let taken = files.lock().take_close_on_exec();
        match taken {
            Some(entry) => drop(files::release(process, entry)),
            None => return,
        }
    }
}

/// The last part of a path, at most 15 bytes: what /proc/PID/comm shows.
/// `ENOMEM`.
pub fn comm_of(path: &[u8]) -> Result<String> {
    let last = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
    let last = &last[..last.len().min(15)];
    // What is not UTF-8 is left out.
    let mut name = String::new();
    name.try_reserve_exact(last.len())
        .map_err(|_| Errno::ENOMEM)?;
    for chunk in last.utf8_chunks() {
        name.push_str(chunk.valid());
    }
    Ok(name)
}
