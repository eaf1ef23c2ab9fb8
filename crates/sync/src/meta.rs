//! What every lock knows about itself, for the order check and for reports.

use crate::Rank;
use crate::context::Context;
use core::panic::Location;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

/// A lock's rank, and who holds it and since where.
#[derive(Debug)]
pub struct LockMeta {
    rank: Rank,
    holder: AtomicPtr<Context>,
    taken_at: AtomicPtr<Location<'static>>,
}

impl LockMeta {
    pub(crate) const fn new(rank: Rank) -> Self {
        LockMeta {
            rank,
            holder: AtomicPtr::new(ptr::null_mut()),
            taken_at: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// The lock's place in the order of locks.
    pub const fn rank(&self) -> Rank {
        self.rank
    }

    /// Where the present holder took the lock, if it is held.
    pub fn taken_at(&self) -> Option<&'static Location<'static>> {
        // SAFETY: only ever set from a `&'static Location` by `acquired`.
        unsafe { self.taken_at.load(Ordering::Relaxed).as_ref() }
    }

    /// The context of the present holder; null if free. An address for
    /// comparison only: the holder may be gone when it is looked at.
    pub fn holder(&self) -> *const Context {
        self.holder.load(Ordering::Relaxed)
    }

    pub(crate) fn acquired(&self, context: &Context, at: &'static Location<'static>) {
        self.holder
            .store(ptr::from_ref(context).cast_mut(), Ordering::Relaxed);
        self.taken_at
            .store(ptr::from_ref(at).cast_mut(), Ordering::Relaxed);
    }

    pub(crate) fn released(&self) {
        self.holder.store(ptr::null_mut(), Ordering::Relaxed);
        self.taken_at.store(ptr::null_mut(), Ordering::Relaxed);
    }
}
