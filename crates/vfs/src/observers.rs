//! [`Observers`]: who wants to know that an open file is closed.

use crate::Result;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::sync::atomic::{AtomicBool, Ordering::SeqCst};
use paddock_sync::{PreemptOff, Rank, SpinLock, try_insert};

/// Told when the last descriptor of an open file is gone.
pub trait CloseObserver: Send + Sync {
    /// It is gone. Told once, with no lock held; may sleep.
    fn closed(&self);
}

/// The observers of one open file, by a number of their choice.
pub(crate) struct Observers {
    all: SpinLock<BTreeMap<u64, Box<dyn CloseObserver>>, PreemptOff>,
    /// Whether there was ever one.
    is_any: AtomicBool,
}

impl Observers {
    pub const fn new() -> Observers {
        Observers {
            all: SpinLock::new(Rank::Leaf, BTreeMap::new()),
            is_any: AtomicBool::new(false),
        }
    }

    pub fn add(&self, number: u64, observer: Box<dyn CloseObserver>) -> Result<()> {
        self.is_any.store(true, SeqCst);
        let replaced = try_insert(&mut self.all.lock(), number, observer)?;
        drop(replaced);
        Ok(())
    }

    pub fn remove(&self, number: u64) {
        let gone = self.all.lock().remove(&number);
        drop(gone);
    }

    /// Tells all, and forgets them.
    pub fn tell(&self) {
        while self.is_any.load(SeqCst) {
            let first = self.all.lock().pop_first();
            match first {
                Some((_, observer)) => observer.closed(),
                None => return,
            }
        }
    }
}
