//! The locks that one thread holds, and the check of their order.
//!
//! A lock may be taken if its rank comes after the highest rank held, so one
//! byte (`top`) decides; each entry remembers the byte from before it.

use crate::Rank;
use crate::meta::{LockMeta, LockRecord};
use core::panic::Location;
use core::ptr;
use core::sync::atomic::Ordering::{self, Relaxed};
use core::sync::atomic::{AtomicPtr, AtomicU16, AtomicU32, compiler_fence};

/// How many locks one thread may hold at once.
pub(crate) const MAX_HELD: usize = 16;

const COUNT_MASK: u32 = 0xff;
const TOP_SHIFT: u32 = 8;

/// A rank as `top` has it: zero is for no lock at all.
const fn height(rank: Rank) -> u32 {
    rank as u32 + 1
}

/// What `top` must be below for a lock of this rank to be taken.
pub(crate) const fn limit(rank: Rank) -> u8 {
    height(rank) as u8 + rank.nests() as u8
}

#[derive(Debug)]
struct Entry {
    /// Which lock. Only the holder itself may look into it.
    lock: AtomicPtr<LockMeta>,
    taken_at: AtomicPtr<Location<'static>>,
    made_at: AtomicPtr<Location<'static>>,
    /// The lock's height, and in the upper byte the top before it.
    heights: AtomicU16,
}

impl Entry {
    const fn new() -> Self {
        Entry {
            lock: AtomicPtr::new(ptr::null_mut()),
            taken_at: AtomicPtr::new(ptr::null_mut()),
            made_at: AtomicPtr::new(ptr::null_mut()),
            heights: AtomicU16::new(0),
        }
    }

    fn copy(&self, other: &Entry) {
        self.lock.store(other.lock.load(Relaxed), Relaxed);
        self.taken_at.store(other.taken_at.load(Relaxed), Relaxed);
        self.made_at.store(other.made_at.load(Relaxed), Relaxed);
        self.heights.store(other.heights.load(Relaxed), Relaxed);
    }

    /// Any thread may ask: the entry points only at what is there for ever.
    fn record(&self) -> Option<LockRecord> {
        let rank = Rank::from_u8((self.heights.load(Relaxed) as u8).checked_sub(1)?)?;
        // SAFETY: only ever set from `&'static Location`s.
        let (made_at, taken_at) = unsafe {
            (
                self.made_at.load(Relaxed).as_ref()?,
                self.taken_at.load(Relaxed).as_ref(),
            )
        };
        Some(LockRecord {
            address: self.lock.load(Relaxed).addr(),
            rank,
            made_at,
            taken_at,
            holder: ptr::null(),
        })
    }
}

/// The locks one thread holds, in the order in which it took them.
///
/// Written by that thread, and by interrupts on its CPU, which take out again
/// what they put in. Others may read it at any time.
#[derive(Debug)]
pub(crate) struct Held {
    /// How many, and above [`TOP_SHIFT`] the height of the highest.
    state: AtomicU32,
    entries: [Entry; MAX_HELD],
}

impl Held {
    pub(crate) const fn new() -> Self {
        Held {
            state: AtomicU32::new(0),
            entries: [const { Entry::new() }; MAX_HELD],
        }
    }

    pub(crate) fn count(&self) -> usize {
        (self.state.load(Relaxed) & COUNT_MASK) as usize
    }

    /// Whether the order allows taking this lock now.
    #[inline(always)]
    pub(crate) fn allows(&self, lock: &LockMeta) -> bool {
        self.state.load(Relaxed) >> TOP_SHIFT < u32::from(lock.limit())
    }

    /// False if there is no room; the lock is counted, but not shown.
    #[inline(always)]
    pub(crate) fn push(&self, lock: &LockMeta, at: &'static Location<'static>) -> bool {
        let state = self.state.load(Relaxed);
        let (count, top) = (state & COUNT_MASK, state >> TOP_SHIFT);
        let height = height(lock.rank());
        // Counted first: an interrupt between here and the end must not use
        // the same entry.
        self.set(count + 1, top.max(height));
        compiler_fence(Ordering::SeqCst);
        let entry = self.entries.get(count as usize);
        if let Some(entry) = entry {
            let heights = (height | top << TOP_SHIFT) as u16;
            entry.heights.store(heights, Relaxed);
            entry.lock.store(ptr::from_ref(lock).cast_mut(), Relaxed);
            entry.taken_at.store(ptr::from_ref(at).cast_mut(), Relaxed);
            let made_at = ptr::from_ref(lock.made_at());
            entry.made_at.store(made_at.cast_mut(), Relaxed);
        }
        entry.is_some()
    }

    #[inline(always)]
    pub(crate) fn pop(&self, lock: &LockMeta) {
        let count = self.count();
        let last = count.wrapping_sub(1);
        match self.entries.get(last) {
            Some(entry) if ptr::eq(entry.lock.load(Relaxed), lock) => {
                let before = entry.heights.load(Relaxed) >> TOP_SHIFT;
                self.set(last as u32, u32::from(before));
            }
            _ => self.pop_inner(lock),
        }
    }

    /// Takes out a lock that is not the last one taken.
    #[cold]
    fn pop_inner(&self, lock: &LockMeta) {
        let count = self.count();
        let entries = &self.entries[..count.min(MAX_HELD)];
        if let Some(found) = entries
            .iter()
            .rposition(|entry| ptr::eq(entry.lock.load(Relaxed), lock))
        {
            for pair in entries[found..].windows(2) {
                pair[0].copy(&pair[1]);
            }
        }
        let left = count.saturating_sub(1);
        let mut top = 0;
        for entry in &self.entries[..left.min(MAX_HELD)] {
            let height = entry.heights.load(Relaxed) & COUNT_MASK as u16;
            entry.heights.store(height | top << TOP_SHIFT, Relaxed);
            top = top.max(height);
        }
        self.set(left as u32, u32::from(top));
    }

    fn set(&self, count: u32, top: u32) {
        self.state.store(count | top << TOP_SHIFT, Relaxed);
    }

    /// For reports, by any thread.
    pub(crate) fn records(&self) -> impl Iterator<Item = LockRecord> {
        let count = self.count().min(MAX_HELD);
        self.entries[..count].iter().filter_map(Entry::record)
    }

    /// The locks themselves: for the holder alone, to which they are lent by
    /// its guards.
    pub(crate) fn locks(&self) -> impl Iterator<Item = *const LockMeta> {
        let count = self.count().min(MAX_HELD);
        self.entries[..count]
            .iter()
            .map(|entry| entry.lock.load(Relaxed).cast_const())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(rank: Rank) -> LockMeta {
        LockMeta::new(rank, Location::caller())
    }

    fn top(held: &Held) -> u32 {
        held.state.load(Relaxed) >> TOP_SHIFT
    }

    #[test]
    fn locks_may_be_given_back_in_any_order() {
        let held = Held::new();
        let locks = [Rank::FdTable, Rank::Inode, Rank::Pipe, Rank::Console].map(lock);
        for lock in &locks {
            assert!(held.allows(lock));
            assert!(held.push(lock, Location::caller()));
        }
        held.pop(&locks[3]);
        assert_eq!(top(&held), height(Rank::Pipe));
        held.pop(&locks[1]);
        assert_eq!(top(&held), height(Rank::Pipe));
        held.pop(&locks[2]);
        assert_eq!(top(&held), height(Rank::FdTable));
        held.pop(&locks[0]);
        assert_eq!((held.count(), top(&held)), (0, 0));
    }

    #[test]
    fn equal_ranks_are_allowed_where_they_nest() {
        let held = Held::new();
        let inode = lock(Rank::Inode);
        held.push(&inode, Location::caller());
        assert!(held.allows(&lock(Rank::Inode)));
        assert!(!held.allows(&lock(Rank::Rename)));
        let filesystem = lock(Rank::Filesystem);
        held.push(&filesystem, Location::caller());
        assert!(!held.allows(&lock(Rank::Filesystem)));
        assert!(held.allows(&lock(Rank::BlockQueue)));
    }

    #[test]
    fn more_than_can_be_shown_are_still_counted() {
        let held = Held::new();
        let locks: Vec<_> = (0..MAX_HELD + 2).map(|_| lock(Rank::Leaf)).collect();
        let fit = locks
            .iter()
            .filter(|lock| held.push(lock, Location::caller()))
            .count();
        assert_eq!(fit, MAX_HELD);
        assert_eq!(held.records().count(), MAX_HELD);
        locks.iter().rev().for_each(|lock| held.pop(lock));
        assert_eq!((held.count(), top(&held)), (0, 0));
    }
}
