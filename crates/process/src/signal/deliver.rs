//! What a thread does about signals.

use super::state::Signals;
use super::{DefaultAction, SignalSet, default_action};
use crate::WaitStatus;
use paddock_abi::signal::*;

/// What a thread does next about signals, on its way to user mode.
#[derive(Clone, Copy, Debug)]
pub enum Delivery {
    /// The whole process dies.
    Terminate {
        /// The signal.
        signal: u32,
        /// Whether it is one that dumps core.
        core: bool,
    },
    /// The whole process stops, if [`Signals::take_stop`] then still says so.
    Stop(u32),
    /// A handler runs.
    Handler {
        /// How it was set up.
        action: Sigaction,
        /// What it is told.
        info: Siginfo,
        /// The mask to return to.
        old_mask: SignalSet,
    },
}

impl Signals {
    /// The next thing that the thread does about signals, or `None` if it
    /// can go on in user mode.
    pub fn next(&mut self, tid: u32) -> Option<Delivery> {
        loop {
            let info = self.take_next(tid)?;
            let delivery = self.decide(tid, &info);
            if delivery.is_some() {
                return delivery;
            }
        }
    }

    /// Takes the next signal that the thread does not block, whatever it does:
    /// for its tracer, before [`Self::decide`].
    pub fn take_next(&mut self, tid: u32) -> Option<Siginfo> {
        let (signal, info) = self.take(tid, None)?;
        if signal == SIGKILL && self.may_default(signal) {
            self.terminate(signal, false);
        }
        Some(info)
    }

    /// What the thread does about a signal that it has taken; `None` for nothing.
    pub fn decide(&mut self, tid: u32, info: &Siginfo) -> Option<Delivery> {
        let signal = info.signal();
        let action = *self.action_of(signal);
        match action.handler {
            SIG_IGN => None,
            SIG_DFL => self.default_delivery(signal),
            _ => self.handle(tid, signal, action, *info),
        }
    }

    fn default_delivery(&mut self, signal: u32) -> Option<Delivery> {
        match default_action(signal) {
            _ if !self.may_default(signal) => None,
            DefaultAction::Ignore | DefaultAction::Continue => None,
            DefaultAction::Stop => {
                self.stopping = true;
                Some(Delivery::Stop(signal))
            }
            DefaultAction::Terminate => Some(self.terminate(signal, false)),
            DefaultAction::Core => Some(self.terminate(signal, true)),
        }
    }

    /// From here on the process is known to end, so that there is no moment in
    /// which a signal that kills neither waits nor has done so.
    fn terminate(&mut self, signal: u32, core: bool) -> Delivery {
        self.set_ending(WaitStatus::Signaled {
            signal: signal as u8,
            core,
        });
        Delivery::Terminate { signal, core }
    }

    fn handle(
        &mut self,
        tid: u32,
        signal: u32,
        action: Sigaction,
        info: Siginfo,
    ) -> Option<Delivery> {
        let flags = SaFlags::from_bits_retain(action.flags);
        let thread = self.thread_mut(tid).ok()?;
        let old_mask = thread.saved_mask.take().unwrap_or(thread.mask);
        thread.mask = thread.mask.union(SignalSet(action.mask));
        if !flags.contains(SaFlags::NODEFER) {
            thread.mask = thread.mask.union(SignalSet::of(signal));
        }
        thread.mask = thread.mask.minus(SignalSet::UNBLOCKABLE);
        if flags.contains(SaFlags::RESETHAND) {
            self.actions[(signal.clamp(1, SIGMAX) - 1) as usize].handler = SIG_DFL;
        }
        Some(Delivery::Handler {
            action,
            info,
            old_mask,
        })
    }

    /// Takes a signal that waits and is not blocked, or of `wanted` even if
    /// blocked. `SIGKILL` first, then faults, then the lowest; the thread's
    /// own before the process's.
    fn take(&mut self, tid: u32, wanted: Option<SignalSet>) -> Option<(u32, Siginfo)> {
        let mask = self.thread(tid).ok()?.mask;
        let among = |set: SignalSet| match wanted {
            Some(wanted) => set.intersection(wanted),
            None => set.minus(mask),
        };
        let own = among(self.thread(tid).ok()?.pending.set());
        let shared = among(self.pending.set());
        let all = own.union(shared);
        let signal = all
            .intersection(SignalSet::of(SIGKILL))
            .first()
            .or(own.intersection(SignalSet::SYNCHRONOUS).first())
            .or(all.first())?;
        let info = match own.contains(signal) {
            true => self.thread_mut(tid).ok()?.pending.take(signal),
            false => self.pending.take(signal),
        };
        info.map(|info| (signal, info))
    }

    /// signalfd(2): takes a signal of `wanted` that waits, for the thread or its
    /// process.
    pub fn take_waiting(&mut self, tid: u32, wanted: SignalSet) -> Option<Siginfo> {
        self.take(tid, Some(wanted)).map(|(_, info)| info)
    }

    /// rt_sigtimedwait(2): takes a signal of `wanted`, or notes that the
    /// thread waits for them. [`Self::stop_awaiting`] ends that.
    pub fn await_signal(&mut self, tid: u32, wanted: SignalSet) -> Option<Siginfo> {
        let wanted = wanted.minus(SignalSet::UNBLOCKABLE);
        let taken = self.take(tid, Some(wanted));
        if let Ok(thread) = self.thread_mut(tid) {
            thread.awaited = if taken.is_some() {
                SignalSet::EMPTY
            } else {
                wanted
            };
        }
        taken.map(|(_, info)| info)
    }

    /// The thread no longer waits for signals.
    pub fn stop_awaiting(&mut self, tid: u32) {
        if let Ok(thread) = self.thread_mut(tid) {
            thread.awaited = SignalSet::EMPTY;
        }
    }
}
