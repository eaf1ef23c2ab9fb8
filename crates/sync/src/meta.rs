//! What every lock knows about itself, for the order check and for reports.

use crate::Rank;
use crate::context::Context;
use crate::shim::{AtomicUsize, const_fn};
use core::fmt;
use core::panic::Location;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU8, Ordering::Relaxed};

/// In the word of a sleeping lock: somebody waits. Contexts are aligned, so
/// the bit is free.
pub(crate) const WAITERS: usize = 1;

/// Nobody waits, or lends: less urgent than every priority.
pub(crate) const NO_PRIORITY: u8 = u8::MAX;

/// A lock's rank and name, and who holds it and since where.
#[derive(Debug)]
pub struct LockMeta {
    /// The holder's context, and [`WAITERS`]; zero is a free lock.
    pub(crate) word: AtomicUsize,
    taken_at: AtomicPtr<Location<'static>>,
    made_at: &'static Location<'static>,
    rank: Rank,
    /// See [`crate::held::limit`]: here, where every acquisition looks.
    limit: u8,
    /// The most urgent priority among the lock's waiters, which its holder is
    /// lent. Written under the lock of `chains`.
    wanted: AtomicU8,
}

impl LockMeta {
    const_fn! {
        pub(crate) fn new(rank: Rank, made_at: &'static Location<'static>) -> Self {
            LockMeta {
                word: AtomicUsize::new(0),
                taken_at: AtomicPtr::new(ptr::null_mut()),
                made_at,
                rank,
                limit: crate::held::limit(rank),
                wanted: AtomicU8::new(NO_PRIORITY),
            }
        }
    }

    /// The lock's place in the order of locks.
    pub const fn rank(&self) -> Rank {
        self.rank
    }

    /// The name of the lock's class. With [`Self::made_at`] it names one
    /// declaration; `docs/LOCKS.md` lists them all.
    pub const fn name(&self) -> &'static str {
        self.rank.name()
    }

    /// Where the lock was made.
    pub const fn made_at(&self) -> &'static Location<'static> {
        self.made_at
    }

    /// Where the present holder took the lock; of a free spin lock, where the
    /// last one did.
    pub fn taken_at(&self) -> Option<&'static Location<'static>> {
        // SAFETY: only ever set from a `&'static Location`.
        unsafe { self.taken_at.load(Relaxed).as_ref() }
    }

    /// The context of the present holder; null if the lock is free or held
    /// for reading. An address for comparison only: the holder may be gone
    /// when it is looked at.
    pub fn holder(&self) -> *const Context {
        self.owner(self.word.load(Relaxed))
    }

    /// Whether somebody sleeps until the lock is free; a hint only.
    pub fn has_waiters(&self) -> bool {
        self.rank.sleeps() && self.word.load(Relaxed) & WAITERS != 0
    }

    /// All of the above, as of now.
    pub fn record(&self) -> LockRecord {
        LockRecord {
            address: ptr::from_ref(self).addr(),
            rank: self.rank,
            made_at: self.made_at,
            taken_at: self.taken_at(),
            holder: self.holder(),
        }
    }

    #[inline(always)]
    pub(crate) fn limit(&self) -> u8 {
        self.limit
    }

    /// The holder in a value of `word`.
    pub(crate) fn owner(&self, word: usize) -> *const Context {
        ptr::with_exposed_provenance(word & !WAITERS)
    }

    pub(crate) fn set_taken(&self, at: Option<&'static Location<'static>>) {
        let at = at.map_or(ptr::null(), ptr::from_ref);
        self.taken_at.store(at.cast_mut(), Relaxed);
    }

    pub(crate) fn wanted(&self) -> u8 {
        self.wanted.load(Relaxed)
    }

    pub(crate) fn set_wanted(&self, priority: u8) {
        self.wanted.store(priority, Relaxed);
    }
}

/// What is known of a lock at one moment. It refers to nothing that can go
/// away, so it may be made of another thread's locks, and kept.
#[derive(Clone, Copy, Debug)]
pub struct LockRecord {
    pub(crate) address: usize,
    pub(crate) rank: Rank,
    pub(crate) made_at: &'static Location<'static>,
    pub(crate) taken_at: Option<&'static Location<'static>>,
    pub(crate) holder: *const Context,
}

impl LockRecord {
    /// The lock's place in the order of locks.
    pub const fn rank(&self) -> Rank {
        self.rank
    }

    /// The name of the lock's class; see [`LockMeta::name`].
    pub const fn name(&self) -> &'static str {
        self.rank.name()
    }

    /// Where the lock was made.
    pub const fn made_at(&self) -> &'static Location<'static> {
        self.made_at
    }

    /// Where its holder took it, if that is known.
    pub const fn taken_at(&self) -> Option<&'static Location<'static>> {
        self.taken_at
    }

    /// Its holder's context, to be compared with others; null if there is
    /// none or several.
    pub const fn holder(&self) -> *const Context {
        self.holder
    }

    /// The lock's own address, to be compared with others.
    pub const fn address(&self) -> usize {
        self.address
    }
}

impl fmt::Display for LockRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (made at {})", self.name(), self.made_at)
    }
}
