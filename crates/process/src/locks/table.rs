//! [`LockTable`]: the locks on all files, and who waits for them.

use super::ranges::{Bytes, Lock, RangeLocks};
use alloc::boxed::Box;
use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use paddock_abi::Result;
use paddock_sync::{WaitQueue, try_arc, try_box};

/// Which of a file's two kinds of lock, which do not see each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// fcntl(2)'s.
    Ranges,
    /// flock(2)'s.
    Whole,
}

/// How a try for a lock has ended that may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nobody is in the way any more.
    Free,
    /// Somebody is.
    Blocked,
    /// Somebody is who waits, perhaps through others, for the asker.
    Deadlock,
}

/// How many waits are followed to find a deadlock (Linux's `MAX_DEADLK_ITERATIONS`).
const MOST_STEPS: usize = 10;

#[derive(Debug)]
struct FileLocks<O> {
    ranges: RangeLocks<O>,
    whole: RangeLocks<O>,
    /// Those who wait for a lock of this file. While there are any, it stays.
    changed: Arc<WaitQueue>,
    waiters: usize,
}

impl<O: Copy + Ord> FileLocks<O> {
    fn new() -> Result<Box<Self>> {
        try_box(FileLocks {
            ranges: RangeLocks::default(),
            whole: RangeLocks::default(),
            changed: try_arc(WaitQueue::new())?,
            waiters: 0,
        })
    }

    fn of(&self, kind: Kind) -> &RangeLocks<O> {
        match kind {
            Kind::Ranges => &self.ranges,
            Kind::Whole => &self.whole,
        }
    }

    fn of_mut(&mut self, kind: Kind) -> &mut RangeLocks<O> {
        match kind {
            Kind::Ranges => &mut self.ranges,
            Kind::Whole => &mut self.whole,
        }
    }

    fn is_idle(&self) -> bool {
        self.ranges.is_empty() && self.whole.is_empty() && self.waiters == 0
    }
}

/// The locks on files `F` of owners `O`. Its calls never sleep; the caller wakes the
/// queues that they give back, without a lock.
#[derive(Debug)]
pub struct LockTable<F, O> {
    files: BTreeMap<F, Box<FileLocks<O>>>,
    /// The files on which an owner has locks.
    of_owner: BTreeMap<O, BTreeSet<(Kind, F)>>,
    /// Whom each waits for who waits, by the number of its wait.
    waits: BTreeMap<(O, u64), O>,
    last_wait: u64,
}

impl<F, O> LockTable<F, O> {
    /// An empty one.
    pub const fn new() -> Self {
        LockTable {
            files: BTreeMap::new(),
            of_owner: BTreeMap::new(),
            waits: BTreeMap::new(),
            last_wait: 0,
        }
    }

    /// How many files have locks, or somebody who waits for one.
    pub fn files(&self) -> usize {
        self.files.len()
    }
}

impl<F, O> Default for LockTable<F, O> {
    fn default() -> Self {
        LockTable::new()
    }
}

impl<F: Copy + Ord, O: Copy + Ord> LockTable<F, O> {
    /// Sets or clears a lock, as [`RangeLocks::set`]; the queue of those to be told.
    ///
    /// # Errors
    /// `EAGAIN`, `ENOMEM`.
    pub fn set(
        &mut self,
        (file, kind): (F, Kind),
        owner: O,
        bytes: &Bytes,
        lock: Option<bool>,
    ) -> Result<Option<Arc<WaitQueue>>> {
        if lock.is_none() && !self.files.contains_key(&file) {
            return Ok(None);
        }
        let result = self.of_file(file)?.of_mut(kind).set(owner, bytes, lock);
        let told = self.after_change((file, kind), owner);
        result.map(|()| told)
    }

    /// Somebody else's lock that is in the way of this one.
    pub fn conflict(
        &self,
        (file, kind): (F, Kind),
        owner: O,
        bytes: &Bytes,
        exclusive: bool,
    ) -> Option<Lock<O>> {
        let locks = self.files.get(&file)?;
        locks.of(kind).conflict(owner, bytes, exclusive)
    }

    /// The owner lets go of all it has of one kind on a file; the queue of those to be
    /// told.
    pub fn release(&mut self, (file, kind): (F, Kind), owner: O) -> Option<Arc<WaitQueue>> {
        if !self.of_owner.get(&owner)?.contains(&(kind, file)) {
            return None;
        }
        self.files.get_mut(&file)?.of_mut(kind).release(owner);
        self.after_change((file, kind), owner)
    }

    /// The owner is no more: it lets go of what it has of one kind on one file, and
    /// the queue of those to be told is given back; `None` when it has nothing.
    pub fn release_next(&mut self, owner: O) -> Option<Option<Arc<WaitQueue>>> {
        let &(kind, file) = self.of_owner.get(&owner)?.first()?;
        Some(self.release((file, kind), owner))
    }

    /// The locks of a file, which have an entry from now on. `ENOMEM`.
    #[allow(clippy::disallowed_methods, reason = "small, and asked for")]
    fn of_file(&mut self, file: F) -> Result<&mut FileLocks<O>> {
        match self.files.entry(file) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(place) => {
                paddock_sync::may_allocate()?;
                Ok(place.insert(FileLocks::new()?))
            }
        }
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "small: a caller has asked may_allocate, and the heap keeps a reserve for such"
    )]
    fn after_change(&mut self, (file, kind): (F, Kind), owner: O) -> Option<Arc<WaitQueue>> {
        let locks = self.files.get(&file)?;
        match (locks.of(kind).has(owner), self.of_owner.get_mut(&owner)) {
            (true, Some(places)) => drop(places.insert((kind, file))),
            (true, None) => {
                self.of_owner.insert(owner, BTreeSet::from([(kind, file)]));
            }
            (false, Some(places)) => {
                places.remove(&(kind, file));
                if places.is_empty() {
                    self.of_owner.remove(&owner);
                }
            }
            (false, None) => {}
        }
        let told = (locks.waiters > 0).then(|| locks.changed.clone());
        if locks.is_idle() {
            self.files.remove(&file);
        }
        told
    }

    /// Somebody begins to wait for a lock of a file: the number of the wait, and the
    /// queue on which every change of that file is told. It must end it.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn begin_wait(&mut self, file: F) -> Result<(u64, Arc<WaitQueue>)> {
        let locks = self.of_file(file)?;
        locks.waiters += 1;
        let changed = locks.changed.clone();
        self.last_wait += 1;
        Ok((self.last_wait, changed))
    }

    /// Whether the turn of one who waits has come. One that is `checked` never waits
    /// for those who wait for it.
    pub fn turn(
        &mut self,
        place: (F, Kind),
        (owner, wait): (O, u64),
        bytes: &Bytes,
        exclusive: bool,
        checked: bool,
    ) -> Turn {
        let Some(lock) = self.conflict(place, owner, bytes, exclusive) else {
            self.waits.remove(&(owner, wait));
            return Turn::Free;
        };
        if checked {
            if self.leads_to(lock.owner, owner) {
                self.waits.remove(&(owner, wait));
                return Turn::Deadlock;
            }
            // Without memory for it the wait is like one that is not checked.
            let _ = paddock_sync::try_insert(&mut self.waits, (owner, wait), lock.owner);
        }
        Turn::Blocked
    }

    /// Whether `from` waits, perhaps through others, for `to`.
    fn leads_to(&self, from: O, to: O) -> bool {
        let mut at = from;
        for _ in 0..MOST_STEPS {
            let next = self.waits.range((at, 0)..=(at, u64::MAX)).next();
            match next {
                Some((_, &blocker)) if blocker == to => return true,
                Some((_, &blocker)) => at = blocker,
                None => return false,
            }
        }
        false
    }

    /// The wait is over.
    pub fn end_wait(&mut self, file: F, (owner, wait): (O, u64)) {
        self.waits.remove(&(owner, wait));
        if let Some(locks) = self.files.get_mut(&file) {
            locks.waiters -= 1;
            if locks.is_idle() {
                self.files.remove(&file);
            }
        }
    }
}
