//! [`RangeLocks`]: the locks on the bytes of one file.

use super::tree::LockTree;
use core::ops::RangeInclusive;
use paddock_abi::{Errno, Result};

/// The most locks that there may be on a file: what is done to all of one owner's is
/// done in one go.
pub const MAX_LOCKS: usize = 10_000;

/// Bytes of a file, both ends included.
pub type Bytes = RangeInclusive<u64>;

/// A lock that somebody holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

impl<O: Copy + Ord> Lock<O> {
    fn bytes(&self) -> Bytes {
        self.start..=self.end
    }

    fn overlaps(&self, bytes: &Bytes) -> bool {
        self.start <= *bytes.end() && *bytes.start() <= self.end
    }

    /// Whether a lock of this owner on these bytes has to wait for this one.
    fn excludes(&self, owner: O, bytes: &Bytes, exclusive: bool) -> bool {
        self.owner != owner && (exclusive || self.exclusive) && self.overlaps(bytes)
    }
}

/// The locks on one file. Those of one owner never overlap.
///
/// Most locks are let go before the next is taken. So the newest is kept apart, if
/// nobody else holds any of its bytes: it is taken with one look at the others, and
/// let go without any.
#[derive(Debug)]
pub struct RangeLocks<O> {
    /// No other lock has any of its bytes.
    newest: Option<Lock<O>>,
    others: LockTree<O>,
}

impl<O> Default for RangeLocks<O> {
    fn default() -> Self {
        RangeLocks {
            newest: None,
            others: LockTree::default(),
        }
    }
}

impl<O: Copy + Ord> RangeLocks<O> {
    /// Whether nobody holds any.
    pub fn is_empty(&self) -> bool {
        self.newest.is_none() && self.others.is_empty()
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = Lock<O>> {
        self.newest.into_iter().chain(self.others.all())
    }

    /// Whether the owner holds any.
    pub fn has(&self, owner: O) -> bool {
        self.newest.is_some_and(|newest| newest.owner == owner) || self.others.has(owner)
    }

    /// The first lock of somebody else that is in the way of this one.
    pub fn conflict(&self, owner: O, bytes: &Bytes, exclusive: bool) -> Option<Lock<O>> {
        let newest = self
            .newest
            .filter(|newest| newest.excludes(owner, bytes, exclusive));
        let other = self.others.conflict(owner, bytes, exclusive);
        [newest, other]
            .into_iter()
            .flatten()
            .min_by_key(|lock| lock.start)
    }

    /// Gives the owner a lock on these bytes in place of what it holds there,
    /// or with `None` nothing.
    ///
    /// # Errors
    /// `EAGAIN` if another's lock is in the way; `ENOMEM`; `ENOLCK` above
    /// [`MAX_LOCKS`]; `EINVAL` for no bytes at all. Nothing has changed then.
    pub fn set(&mut self, owner: O, bytes: &Bytes, lock: Option<bool>) -> Result<()> {
        if bytes.is_empty() {
            return Err(Errno::EINVAL);
        }
        let wanted = lock.map(|exclusive| Lock {
            owner,
            start: *bytes.start(),
            end: *bytes.end(),
            exclusive,
        });
        let joins = lock.is_some_and(|exclusive| self.joins(owner, bytes, exclusive));
        match self.newest {
            Some(newest) if newest.owner == owner && newest.bytes() == *bytes && !joins => {
                self.newest = wanted;
                return Ok(());
            }
            Some(newest) if lock.is_some_and(|wish| newest.excludes(owner, bytes, wish)) => {
                return Err(Errno::EAGAIN);
            }
            Some(newest) if newest.overlaps(bytes) => {}
            _ if self.others.is_free(bytes) && !joins => return self.replace_newest(wanted),
            _ => {}
        }
        self.put_newest_to_others()?;
        self.others.set(owner, bytes, lock)
    }

    /// Whether such a lock would be one with another of its owner's.
    fn joins(&self, owner: O, bytes: &Bytes, exclusive: bool) -> bool {
        let beside = |newest: Lock<O>| {
            newest.owner == owner
                && newest.exclusive == exclusive
                && (newest.end.checked_add(1) == Some(*bytes.start())
                    || bytes.end().checked_add(1) == Some(newest.start))
        };
        self.newest.is_some_and(beside) || self.others.touches(owner, bytes, exclusive)
    }

    /// A lock on bytes that nobody holds, or none.
    fn replace_newest(&mut self, wanted: Option<Lock<O>>) -> Result<()> {
        if wanted.is_none() {
            return Ok(());
        }
        if self.others.len() + usize::from(self.newest.is_some()) >= MAX_LOCKS {
            return Err(Errno::ENOLCK);
        }
        self.put_newest_to_others()?;
        self.newest = wanted;
        Ok(())
    }

    fn put_newest_to_others(&mut self) -> Result<()> {
        if let Some(newest) = self.newest {
            let exclusive = Some(newest.exclusive);
            self.others.set(newest.owner, &newest.bytes(), exclusive)?;
            self.newest = None;
        }
        Ok(())
    }

    /// Takes all away that the owner holds.
    pub fn release(&mut self, owner: O) {
        self.newest = self.newest.filter(|newest| newest.owner != owner);
        self.others.release(owner);
    }

    /// How many segments the tree has.
    #[cfg(test)]
    pub(super) fn segments(&self) -> usize {
        self.others.segments()
    }
}
