//! The threads that wait for a time.

use crate::deadlines::Deadlines;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};

/// The threads that wait for a time, on one CPU's timer: each by the index of
/// its slot, with its deadline in nanoseconds.
pub struct Sleepers<T> {
    deadlines: Deadlines,
    /// Who waits, by slot index.
    threads: Vec<Option<T>>,
}

impl<T> Sleepers<T> {
    /// Nobody waits.
    pub const fn new() -> Self {
        Sleepers {
            deadlines: Deadlines::new(),
            threads: Vec::new(),
        }
    }

    /// Makes room for threads with slot indices below `count`.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn reserve(&mut self, count: usize) -> Result<()> {
        self.deadlines.reserve(count)?;
        let more = count.saturating_sub(self.threads.len());
        self.threads.try_reserve(more).map_err(|_| Errno::ENOMEM)?;
        while self.threads.len() < count {
            self.threads.push(None);
        }
        Ok(())
    }

    /// Adds the thread with this slot index, which is not here yet and for
    /// which room was reserved.
    pub fn insert(&mut self, index: usize, thread: T, deadline: u64) {
        if let Some(slot) = self.threads.get_mut(index) {
            self.deadlines.set(index, deadline);
            *slot = Some(thread);
        }
    }

    /// Takes the thread with this slot index out, if it is still here.
    #[must_use]
    pub fn remove(&mut self, index: usize) -> Option<T> {
        self.deadlines.remove(index);
        self.threads.get_mut(index)?.take()
    }

    /// Takes out a thread whose time has come.
    pub fn pop_due(&mut self, now: u64) -> Option<T> {
        loop {
            let index = self.deadlines.pop_due(now)?;
            if let Some(thread) = self.threads.get_mut(index).and_then(Option::take) {
                return Some(thread);
            }
        }
    }

    /// The earliest time that somebody waits for; `u64::MAX` if nobody does.
    pub fn earliest(&self) -> u64 {
        self.deadlines.earliest().unwrap_or(u64::MAX)
    }
}

impl<T> Default for Sleepers<T> {
    fn default() -> Self {
        Self::new()
    }
}
