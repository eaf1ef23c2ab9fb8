//! Which system calls threads may make: where that is kept, and how the threads of a
//! process come to the same filter.

use super::object::UserThread;
use alloc::sync::Arc;
use paddock_abi::Result;
use paddock_seccomp::{Filter, Mode};
use paddock_sync::try_arc;

impl UserThread {
    /// Which calls it may make.
    pub fn seccomp_mode(&self) -> Mode {
        self.seccomp.lock().clone()
    }

    /// It may make these from now on: its calls are looked at, by [`Self::watch`].
    pub fn set_seccomp(&self, mode: Mode) {
        let old = core::mem::replace(&mut *self.seccomp.lock(), mode);
        drop(old);
        self.watch();
    }

    /// Has its calls looked at if it may not make all, or is traced.
    pub(super) fn watch(&self) {
        let restricted = !matches!(*self.seccomp.lock(), Mode::Disabled);
        if (restricted || self.is_traced())
            && let Some(kernel) = self.kernel_thread()
        {
            kernel.watch_calls();
        }
    }

    /// Ends that, if there is no reason for it any more.
    pub(super) fn unwatch(&self) {
        // Whoever restricts it does so under this lock first, and then watches.
        let mode = self.seccomp.lock();
        if matches!(*mode, Mode::Disabled)
            && !self.is_traced()
            && let Some(kernel) = self.kernel_thread()
        {
            kernel.unwatch_calls();
        }
    }

    /// It never gains anything by execve(2). `ENOMEM`.
    fn bind(&self) -> Result<()> {
        loop {
            let old = self.cred();
            if old.no_new_privs {
                return Ok(());
            }
            let new = try_arc(old.set_no_new_privs())?;
            if self.exchange_cred(&old, new.clone()) {
                super::identity::tell_process(self, new);
                return Ok(());
            }
        }
    }
}

/// Gives all threads of the running one's process `filter`, which is upon the running
/// one's own. Another thread that would be freer by that is in the way: its number.
///
/// # Errors
/// `ENOMEM`: nobody has it then.
pub fn synchronize_filter(thread: &UserThread, filter: &Arc<Filter>) -> Result<Option<u32>> {
    let process = &thread.process;
    if thread.with_cred(|cred| cred.no_new_privs) {
        let mut others = alloc::vec::Vec::new();
        let threads = process.threads.lock();
        let room = others.try_reserve_exact(threads.len());
        room.map_err(|_| paddock_abi::Errno::ENOMEM)?;
        others.extend(threads.iter().cloned());
        drop(threads);
        others.iter().try_for_each(|other| other.bind())?;
    }
    // Under the lock under which new threads get what their maker has.
    let threads = process.threads.lock();
    let stays = |other: &&Arc<UserThread>| !other.seccomp.lock().may_become(filter);
    if let Some(other) = threads.iter().find(stays) {
        return Ok(Some(other.tid));
    }
    for other in threads.iter() {
        // What it had is below the new one, and is not freed here.
        other.set_seccomp(Mode::Filtered(filter.clone()));
    }
    Ok(None)
}
