//! Sending signals.

use super::state::{Protection, Signals, ThreadSignals};
use super::{SignalSet, is_signal};
use paddock_abi::signal::*;
use paddock_abi::{Errno, Result};

/// What sending a signal has led to; the sender then wakes accordingly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Nobody will notice.
    Ignored,
    /// It waits; nobody needs waking.
    Blocked,
    /// It waits, and this thread should be woken to handle it.
    Wake(u32),
}

impl Signals {
    /// Sends a signal to the process (`tid` none) or one of its threads, the kernel's
    /// own or one from the same PID namespace.
    /// `ESRCH` if there is no such thread; `EAGAIN` as for
    /// [`Pending::add`].
    pub fn send(&mut self, info: &Siginfo, tid: Option<u32>) -> Result<Sent> {
        self.send_from(info, tid, info.si_code == SI_KERNEL)
    }

    /// The same; `outside` tells whether it comes from outside of the process's PID
    /// namespace.
    pub fn send_from(&mut self, info: &Siginfo, tid: Option<u32>, outside: bool) -> Result<Sent> {
        let signal = info.signal();
        if !is_signal(signal) {
            return Err(Errno::EINVAL);
        }
        self.cancel_opposites(signal);
        if self.is_shielded(signal, outside) || self.drops(signal, tid) {
            return Ok(Sent::Ignored);
        }
        match tid {
            Some(tid) => {
                let limit = self.queue_limit;
                let thread = self.thread_mut(tid)?;
                thread.pending.add(info, limit)?;
                Ok(thread.receive(signal))
            }
            None => {
                self.pending.add(info, self.queue_limit)?;
                Ok(self.receiver(signal))
            }
        }
    }

    /// Counts expirations of a timer to its signal that waits, for the process
    /// or the thread `tid`; whether there is one.
    pub fn add_overrun(&mut self, timer: i32, signal: u32, tid: Option<u32>, count: u64) -> bool {
        let pending = match tid {
            None => Some(&mut self.pending),
            Some(tid) => self.thread_mut(tid).ok().map(|thread| &mut thread.pending),
        };
        pending.is_some_and(|pending| pending.add_overrun(timer, signal, count))
    }

    /// A stop cancels a waiting `SIGCONT`, and `SIGCONT` waiting stops.
    fn cancel_opposites(&mut self, signal: u32) {
        if signal == SIGCONT || signal == SIGKILL {
            self.stopping = false;
        }
        if signal == SIGCONT {
            self.discard(SignalSet::STOPPING);
        } else if SignalSet::STOPPING.contains(signal) {
            self.discard(SignalSet::of(SIGCONT));
        }
    }

    /// Whether a process 1 is not to notice a signal, which it does not handle.
    fn is_shielded(&self, signal: u32, outside: bool) -> bool {
        let defaulted = self.action_of(signal).handler == SIG_DFL;
        self.protection != Protection::No && defaulted && !(outside && self.may_default(signal))
    }

    /// Whether a signal leaves no trace: ignored by all it could reach, and
    /// blocked by none of them, of which none is traced.
    fn drops(&self, signal: u32, tid: Option<u32>) -> bool {
        let concerned = |thread: &&ThreadSignals| tid.is_none_or(|tid| tid == thread.tid);
        let kept = |thread: &ThreadSignals| {
            thread.traced || thread.mask.contains(signal) || thread.awaited.contains(signal)
        };
        self.ignores(signal) && !self.threads.iter().filter(concerned).any(kept)
    }

    /// Which thread handles a signal of the process: the first that does not
    /// block it.
    fn receiver(&self, signal: u32) -> Sent {
        let takes = |thread: &&ThreadSignals| thread.receive(signal) != Sent::Blocked;
        self.threads
            .iter()
            .find(takes)
            .map_or(Sent::Blocked, |thread| Sent::Wake(thread.tid))
    }

    /// Makes a signal that the thread's own instruction caused certain: if
    /// it is blocked or ignored, its default comes back. `ESRCH`.
    pub fn force(&mut self, info: &Siginfo, tid: u32) -> Result<()> {
        let signal = info.signal();
        let blocked = self.thread(tid)?.mask.contains(signal);
        if blocked || self.action_of(signal).handler == SIG_IGN {
            self.actions[(signal.clamp(1, SIGMAX) - 1) as usize] = Sigaction::default();
        }
        // A fault without a handler ends even process 1: it could only
        // fault again.
        if self.action_of(signal).handler == SIG_DFL {
            self.protection = Protection::No;
        }
        let thread = self.thread_mut(tid)?;
        thread.mask = thread.mask.minus(SignalSet::of(signal));
        thread.pending.add(info, u64::MAX)
    }
}

impl ThreadSignals {
    fn receive(&self, signal: u32) -> Sent {
        let blocked = self.mask.contains(signal) && !self.awaited.contains(signal);
        if blocked {
            Sent::Blocked
        } else {
            Sent::Wake(self.tid)
        }
    }
}
