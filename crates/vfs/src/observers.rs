//! [`Observers`]: who wants to know that an open file is closed.

use crate::Result;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use paddock_sync::{PreemptOff, Rank, SpinLock, try_insert};

/// Told when the last descriptor of an open file is gone.
pub trait CloseObserver: Send + Sync {
    /// It is gone. Told once, with no lock held; may sleep.
    fn closed(&self);
}

/// The observers of one open file, by a number of their choice.
pub(crate) struct Observers(SpinLock<BTreeMap<u64, Box<dyn CloseObserver>>, PreemptOff>);

impl Observers {
    pub const fn new() -> Observers {
        Observers(SpinLock::new(Rank::Leaf, BTreeMap::new()))
    }

    pub fn add(&self, number: u64, observer: Box<dyn CloseObserver>) -> Result<()> {
        let replaced = try_insert(&mut self.0.lock(), number, observer)?;
        drop(replaced);
        Ok(())
    }

    pub fn remove(&self, number: u64) {
        let gone = self.0.lock().remove(&number);
        drop(gone);
    }

    /// Tells all, and forgets them.
    pub fn tell(&self) {
        loop {
            let first = self.0.lock().pop_first();
            match first {
                Some((_, observer)) => observer.closed(),
                None => return,
            }
        }
    }
}
