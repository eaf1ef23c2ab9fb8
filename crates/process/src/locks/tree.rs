//! [`LockTree`]: locks on the bytes of one file. What a call costs grows with the
//! logarithm of how many there are, and with those within its own bytes.

use super::owners::Owners;
use super::ranges::{Bytes, Lock, MAX_LOCKS};
use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use paddock_abi::{Errno, Result};

/// Bytes that the same owners have locked in the same way.
#[derive(Debug)]
struct Segment<O> {
    end: u64,
    /// Then there is one owner.
    exclusive: bool,
    owners: Owners<O>,
}

/// Locks on one file. Those of one owner never overlap.
#[derive(Debug)]
pub(super) struct LockTree<O> {
    /// By owner and first byte: the last byte, and whether it is exclusive.
    own: BTreeMap<(O, u64), (u64, bool)>,
    /// How many of these each owner has.
    counts: BTreeMap<O, usize>,
    /// Who holds which bytes, by the first of them. They never overlap.
    segments: BTreeMap<u64, Segment<O>>,
}

/// Puts an entry where memory has been asked for: [`LockTree::set`] has.
#[allow(
    clippy::disallowed_methods,
    reason = "small: a caller has asked may_allocate, and the heap keeps a reserve for such"
)]
fn put<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: V) {
    map.insert(key, value);
}

impl<O> Default for LockTree<O> {
    fn default() -> Self {
        LockTree {
            own: BTreeMap::new(),
            counts: BTreeMap::new(),
            segments: BTreeMap::new(),
        }
    }
}

impl<O: Copy + Ord> LockTree<O> {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.own.len()
    }

    /// Whether nobody holds any of these bytes.
    pub(super) fn is_free(&self, bytes: &Bytes) -> bool {
        let last = self.segments.range(..=*bytes.end()).next_back();
        last.is_none_or(|(_, last)| last.end < *bytes.start())
    }

    /// Whether nobody holds any.
    pub(super) fn is_empty(&self) -> bool {
        self.own.is_empty()
    }

    /// All of them, by owner and first byte.
    pub(super) fn all(&self) -> impl Iterator<Item = Lock<O>> {
        let lock = |(&(owner, start), &(end, exclusive)): (&(O, u64), &(u64, bool))| Lock {
            owner,
            start,
            end,
            exclusive,
        };
        self.own.iter().map(lock)
    }

    /// Whether the owner holds any.
    pub(super) fn has(&self, owner: O) -> bool {
        self.counts.contains_key(&owner)
    }

    /// The owner has a lock more.
    #[allow(
        clippy::disallowed_methods,
        reason = "small: a caller has asked may_allocate, and the heap keeps a reserve for such"
    )]
    fn put_own(&mut self, owner: O, start: u64, lock: (u64, bool)) {
        if self.own.insert((owner, start), lock).is_none() {
            *self.counts.entry(owner).or_default() += 1;
        }
    }

    /// The owner has the lock no more that begins at `start`, if there is one.
    fn take_own(&mut self, owner: O, start: u64) {
        if self.own.remove(&(owner, start)).is_some()
            && let Entry::Occupied(mut count) = self.counts.entry(owner)
        {
            match *count.get() {
                1 => drop(count.remove()),
                _ => *count.get_mut() -= 1,
            }
        }
    }

    /// Somebody else's lock that is in the way of this one.
    pub(super) fn conflict(&self, owner: O, bytes: &Bytes, exclusive: bool) -> Option<Lock<O>> {
        let mut from = *bytes.start();
        loop {
            let (start, segment) = self.segment_from(from, *bytes.end())?;
            let other = segment.owners.other_than(owner);
            if let Some(other) = other.filter(|_| exclusive || segment.exclusive) {
                return self.lock_at(other, start.max(from));
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

    /// The owner's locks of one kind that end right before these bytes, and that begin
    /// right after them.
    fn neighbours(
        &self,
        owner: O,
        bytes: &Bytes,
        exclusive: bool,
    ) -> (Option<Lock<O>>, Option<Lock<O>>) {
        let alike = |byte: Option<u64>| {
            self.lock_at(owner, byte?)
                .filter(|lock| lock.exclusive == exclusive)
        };
        let (first, last) = (*bytes.start(), *bytes.end());
        (alike(first.checked_sub(1)), alike(last.checked_add(1)))
    }

    /// Whether a lock of the owner's on these bytes would be one with another.
    pub(super) fn touches(&self, owner: O, bytes: &Bytes, exclusive: bool) -> bool {
        let (before, after) = self.neighbours(owner, bytes, exclusive);
        before.is_some() || after.is_some()
    }

    /// The owner has a lock on these bytes, and one with its neighbours of that kind. Needs
    /// no memory if one begins there already.
    fn put_joined(&mut self, owner: O, bytes: &Bytes, exclusive: bool) {
        let (before, after) = self.neighbours(owner, bytes, exclusive);
        let start = before.map_or(*bytes.start(), |lock| lock.start);
        let end = after.map_or(*bytes.end(), |lock| lock.end);
        self.put_own(owner, start, (end, exclusive));
        if before.is_some() {
            self.take_own(owner, *bytes.start());
        }
        if let Some(after) = after {
            self.take_own(owner, after.start);
        }
    }

    /// Gives the owner a lock on these bytes in place of what it holds there,
    /// or with `None` nothing.
    ///
    /// # Errors
    /// `EAGAIN` if another's lock is in the way; `ENOMEM`; `ENOLCK` above
    /// [`MAX_LOCKS`]. Nothing has changed then.
    pub(super) fn set(&mut self, owner: O, bytes: &Bytes, lock: Option<bool>) -> Result<()> {
        debug_assert!(!bytes.is_empty(), "no bytes at all");
        // Whether nobody holds any of these bytes, and whether somebody does the one before.
        let (free, follows) = match self.segments.range(..=*bytes.end()).next_back() {
            Some((_, last)) if last.end < *bytes.start() => (true, last.end + 1 == *bytes.start()),
            Some((start, last)) if self.is_exactly(owner, bytes, *start, last) => {
                return self.change(owner, bytes, lock);
            }
            Some(_) => (false, true),
            None => (true, false),
        };
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
            self.put_joined(owner, bytes, exclusive);
            match free {
                true => self.fill(owner, bytes, exclusive, follows),
                false => self.cover(owner, bytes, exclusive),
            }
        }
        Ok(())
    }

    /// Whether these bytes are one segment, of this owner alone, and its whole lock.
    fn is_exactly(&self, owner: O, bytes: &Bytes, start: u64, segment: &Segment<O>) -> bool {
        (start, segment.end) == (*bytes.start(), *bytes.end())
            && segment.owners == Owners::One(owner)
            && self
                .own
                .get(&(owner, start))
                .is_some_and(|&(last, _)| last == segment.end)
    }

    /// Changes a lock that is held exactly so, and by nobody else. Needs no memory.
    fn change(&mut self, owner: O, bytes: &Bytes, lock: Option<bool>) -> Result<()> {
        let start = *bytes.start();
        match lock {
            None => {
                self.segments.remove(&start);
                self.take_own(owner, start);
            }
            Some(exclusive) => {
                if let Some(segment) = self.segments.get_mut(&start) {
                    segment.exclusive = exclusive;
                }
                self.put_joined(owner, bytes, exclusive);
                self.join_around(bytes);
            }
        }
        Ok(())
    }

    /// Makes the owner that of bytes that are free; `follows` if the one before is not.
    fn fill(&mut self, owner: O, bytes: &Bytes, exclusive: bool, follows: bool) {
        let segment = Segment {
            end: *bytes.end(),
            exclusive,
            owners: Owners::One(owner),
        };
        put(&mut self.segments, *bytes.start(), segment);
        if follows {
            self.join(*bytes.start());
        }
        self.join_after(bytes);
    }

    /// Whether the owner holds bytes on both sides of these by one lock.
    fn divides(&self, owner: O, bytes: &Bytes) -> bool {
        self.lock_at(owner, *bytes.start())
            .is_some_and(|lock| lock.start < *bytes.start() && lock.end > *bytes.end())
    }

    /// Takes all away that the owner holds.
    pub(super) fn release(&mut self, owner: O) {
        self.clear(owner, &(0..=u64::MAX));
    }

    /// Takes these bytes out of what the owner holds.
    fn clear(&mut self, owner: O, bytes: &Bytes) {
        while let Some(lock) = self.own_overlap(owner, bytes) {
            self.take_own(owner, lock.start);
            let (first, last) = (lock.start.max(*bytes.start()), lock.end.min(*bytes.end()));
            if lock.start < first {
                self.put_own(owner, lock.start, (first - 1, lock.exclusive));
            }
            if lock.end > last {
                self.put_own(owner, last + 1, (lock.end, lock.exclusive));
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
                    owners: Owners::One(owner),
                };
                put(&mut self.segments, from, segment);
            } else if let Some(segment) = self.segments.get_mut(&from) {
                segment.owners.insert(owner);
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
            if segment.owners.remove(owner) {
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
        self.join_after(bytes);
    }

    fn join_after(&mut self, bytes: &Bytes) {
        if let Some(after) = bytes.end().checked_add(1) {
            self.join(after);
        }
    }

    fn join(&mut self, at: u64) {
        let Some(last) = at.checked_sub(1) else {
            return;
        };
        let Some(after) = self.segments.get(&at) else {
            return;
        };
        let Some((&start, before)) = self.segments.range(..at).next_back() else {
            return;
        };
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
