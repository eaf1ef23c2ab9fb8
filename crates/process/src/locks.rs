//! [`RangeLocks`]: advisory locks on the bytes of one file (fcntl(2),
//! flock(2)).

use alloc::vec::Vec;
use core::ops::RangeInclusive;
use paddock_abi::{Errno, Result};

/// Bytes of a file, both ends included.
pub type Bytes = RangeInclusive<u64>;

/// A lock that somebody holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock<O> {
    /// Who.
    pub owner: O,
    /// The first byte.
    pub start: u64,
    /// The last byte.
    pub end: u64,
    /// Whether it excludes all other locks, not only exclusive ones.
    pub exclusive: bool,
}

impl<O> Lock<O> {
    fn overlaps(&self, bytes: &Bytes) -> bool {
        self.start <= *bytes.end() && *bytes.start() <= self.end
    }
}

/// The locks on one file. Those of one owner never overlap.
#[derive(Debug)]
pub struct RangeLocks<O>(Vec<Lock<O>>);

impl<O> Default for RangeLocks<O> {
    fn default() -> Self {
        RangeLocks(Vec::new())
    }
}

impl<O: Clone + PartialEq> RangeLocks<O> {
    /// Whether nobody holds any.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Forgets the locks of owners that `alive` denies.
    pub fn retain(&mut self, mut alive: impl FnMut(&O) -> bool) {
        self.0.retain(|lock| alive(&lock.owner));
    }

    /// Somebody else's lock that is in the way of this one.
    pub fn conflict(&self, owner: &O, bytes: &Bytes, exclusive: bool) -> Option<&Lock<O>> {
        self.0.iter().find(|lock| {
            lock.owner != *owner && lock.overlaps(bytes) && (exclusive || lock.exclusive)
        })
    }

    /// Gives the owner a lock on these bytes in place of what it holds there,
    /// or with `None` nothing. `EAGAIN` if another's lock is in the way;
    /// `ENOMEM`. Nothing has changed then.
    pub fn set(&mut self, owner: &O, bytes: &Bytes, lock: Option<bool>) -> Result<()> {
        if lock.is_some_and(|exclusive| self.conflict(owner, bytes, exclusive).is_some()) {
            return Err(Errno::EAGAIN);
        }
        // One lock may become two, and one is added.
        self.0.try_reserve(2).map_err(|_| Errno::ENOMEM)?;
        self.clear(owner, bytes);
        if let Some(exclusive) = lock {
            let (start, end) = (*bytes.start(), *bytes.end());
            self.0.push(Lock {
                owner: owner.clone(),
                start,
                end,
                exclusive,
            });
        }
        Ok(())
    }

    /// Takes these bytes out of what the owner holds. There is room for one
    /// lock more.
    fn clear(&mut self, owner: &O, bytes: &Bytes) {
        let mut rest = None;
        for lock in self
            .0
            .iter_mut()
            .filter(|lock| lock.owner == *owner && lock.overlaps(bytes))
        {
            let after = lock.end > *bytes.end();
            match (lock.start < *bytes.start(), after) {
                (true, true) => {
                    rest = Some(Lock {
                        start: *bytes.end() + 1,
                        ..lock.clone()
                    });
                    lock.end = *bytes.start() - 1;
                }
                (true, false) => lock.end = *bytes.start() - 1,
                (false, true) => lock.start = *bytes.end() + 1,
                // Marked as holding nothing: its end is before its start.
                (false, false) => (lock.start, lock.end) = (1, 0),
            }
        }
        self.0.retain(|lock| lock.start <= lock.end);
        self.0.extend(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIZE: u64 = 12;

    /// Per byte and owner: none, shared, exclusive.
    type Model = [[Option<bool>; SIZE as usize]; 3];

    fn allowed(model: &Model, owner: usize, bytes: &Bytes, exclusive: bool) -> bool {
        let others = (0..3).filter(|&other| other != owner);
        !others
            .flat_map(|other| bytes.clone().map(move |at| model[other][at as usize]))
            .any(|held| held.is_some_and(|theirs| theirs || exclusive))
    }

    proptest! {
        #[test]
        fn behaves_as_a_map_of_bytes(
            ops in proptest::collection::vec((0usize..3, 0..SIZE, 0..SIZE, 0u8..3), 1..80)
        ) {
            let mut locks = RangeLocks::default();
            let mut model: Model = Default::default();
            for (owner, one, two, what) in ops {
                let bytes = one.min(two)..=one.max(two);
                let lock = [None, Some(false), Some(true)][what as usize];
                let fits = lock.is_none_or(|exclusive| allowed(&model, owner, &bytes, exclusive));
                let result = locks.set(&owner, &bytes, lock);
                prop_assert_eq!(result, if fits { Ok(()) } else { Err(Errno::EAGAIN) });
                if fits {
                    bytes.for_each(|at| model[owner][at as usize] = lock);
                }
                for probe in 0..SIZE {
                    let found = locks.conflict(&9, &(probe..=probe), true).is_some();
                    let held = model.iter().any(|bytes| bytes[probe as usize].is_some());
                    prop_assert_eq!(found, held);
                }
            }
            locks.retain(|&owner| owner == 9);
            prop_assert!(locks.is_empty());
        }
    }

    #[test]
    fn the_last_byte_can_be_locked() {
        let mut locks = RangeLocks::default();
        locks.set(&1, &(0..=u64::MAX), Some(true)).unwrap();
        locks.set(&1, &(5..=5), None).unwrap();
        assert!(locks.conflict(&2, &(5..=5), true).is_none());
        assert!(locks.conflict(&2, &(u64::MAX..=u64::MAX), false).is_some());
    }
}
