//! execve(2): the point of no return.

use super::process::{Process, UserThread};
use super::program::{self, Loaded, Request};
use super::{current, exit, memory, tree};
use crate::arch::context::FpState;
use crate::arch::trap::TrapFrame;
use alloc::string::String;
use alloc::sync::Arc;
use core::sync::atomic::Ordering;
use paddock_abi::{Errno, Result};
use paddock_process::stack::Strings;
use paddock_sync::{Mutex, PreemptGuard, Rank, try_arc};

/// Replaces the running process's program. On success `frame` starts the new
/// one.
///
/// # Errors
/// Those of execve(2); the process then goes on as it was.
pub fn exec(
    frame: &mut TrapFrame,
    path: &[u8],
    arguments: Strings,
    environment: Strings,
) -> Result<()> {
    let thread = current().ok_or(Errno::ESRCH)?;
    let process = &thread.process;
    let context = process.paths.lock().clone();
    let stack_limit = process.limit(super::process::RLIMIT_STACK);
    let loaded = program::load(Request {
        context: &context,
        path,
        arguments,
        environment,
        stack_limit,
    })?;
    unshare_files(process)?;
    become_only_thread(thread)?;
    take_over(thread, loaded, path, frame);
    Ok(())
}

/// The new program's descriptors are its own.
fn unshare_files(process: &Process) -> Result<()> {
    let shared = process.files();
    // One is the process's, one is `shared`.
    if Arc::strong_count(&shared) > 2 {
        let copy = shared.lock().fork()?;
        *process.files.lock() = try_arc(Mutex::new(Rank::FdTable, copy))?;
    }
    Ok(())
}

/// Ends all other threads, and takes the process's number.
fn become_only_thread(thread: &Arc<UserThread>) -> Result<()> {
    let process = &thread.process;
    if process.threads.lock().len() == 1 {
        return Ok(());
    }
    // Threads that are on the way out look at `ending` only when the whole
    // process ends; here they are told one by one.
    super::signals::end_other_threads(thread);
    process.changed.wait_until(|| {
        let alone = process.threads.lock().len() == 1;
        (alone || process.ending.lock().is_some()).then_some(())
    });
    if process.ending.lock().is_some() {
        return Err(Errno::EINTR);
    }
    Ok(())
}

fn take_over(thread: &Arc<UserThread>, loaded: Loaded, path: &[u8], frame: &mut TrapFrame) {
    let process = &thread.process;
    let old = process.memory.lock().replace(loaded.memory);
    {
        let _stay = PreemptGuard::new();
        memory::activate(process.memory.lock().as_deref());
    }
    drop(old);
    *process.executable.lock() = Some(loaded.executable);
    process
        .trampoline
        .store(loaded.trampoline, Ordering::Relaxed);
    thread.clear_tid.store(0, Ordering::Relaxed);
    thread.robust_list.store(0, Ordering::Relaxed);
    process.signals.lock().exec(thread.tid);
    let mut names = process.names.lock();
    names.comm = comm_of(path);
    names.arguments = loaded.arguments;
    names.environment = loaded.environment;
    drop(names);
    close_marked(process);
    tree().lock().set_execed(process.pid);
    exit::release_vfork_parent(process);
    thread.load_fp(&FpState::new());
    thread.set_tls(0);
    *frame = TrapFrame::new_user(loaded.entry, loaded.sp);
}

fn close_marked(process: &Process) {
    let files = process.files();
    loop {
        // Closing may sleep and take other locks: one by one, outside.
        let closed = files.lock().take_close_on_exec();
        if closed.is_none() {
            return;
        }
    }
}

/// The last part of a path, at most 15 bytes: what /proc/PID/comm shows.
pub fn comm_of(path: &[u8]) -> String {
    let last = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
    String::from_utf8_lossy(&last[..last.len().min(15)]).into_owned()
}
