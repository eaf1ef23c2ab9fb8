//! [`RangeLocks`]: the locks on the bytes of one file. What a call costs grows with
//! the logarithm of how many there are, and with those within its own bytes.

use alloc::collections::{BTreeMap, BTreeSet};
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

/// Bytes that the same owners have locked in the same way.
#[derive(Debug)]
struct Segment<O> {
    end: u64,
    /// Then there is one owner.
    exclusive: bool,
    owners: BTreeSet<O>,
}

/// The locks on one file. Those of one owner never overlap.
#[derive(Debug)]
pub struct RangeLocks<O> {
    /// By owner and first byte: the last byte, and whether it is exclusive.
    own: BTreeMap<(O, u64), (u64, bool)>,
    /// Who holds which bytes, by the first of them. They never overlap.
    segments: BTreeMap<u64, Segment<O>>,
}

/// Puts an entry where memory has been asked for: [`RangeLocks::set`] has.
#[allow(
    clippy::disallowed_methods,
    reason = "small: a caller has asked may_allocate, and the heap keeps a reserve for such"
)]
fn put<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: V) {
    map.insert(key, value);
}

/// The same, for an owner of a segment.
#[allow(
    clippy::disallowed_methods,
    reason = "small: a caller has asked may_allocate, and the heap keeps a reserve for such"
)]
fn put_owner<O: Ord>(segment: &mut Segment<O>, owner: O) {
    segment.owners.insert(owner);
}

impl<O> Default for RangeLocks<O> {
    fn default() -> Self {
        RangeLocks {
            own: BTreeMap::new(),
            segments: BTreeMap::new(),
        }
    }
}

impl<O: Copy + Ord> RangeLocks<O> {
    /// Whether nobody holds any.
    pub fn is_empty(&self) -> bool {
        self.own.is_empty()
    }

    /// Whether the owner holds any.
    pub fn has(&self, owner: O) -> bool {
        self.own
            .range((owner, 0)..=(owner, u64::MAX))
            .next()
            .is_some()
    }

    /// Somebody else's lock that is in the way of this one.
    pub fn conflict(&self, owner: O, bytes: &Bytes, exclusive: bool) -> Option<Lock<O>> {
        let mut from = *bytes.start();
        loop {
            let (start, segment) = self.segment_from(from, *bytes.end())?;
            let other = segment.owners.iter().find(|&&other| other != owner);
            if let Some(&other) = other.filter(|_| exclusive || segment.exclusive) {
                return self.lock_at(other, start);
            }
            from = segment.end.checked_add(1)?;
        }
    }

    /// The first segment with a byte at or after `from` that begins by `end`.
    fn segment_from(&self, from: u64, end: u64) -> Option<(u64, &Segment<O>)> {
        if from > end {
            return None;
        }
        let before = self.segments.range(..=from).next_back();
        let (&start, segment) = before
            .filter(|(_, segment)| segment.end >= from)
            .or_else(|| self.segments.range(from..=end).next())?;
        Some((start, segment))
    }

    /// The owner's lock that holds this byte.
    fn lock_at(&self, owner: O, byte: u64) -> Option<Lock<O>> {
        let mut before = self.own.range((owner, 0)..=(owner, byte));
        let (&(_, start), &(end, exclusive)) = before.next_back()?;
        (end >= byte).then_some(Lock {
            owner,
            start,
            end,
            exclusive,
        })
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
        if self.holds_exactly(owner, bytes) {
            return self.change(owner, bytes, lock);
        }
        let free = self.is_free(bytes);
        if free && lock.is_none() {
            return Ok(());
        }
        let stopped = |exclusive| self.conflict(owner, bytes, exclusive).is_some();
        if !free && lock.is_some_and(stopped) {
            return Err(Errno::EAGAIN);
        }
        if self.own.len() >= MAX_LOCKS && (lock.is_some() || self.divides(owner, bytes)) {
            return Err(Errno::ENOLCK);
        }
        paddock_sync::may_allocate()?;
        if !free {
            self.clear(owner, bytes);
        }
        if let Some(exclusive) = lock {
            put(
                &mut self.own,
                (owner, *bytes.start()),
                (*bytes.end(), exclusive),
            );
            match free {
                true => self.fill(owner, bytes, exclusive),
                false => self.cover(owner, bytes, exclusive),
            }
        }
        Ok(())
    }

    /// Whether nobody holds any of these bytes.
    fn is_free(&self, bytes: &Bytes) -> bool {
        let before = self.segments.range(..=*bytes.end()).next_back();
        before.is_none_or(|(_, segment)| segment.end < *bytes.start())
    }

    /// Whether the owner has a lock on these bytes and no others, and nobody else has
    /// one on any of them.
    fn holds_exactly(&self, owner: O, bytes: &Bytes) -> bool {
        let (start, end) = (*bytes.start(), *bytes.end());
        let alone = |segment: &Segment<O>| {
            segment.end == end && segment.owners.len() == 1 && segment.owners.contains(&owner)
        };
        self.segments.get(&start).is_some_and(alone)
            && self
                .own
                .get(&(owner, start))
                .is_some_and(|&(last, _)| last == end)
    }

    /// Changes a lock that is held exactly so, and by nobody else. Needs no memory.
    fn change(&mut self, owner: O, bytes: &Bytes, lock: Option<bool>) -> Result<()> {
        let (start, end) = (*bytes.start(), *bytes.end());
        match lock {
            None => {
                self.segments.remove(&start);
                self.own.remove(&(owner, start));
            }
            Some(exclusive) => {
                if let Some(segment) = self.segments.get_mut(&start) {
                    segment.exclusive = exclusive;
                }
                if let Some(own) = self.own.get_mut(&(owner, start)) {
                    *own = (end, exclusive);
                }
                self.join_around(bytes);
            }
        }
        Ok(())
    }

    /// Makes the owner that of bytes that are free.
    fn fill(&mut self, owner: O, bytes: &Bytes, exclusive: bool) {
        let segment = Segment {
            end: *bytes.end(),
            exclusive,
            owners: BTreeSet::from([owner]),
        };
        put(&mut self.segments, *bytes.start(), segment);
        self.join_around(bytes);
    }

    /// Whether the owner holds bytes on both sides of these by one lock.
    fn divides(&self, owner: O, bytes: &Bytes) -> bool {
        self.lock_at(owner, *bytes.start())
            .is_some_and(|lock| lock.start < *bytes.start() && lock.end > *bytes.end())
    }

    /// Takes all away that the owner holds.
    pub fn release(&mut self, owner: O) {
        self.clear(owner, &(0..=u64::MAX));
    }

    /// Takes these bytes out of what the owner holds.
    fn clear(&mut self, owner: O, bytes: &Bytes) {
        while let Some(lock) = self.own_overlap(owner, bytes) {
            self.own.remove(&(owner, lock.start));
            let (first, last) = (lock.start.max(*bytes.start()), lock.end.min(*bytes.end()));
            if lock.start < first {
                put(
                    &mut self.own,
                    (owner, lock.start),
                    (first - 1, lock.exclusive),
                );
            }
            if lock.end > last {
                put(&mut self.own, (owner, last + 1), (lock.end, lock.exclusive));
            }
            self.uncover(owner, &(first..=last));
        }
    }

    fn own_overlap(&self, owner: O, bytes: &Bytes) -> Option<Lock<O>> {
        self.lock_at(owner, *bytes.start()).or_else(|| {
            let mut inside = self
                .own
                .range((owner, *bytes.start())..=(owner, *bytes.end()));
            let (&(_, start), &(end, exclusive)) = inside.next()?;
            Some(Lock {
                owner,
                start,
                end,
                exclusive,
            })
        })
    }

    /// Has a segment begin at `at`, if one holds it.
    fn split(&mut self, at: u64) {
        let Some((&start, segment)) = self.segments.range_mut(..at).next_back() else {
            return;
        };
        if segment.end < at {
            return;
        }
        let rest = Segment {
            end: segment.end,
            exclusive: segment.exclusive,
            owners: segment.owners.clone(),
        };
        debug_assert!(start < at);
        segment.end = at - 1;
        put(&mut self.segments, at, rest);
    }

    fn split_around(&mut self, bytes: &Bytes) {
        self.split(*bytes.start());
        if let Some(after) = bytes.end().checked_add(1) {
            self.split(after);
        }
    }

    /// Adds the owner to all of these bytes, of which it holds none.
    fn cover(&mut self, owner: O, bytes: &Bytes, exclusive: bool) {
        self.split_around(bytes);
        let mut from = *bytes.start();
        loop {
            let next = self.segments.range(from..=*bytes.end()).next();
            let gap_end = next.map_or(*bytes.end(), |(&start, _)| start.wrapping_sub(1));
            if next.is_none_or(|(&start, _)| start > from) {
                let segment = Segment {
                    end: gap_end,
                    exclusive,
                    owners: BTreeSet::from([owner]),
                };
                put(&mut self.segments, from, segment);
            } else if let Some(segment) = self.segments.get_mut(&from) {
                put_owner(segment, owner);
            }
            let end = self
                .segments
                .get(&from)
                .map_or(u64::MAX, |segment| segment.end);
            match end.checked_add(1).filter(|next| next <= bytes.end()) {
                Some(next) => from = next,
                None => break,
            }
        }
        self.join_around(bytes);
    }

    /// Takes the owner off all of these bytes.
    fn uncover(&mut self, owner: O, bytes: &Bytes) {
        self.split_around(bytes);
        let mut from = *bytes.start();
        while let Some((&start, segment)) = self.segments.range_mut(from..=*bytes.end()).next() {
            let end = segment.end;
            segment.owners.remove(&owner);
            if segment.owners.is_empty() {
                self.segments.remove(&start);
            }
            match end.checked_add(1).filter(|next| next <= bytes.end()) {
                Some(next) => from = next,
                None => break,
            }
        }
        self.join_around(bytes);
    }

    /// Makes one of two neighbours that are alike, at both ends of these bytes: what
    /// was split does not stay so.
    fn join_around(&mut self, bytes: &Bytes) {
        self.join(*bytes.start());
        if let Some(after) = bytes.end().checked_add(1) {
            self.join(after);
        }
    }

    fn join(&mut self, at: u64) {
        let Some(last) = at.checked_sub(1) else {
            return;
        };
        let mut around = self.segments.range(..=at).rev();
        let (Some((&second, after)), Some((&start, before))) = (around.next(), around.next())
        else {
            return;
        };
        if second != at {
            return;
        }
        let alike = before.end == last
            && before.exclusive == after.exclusive
            && before.owners == after.owners;
        if !alike {
            return;
        }
        let end = after.end;
        self.segments.remove(&at);
        if let Some(segment) = self.segments.get_mut(&start) {
            segment.end = end;
        }
    }

    /// How many segments there are.
    #[cfg(test)]
    pub(super) fn segments(&self) -> usize {
        self.segments.len()
    }
}
