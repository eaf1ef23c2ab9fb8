//! [`Pending`]: signals that wait.

use super::SignalSet;
use alloc::vec::Vec;
use paddock_abi::signal::{SI_TIMER, SI_USER, SIGRTMIN, Siginfo};
use paddock_abi::{Errno, Result};

/// Signals that wait, with what is known about each. An ordinary signal
/// waits at most once; real-time signals queue.
#[derive(Clone, Debug, Default)]
pub struct Pending {
    set: SignalSet,
    infos: Vec<Siginfo>,
}

impl Pending {
    /// None.
    pub const fn new() -> Pending {
        Pending {
            set: SignalSet::EMPTY,
            infos: Vec::new(),
        }
    }

    /// The signals that wait.
    pub fn set(&self) -> SignalSet {
        self.set
    }

    /// How many wait with details.
    pub fn len(&self) -> usize {
        self.infos.len()
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.infos.is_empty()
    }

    /// Adds a signal, if no more than `limit` with details wait. Never fails
    /// for an ordinary one, and at worst forgets its details; `EAGAIN` if too
    /// many real-time signals wait.
    pub fn add(&mut self, info: &Siginfo, limit: u64) -> Result<()> {
        let signal = info.signal();
        let queues = signal >= SIGRTMIN;
        if !queues && self.set.contains(signal) {
            return Ok(());
        }
        let room = (self.infos.len() as u64) < limit && self.infos.try_reserve(1).is_ok();
        match room {
            true => self.infos.push(*info),
            false if queues && info.si_code != SI_USER => return Err(Errno::EAGAIN),
            false => {}
        }
        self.set = self.set.union(SignalSet::of(signal));
        Ok(())
    }

    /// Counts expirations to the instance of a signal that a timer sent and
    /// that waits still; whether there is one.
    pub fn add_overrun(&mut self, timer: i32, signal: u32, count: u64) -> bool {
        let is_its = |info: &&mut Siginfo| {
            info.signal() == signal && info.si_code == SI_TIMER && info.timer_id() == timer
        };
        match self.infos.iter_mut().find(is_its) {
            Some(info) => {
                info.add_overrun(count);
                true
            }
            None => false,
        }
    }

    /// Takes out one instance of a signal that waits.
    pub fn take(&mut self, signal: u32) -> Option<Siginfo> {
        if !self.set.contains(signal) {
            return None;
        }
        let is_it = |info: &Siginfo| info.signal() == signal;
        let info = self
            .infos
            .iter()
            .position(is_it)
            .map(|at| self.infos.remove(at));
        if !self.infos.iter().any(is_it) {
            self.set = self.set.minus(SignalSet::of(signal));
        }
        Some(info.unwrap_or_else(|| Siginfo::from_process(signal, SI_USER, 0, 0)))
    }

    /// Forgets all instances of these signals.
    pub fn discard(&mut self, signals: SignalSet) {
        if !self.set.intersection(signals).is_empty() {
            self.set = self.set.minus(signals);
            self.infos.retain(|info| !signals.contains(info.signal()));
        }
    }
}
