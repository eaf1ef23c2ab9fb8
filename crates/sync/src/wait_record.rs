//! What one thread says of the lock it waits for.

use crate::Rank;
use crate::context::Context;
use crate::meta::{LockMeta, LockRecord};
use core::panic::Location;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU8, AtomicU64, Ordering::Relaxed};

/// The lock a thread waits for, in words that stay good when the lock goes.
/// Written by the thread; read by anyone.
#[derive(Debug)]
pub(crate) struct WaitRecord {
    lock: AtomicPtr<LockMeta>,
    made_at: AtomicPtr<Location<'static>>,
    waits_at: AtomicPtr<Location<'static>>,
    since: AtomicU64,
    rank: AtomicU8,
    /// For a spin lock: who held it when the waiter last looked, and where
    /// that one took it.
    holder: AtomicPtr<Context>,
    taken_at: AtomicPtr<Location<'static>>,
}

impl WaitRecord {
    pub(crate) const fn new() -> Self {
        WaitRecord {
            lock: AtomicPtr::new(ptr::null_mut()),
            made_at: AtomicPtr::new(ptr::null_mut()),
            waits_at: AtomicPtr::new(ptr::null_mut()),
            since: AtomicU64::new(0),
            rank: AtomicU8::new(0),
            holder: AtomicPtr::new(ptr::null_mut()),
            taken_at: AtomicPtr::new(ptr::null_mut()),
        }
    }

    pub(crate) fn begin(&self, lock: &LockMeta, at: &'static Location<'static>, now: u64) {
        self.rank.store(lock.rank() as u8, Relaxed);
        let made_at = ptr::from_ref(lock.made_at()).cast_mut();
        self.made_at.store(made_at, Relaxed);
        self.waits_at.store(ptr::from_ref(at).cast_mut(), Relaxed);
        self.since.store(now, Relaxed);
        self.holder.store(ptr::null_mut(), Relaxed);
        self.taken_at.store(ptr::null_mut(), Relaxed);
        self.lock.store(ptr::from_ref(lock).cast_mut(), Relaxed);
    }

    /// The waiter has looked at the lock again.
    pub(crate) fn note_holder(&self, lock: &LockMeta) {
        let taken_at = lock.taken_at().map_or(ptr::null(), ptr::from_ref);
        self.taken_at.store(taken_at.cast_mut(), Relaxed);
        self.holder.store(lock.holder().cast_mut(), Relaxed);
    }

    pub(crate) fn end(&self) {
        self.lock.store(ptr::null_mut(), Relaxed);
    }

    /// Where the waiter called, if it waits.
    pub(crate) fn waits_at(&self) -> Option<&'static Location<'static>> {
        if self.lock.load(Relaxed).is_null() {
            return None;
        }
        // SAFETY: only ever set from a `&'static Location`.
        unsafe { self.waits_at.load(Relaxed).as_ref() }
    }

    /// The lock, and since when the thread waits for it.
    pub(crate) fn get(&self) -> Option<(LockRecord, u64)> {
        let lock = self.lock.load(Relaxed);
        if lock.is_null() {
            return None;
        }
        // SAFETY: only ever set from `&'static Location`s.
        let (made_at, taken_at) = unsafe {
            (
                self.made_at.load(Relaxed).as_ref()?,
                self.taken_at.load(Relaxed).as_ref(),
            )
        };
        let record = LockRecord {
            address: lock.addr(),
            rank: Rank::from_u8(self.rank.load(Relaxed))?,
            made_at,
            taken_at,
            holder: self.holder.load(Relaxed),
        };
        Some((record, self.since.load(Relaxed)))
    }
}
