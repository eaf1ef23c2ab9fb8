//! The kernel's key management ([`paddock_keys`]): the one store, and what becomes of a
//! process's keyrings when it forks, runs another program, and ends.

use super::object::{Process, UserThread};
use crate::time;
use core::sync::atomic::Ordering;
use paddock_abi::Result;
use paddock_abi::time::NANOS;
use paddock_keys::{Caller, Keys, Limits};
use paddock_sync::{Mutex, Rank};

static KEYS: Mutex<Keys> = Mutex::new(Rank::LeafMutex, Keys::new());

/// Calls `body` with all keys and who asks for one. Sleeps.
pub fn with<T>(thread: &UserThread, body: impl FnOnce(&mut Keys, &Caller<'_>) -> T) -> T {
    let cred = thread.cred();
    let process = &thread.process;
    process.has_keys.store(true, Ordering::Relaxed);
    let who = Caller {
        cred: &cred,
        pid: process.pid,
        tid: thread.tid,
        now: time::now() / NANOS,
    };
    body(&mut KEYS.lock(), &who)
}

/// The settings. Sleeps.
pub fn limits() -> Limits {
    KEYS.lock().limits
}

/// Changes them. Sleeps.
pub fn change_limits(change: impl FnOnce(&mut Limits)) {
    KEYS.lock().change_limits(change);
}

fn has_any(process: &Process) -> bool {
    process.has_keys.load(Ordering::Relaxed)
}

/// A child that does not run yet is in its parent's session. Sleeps.
///
/// # Errors
/// `ENOMEM`.
pub fn forked(parent: &Process, child: &Process) -> Result<()> {
    match has_any(parent) {
        true => {
            child.has_keys.store(true, Ordering::Relaxed);
            KEYS.lock().forked(parent.pid, child.pid)
        }
        false => Ok(()),
    }
}

/// A process runs another program. Sleeps.
pub fn execed(process: &Process) {
    if has_any(process) {
        KEYS.lock().execed(process.pid);
    }
}

/// A thread has ended. Sleeps.
pub fn thread_ended(thread: &UserThread) {
    if has_any(&thread.process) {
        KEYS.lock().thread_ended(thread.process.pid, thread.tid);
    }
}

/// A process has ended. Sleeps.
pub fn ended(process: &Process) {
    if has_any(process) {
        KEYS.lock().ended(process.pid);
    }
}
