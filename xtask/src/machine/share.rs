//! Who uses the host: machines share it, and one that measures time has it alone.

use anyhow::{Result, ensure};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

/// The host that machines run on.
pub(super) struct Host {
    users: Mutex<Users>,
    changed: Condvar,
}

/// The host that this process runs on.
pub(super) static HOST: Host = Host::new();

struct Users {
    /// The thread of each machine that runs.
    machines: Vec<ThreadId>,
    /// The thread whose machines have the host alone.
    alone: Option<ThreadId>,
    /// How many threads wait to have it alone.
    waiting: usize,
}

/// A machine's part in the host, given back when it is dropped.
pub(super) struct Share {
    host: &'static Host,
    thread: ThreadId,
}

impl Host {
    const fn new() -> Self {
        let users = Users {
            machines: Vec::new(),
            alone: None,
            waiting: 0,
        };
        Self {
            users: Mutex::new(users),
            changed: Condvar::new(),
        }
    }

    fn users(&self) -> MutexGuard<'_, Users> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A part beside other machines. Waits while a thread has the host alone or waits for
    /// that. A thread with a machine waits for nobody: who waits for the host waits for it.
    pub(super) fn share(&'static self) -> Share {
        let thread = thread::current().id();
        let mut users = self.users();
        while !users.machines.contains(&thread) && (users.alone.is_some() || users.waiting > 0) {
            users = self.wait(users);
        }
        users.machines.push(thread);
        Share { host: self, thread }
    }

    /// All of it, and for the machines that the same thread starts beside it. Waits until
    /// no other thread has a machine.
    ///
    /// # Errors
    /// The thread has one that shares the host.
    pub(super) fn alone(&'static self) -> Result<Share> {
        let thread = thread::current().id();
        let mut users = self.users();
        let shares = users.machines.contains(&thread) && users.alone != Some(thread);
        ensure!(!shares, "of a test's machines, the first says `alone()`");
        users.waiting += 1;
        while users.machines.iter().any(|user| *user != thread) {
            users = self.wait(users);
        }
        users.waiting -= 1;
        users.alone = Some(thread);
        users.machines.push(thread);
        Ok(Share { host: self, thread })
    }

    fn wait<'a>(&self, users: MutexGuard<'a, Users>) -> MutexGuard<'a, Users> {
        let waited = self.changed.wait(users);
        waited.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut users = self.host.users();
        let mut machines = users.machines.iter();
        if let Some(at) = machines.position(|user| *user == self.thread) {
            users.machines.swap_remove(at);
        }
        if users.alone == Some(self.thread) && !users.machines.contains(&self.thread) {
            users.alone = None;
        }
        self.host.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn host() -> &'static Host {
        Box::leak(Box::new(Host::new()))
    }

    fn until(host: &Host, what: impl Fn(&Users) -> bool) {
        while !what(&host.users()) {
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_second_machine_does_not_wait_for_who_waits_for_the_first() {
        let host = host();
        let first = host.share();
        let other = thread::spawn(|| drop(host.alone().unwrap()));
        until(host, |users| users.waiting == 1);
        let second = host.share();
        drop(first);
        assert!(!other.is_finished());
        drop(second);
        other.join().unwrap();
    }

    #[test]
    fn who_has_the_host_alone_has_all_of_it() {
        let host = host();
        let alone = host.alone().unwrap();
        let beside = host.alone().unwrap();
        let other = thread::spawn(|| drop(host.share()));
        drop(alone);
        assert!(host.users().alone.is_some());
        assert!(!other.is_finished());
        drop(beside);
        other.join().unwrap();
        assert!(host.users().alone.is_none());
    }

    #[test]
    fn who_shares_cannot_have_it_alone() {
        let host = host();
        let shared = host.share();
        assert!(host.alone().is_err());
        drop(shared);
        assert!(host.alone().is_ok());
    }
}
