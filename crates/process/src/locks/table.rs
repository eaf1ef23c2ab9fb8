//! [`LockTable`]: the locks on all files, and who waits for them.

use super::ranges::{Bytes, Lock, RangeLocks};
use alloc::boxed::Box;
use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use core::ops::Bound;
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

/// A lock that somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish<O> {
    /// Of which kind.
    pub kind: Kind,
    /// Which, once it is there.
    pub lock: Lock<O>,
    /// The process that waits.
    pub process: u32,
}

/// A lock, or one that somebody waits for: what `/proc/locks` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown<O> {
    /// Of which kind.
    pub kind: Kind,
    /// Which.
    pub lock: Lock<O>,
    /// The process that took it by an open file, or waits for it; 0 if that is not
    /// noted.
    pub process: u32,
    /// Somebody waits for it.
    pub waits: bool,
}

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

/// Somebody waits.
#[derive(Debug)]
struct Wait<F, O> {
    file: F,
    wish: Wish<O>,
    /// For whom, as far as deadlocks are looked for.
    blocker: Option<O>,
}

/// What an owner has.
#[derive(Debug)]
struct Held<F> {
    /// The files on which it has locks.
    places: BTreeSet<(Kind, F)>,
    /// The process that has asked for one of them last.
    process: u32,
}

/// The locks on files `F` of owners `O`. Its calls never sleep; the caller wakes the
/// queues that they give back, without a lock.
#[derive(Debug)]
pub struct LockTable<F, O> {
    files: BTreeMap<F, Box<FileLocks<O>>>,
    /// What owners have.
    of_owner: BTreeMap<O, Held<F>>,
    /// Who waits, by the number of the wait.
    waits: BTreeMap<(O, u64), Wait<F, O>>,
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
    /// Sets or clears a lock, as [`RangeLocks::set`], for a process; the queue of those
    /// to be told.
    ///
    /// # Errors
    /// `EAGAIN`, `ENOMEM`.
    pub fn set(
        &mut self,
        (file, kind): (F, Kind),
        (owner, process): (O, u32),
        bytes: &Bytes,
        lock: Option<bool>,
    ) -> Result<Option<Arc<WaitQueue>>> {
        if lock.is_none() && !self.files.contains_key(&file) {
            return Ok(None);
        }
        let result = self.of_file(file)?.of_mut(kind).set(owner, bytes, lock);
        let told = self.after_change((file, kind), (owner, process));
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
        if !self.of_owner.get(&owner)?.places.contains(&(kind, file)) {
            return None;
        }
        self.files.get_mut(&file)?.of_mut(kind).release(owner);
        self.after_change((file, kind), (owner, 0))
    }

    /// The owner is no more: it lets go of what it has of one kind on one file, and
    /// the queue of those to be told is given back; `None` when it has nothing.
    pub fn release_next(&mut self, owner: O) -> Option<Option<Arc<WaitQueue>>> {
        let &(kind, file) = self.of_owner.get(&owner)?.places.first()?;
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
    fn after_change(
        &mut self,
        (file, kind): (F, Kind),
        (owner, process): (O, u32),
    ) -> Option<Arc<WaitQueue>> {
        let locks = self.files.get(&file)?;
        match (locks.of(kind).has(owner), self.of_owner.get_mut(&owner)) {
            (true, Some(held)) => {
                held.process = process;
                held.places.insert((kind, file));
            }
            (true, None) => {
                let places = BTreeSet::from([(kind, file)]);
                self.of_owner.insert(owner, Held { places, process });
            }
            (false, Some(held)) => {
                held.places.remove(&(kind, file));
                if held.places.is_empty() {
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
    pub fn begin_wait(&mut self, file: F, wish: Wish<O>) -> Result<(u64, Arc<WaitQueue>)> {
        let number = self.last_wait + 1;
        let changed = self.of_file(file)?.changed.clone();
        let wait = Wait {
            file,
            wish,
            blocker: None,
        };
        let noted = paddock_sync::try_insert(&mut self.waits, (wish.lock.owner, number), wait);
        match (self.files.get_mut(&file), &noted) {
            (Some(locks), Ok(_)) => locks.waiters += 1,
            (Some(locks), Err(_)) if locks.is_idle() => drop(self.files.remove(&file)),
            _ => {}
        }
        noted?;
        self.last_wait = number;
        Ok((number, changed))
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
        let found = self.conflict(place, owner, bytes, exclusive);
        let blocker = found.map(|lock| lock.owner);
        if let Some(blocker) = blocker.filter(|_| checked)
            && self.leads_to(blocker, owner)
        {
            return Turn::Deadlock;
        }
        if let Some(wait) = self.waits.get_mut(&(owner, wait)) {
            wait.blocker = blocker.filter(|_| checked);
        }
        if blocker.is_none() {
            return Turn::Free;
        }
        Turn::Blocked
    }

    /// The first file behind `file` on which there are locks, or one that somebody waits
    /// for, and how many they are.
    pub fn next_file(&self, file: Option<F>) -> Option<(F, usize)> {
        let from = file.map_or(Bound::Unbounded, Bound::Excluded);
        let (&file, locks) = self.files.range((from, Bound::Unbounded)).next()?;
        let count = locks.ranges.all().count() + locks.whole.all().count();
        Some((file, count + locks.waiters))
    }

    /// Shows all of a file, those last that somebody waits for.
    pub fn show(&self, file: F, mut show: impl FnMut(Shown<O>)) {
        let Some(locks) = self.files.get(&file) else {
            return;
        };
        for kind in [Kind::Ranges, Kind::Whole] {
            for lock in locks.of(kind).all() {
                let held = self.of_owner.get(&lock.owner);
                show(Shown {
                    kind,
                    lock,
                    process: held.map_or(0, |held| held.process),
                    waits: false,
                });
            }
        }
        let of_file = self.waits.values().filter(|wait| wait.file == file);
        for Wait { wish, .. } in of_file {
            show(Shown {
                kind: wish.kind,
                lock: wish.lock,
                process: wish.process,
                waits: true,
            });
        }
    }

    /// Whether `from` waits, perhaps through others, for `to`.
    fn leads_to(&self, from: O, to: O) -> bool {
        let mut at = from;
        for _ in 0..MOST_STEPS {
            let mut waits = self.waits.range((at, 0)..=(at, u64::MAX));
            match waits.find_map(|(_, wait)| wait.blocker) {
                Some(blocker) if blocker == to => return true,
                Some(blocker) => at = blocker,
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
