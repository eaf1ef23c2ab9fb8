//! Calls that Rust's own library does not offer.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

/// Whether `error` says that there are no descriptors left.
pub(crate) fn is_out_of_files(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

pub(super) fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Signals that arrived and were not taken yet, by bit.
static PENDING: AtomicU32 = AtomicU32::new(0);
/// The writing end of the pipe that wakes `poll`.
static WAKE: AtomicI32 = AtomicI32::new(-1);

extern "C" fn on_signal(signal: libc::c_int) {
    PENDING.fetch_or(1 << (signal as u32 & 31), Ordering::SeqCst);
    // SAFETY: `write` may be called in a signal handler; the byte lives for
    // the call. errno is put back, as the interrupted code may be reading it.
    unsafe {
        let errno = libc::__errno_location();
        let saved = *errno;
        libc::write(WAKE.load(Ordering::SeqCst), (&raw const PENDING).cast(), 1);
        *errno = saved;
    }
}

/// Has `signals` noted in a set and a byte written to `wake` for each, which
/// must not block and must stay open for the life of the program.
pub(super) fn catch(signals: &[i32], wake: RawFd) -> io::Result<()> {
    WAKE.store(wake, Ordering::SeqCst);
    for signal in signals {
        // SAFETY: an all-zero sigaction is a valid one, with an empty mask.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = on_signal as *const () as libc::sighandler_t;
        action.sa_flags = libc::SA_RESTART;
        // SAFETY: `action` is valid; the handler only does what is allowed in
        // a signal handler.
        check(unsafe { libc::sigaction(*signal, &action, std::ptr::null_mut()) })?;
    }
    Ok(())
}

/// Takes the set of signals that arrived since the last call.
pub(super) fn take_pending() -> u32 {
    PENDING.swap(0, Ordering::SeqCst)
}

/// `kill(2)`: a negative `pid` names a process group, -1 everyone.
pub(super) fn kill(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: `kill` touches no memory of ours.
    check(unsafe { libc::kill(pid, signal) }).map(drop)
}

/// Process id of a child that ended, which is left as it is; `None` if none
/// has. ECHILD if there are no children at all.
pub(super) fn peek_ended() -> io::Result<Option<i32>> {
    // SAFETY: an all-zero siginfo is valid and means "no child".
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: `info` is ours to write to for the call.
    check(unsafe { libc::waitid(libc::P_ALL, 0, &mut info, flags) })?;
    // SAFETY: waitid filled `info` in the form of SIGCHLD, or left it zero.
    let pid = unsafe { info.si_pid() };
    Ok((pid != 0).then_some(pid))
}

/// Collects a child that ended, any with `pid` -1. `None` if none has.
pub(super) fn wait_for(pid: i32) -> io::Result<Option<(i32, i32)>> {
    let mut status = 0;
    // SAFETY: `status` is ours to write to for the call.
    let pid = check(unsafe { libc::waitpid(pid, &mut status, libc::WNOHANG) })?;
    Ok((pid != 0).then_some((pid, status)))
}

/// Gives memory that was freed back to the machine, where that is not done anyway.
pub(crate) fn trim_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it only gives back what nothing uses.
    unsafe {
        libc::malloc_trim(0);
    }
}

pub(super) fn sync() {
    // SAFETY: `sync` takes nothing and cannot fail.
    unsafe { libc::sync() }
}

pub(super) fn reboot(how: i32) -> io::Result<()> {
    // SAFETY: `reboot` touches no memory of ours.
    check(unsafe { libc::reboot(how) }).map(drop)
}
