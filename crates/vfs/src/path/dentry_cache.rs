//! [`DentryCache`]: keeps the dentries that were used last alive.

use super::clock::{Chunk, Clock};
use super::dentry::Dentry;
use crate::{Errno, Result};
use alloc::sync::Arc;
use paddock_sync::{PreemptOff, Rank, SpinLock};

/// Dentries that are looked at for one to let go of, at most.
const MOST_LOOKED_AT: usize = 64;

/// Keeps the dentries that were used last alive.
pub(super) struct DentryCache {
    most: usize,
    kept: SpinLock<Clock<Arc<Dentry>>, PreemptOff>,
}

impl DentryCache {
    /// One for about `most` dentries. `ENOMEM`.
    pub fn new(most: usize) -> Result<DentryCache> {
        let kept = Clock::new(most).ok_or(Errno::ENOMEM)?;
        Ok(DentryCache {
            most,
            kept: SpinLock::new(Rank::Leaf, kept),
        })
    }

    /// Keeps `dentry` for a while, if there is memory for that.
    pub fn add(&self, dentry: &Arc<Dentry>) {
        let mut kept = self.kept.lock();
        let mut spare = None;
        if kept.wants_chunk() {
            drop(kept);
            spare = Chunk::new();
            kept = self.kept.lock();
            spare = spare.and_then(|chunk| kept.grow(chunk));
        }
        let evicted = match kept.is_full() {
            true => kept.evict(MOST_LOOKED_AT, |dentry| dentry.take_used()),
            false => None,
        };
        let inserted = kept.insert(dentry.clone());
        if let Ok(slot) = inserted {
            dentry.set_cache_slot(slot);
        }
        drop(kept);
        drop((spare, evicted, inserted));
    }

    /// No longer keeps `dentry`.
    pub fn remove(&self, dentry: &Dentry) {
        let is_it = |kept: &Arc<Dentry>| core::ptr::eq(&raw const **kept, dentry);
        let removed = self.kept.lock().remove(dentry.cache_slot(), is_it);
        drop(removed);
    }

    /// Lets go of up to `count`, of those first that were not used lately; of how many.
    pub fn shrink(&self, count: usize) -> usize {
        // Where there are few of them, there may be none where the hand looks.
        let tries = count + self.most / MOST_LOOKED_AT + 1;
        let evicted = (0..tries).filter(|_| {
            let mut kept = self.kept.lock();
            let evicted = kept.evict(MOST_LOOKED_AT, |dentry| dentry.take_used());
            drop(kept);
            evicted.is_some()
        });
        evicted.take(count).count()
    }

    /// No longer keeps anything of the filesystem `fs`.
    pub fn purge(&self, fs: u64) {
        let mut at = Some(0);
        while let Some(from) = at {
            let mut kept = self.kept.lock();
            let (found, next) = kept.take(from, |dentry| dentry.fs() == fs);
            drop(kept);
            drop(found);
            at = next;
        }
    }

    /// No longer keeps anything, and gives its memory back.
    pub fn clear(&self) {
        match Clock::new(self.most) {
            Some(empty) => {
                let all = core::mem::replace(&mut *self.kept.lock(), empty);
                drop(all);
            }
            // It is so short that there is no memory for an empty one.
            None => while self.shrink(MOST_LOOKED_AT) > 0 {},
        }
    }
}
