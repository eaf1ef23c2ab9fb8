//! Who threads are: changes of it, and what others may know of them.

use super::object::{Process, UserThread};
use super::{accounts, current};
use alloc::sync::Arc;
use core::sync::atomic::Ordering;
use paddock_abi::{Errno, Result};
use paddock_cred::{Cred, IdKind, UserNamespace};
use paddock_sync::try_arc;

/// A process that anyone of its user may look into (`SUID_DUMP_USER`).
pub const DUMPABLE: u8 = 1;

/// The running thread, which this is, goes on as `new`.
///
/// # Errors
/// `ENOMEM`: it is who it was.
pub fn change(thread: &UserThread, new: Cred) -> Result<()> {
    let new = try_arc(new)?;
    if new.uid.real != thread.process.uid()? {
        accounts::change_user(&thread.process, new.uid.real)?;
    }
    let hides = thread.with_cred(|old| old.hides(&new));
    let process = &thread.process;
    if hides {
        if let Ok(memory) = process.memory() {
            memory.dumpable.store(0, Ordering::Relaxed);
        }
        process.parent_death_signal.store(0, Ordering::Relaxed);
    }
    take_on(thread, new);
    Ok(())
}

/// The running thread, which this is, is `new` from now on; and so is its
/// process to others, if it is the first thread or the only one.
pub fn take_on(thread: &UserThread, mut new: Arc<Cred>) {
    let old = thread.replace_cred(&mut new);
    drop(old);
    tell_process(thread, new);
}

/// A thread is `new`: so is its process to others, if it is the first thread or the
/// only one.
pub(super) fn tell_process(thread: &UserThread, new: Arc<Cred>) {
    let process = &thread.process;
    if thread.tid == process.pid || process.thread(process.pid).is_none() {
        process.set_cred(new);
    }
}

impl Process {
    /// Whether others of its user may look into it (`PR_SET_DUMPABLE`).
    pub fn is_dumpable(&self) -> bool {
        self.memory()
            .is_ok_and(|memory| memory.dumpable.load(Ordering::Relaxed) == DUMPABLE)
    }

    /// User and group whose its files in `/proc` are: the superuser's, if
    /// others are not to look into it.
    pub fn owner(&self) -> (u32, u32) {
        let cred = self.cred();
        if self.is_dumpable() {
            return (cred.uid.effective, cred.gid.effective);
        }
        let namespace = self.looked_into_from();
        let root = |kind| namespace.given(kind, 0).unwrap_or(0);
        (root(IdKind::User), root(IdKind::Group))
    }

    /// The user namespace whose capabilities it takes to look into it, if others of its
    /// user may not.
    pub fn looked_into_from(&self) -> UserNamespace {
        let memory = self.memory().ok();
        memory.map_or(UserNamespace::INITIAL, |memory| {
            memory.user_namespace.clone()
        })
    }
}

/// The user namespace of the running thread: whoever is told ids knows them by its
/// numbers. The initial one for the kernel.
pub fn viewer() -> UserNamespace {
    let thread = current();
    thread.map_or(UserNamespace::INITIAL, |thread| {
        thread.with_cred(|cred| cred.user_namespace.clone())
    })
}

/// Whether the caller may see what a process uses (`PTRACE_MODE_READ`).
/// `EACCES`.
pub fn may_inspect(process: &Process) -> Result<()> {
    let Some(caller) = current() else {
        return Ok(());
    };
    let own = core::ptr::eq(&*caller.process, process);
    let may = || {
        let target = process.cred();
        let memory = process.looked_into_from();
        caller.with_cred(|cred| cred.may_inspect(&target, process.is_dumpable(), &memory))
    };
    match own || may() {
        true => Ok(()),
        false => Err(Errno::EACCES),
    }
}
