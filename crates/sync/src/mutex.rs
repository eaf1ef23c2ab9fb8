//! The sleeping [`Mutex`].

use crate::context::might_sleep;
use crate::meta::LockMeta;
use crate::platform;
use crate::rank::Rank;
use crate::wait_queue::WaitQueue;
use core::cell::UnsafeCell;
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::panic::Location;
use core::sync::atomic::{AtomicBool, Ordering};

/// Mutual exclusion for sections that may sleep.
pub struct Mutex<T: ?Sized> {
    locked: AtomicBool,
    meta: LockMeta,
    waiters: WaitQueue,
    value: UnsafeCell<T>,
}

// SAFETY: the lock gives out one exclusive reference at a time.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}
// SAFETY: moving the lock moves the value.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}

impl<T> Mutex<T> {
    /// A free lock of the given rank.
    pub const fn new(rank: Rank, value: T) -> Self {
        Mutex {
            locked: AtomicBool::new(false),
            meta: LockMeta::new(rank),
            waiters: WaitQueue::new(),
            value: UnsafeCell::new(value),
        }
    }

    /// The value, of a lock that is given up.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Takes the lock, sleeping until it is free. Thread context.
    #[track_caller]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        might_sleep();
        let at = Location::caller();
        let context = platform::context();
        context.check_order(&self.meta, at);
        if !self.try_acquire() {
            context.wait_begin(&self.meta);
            self.waiters.wait_until(|| self.try_acquire().then_some(()));
            context.wait_end();
        }
        self.guard(at)
    }

    /// Takes the lock if it is free. Never sleeps; any context but an
    /// interrupt.
    #[track_caller]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.try_acquire().then(|| self.guard(Location::caller()))
    }

    fn guard(&self, at: &'static Location<'static>) -> MutexGuard<'_, T> {
        let context = platform::context();
        self.meta.acquired(context, at);
        context.push_held(&self.meta);
        MutexGuard {
            lock: self,
            _not_send: PhantomData,
        }
    }

    fn try_acquire(&self) -> bool {
        self.locked
            .compare_exchange(false, true, Ordering::SeqCst, Ordering::Relaxed)
            .is_ok()
    }

    /// The value, which an exclusive reference proves to be unshared.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// Who holds the lock and where it was taken.
    pub fn meta(&self) -> &LockMeta {
        &self.meta
    }
}

impl<T: ?Sized> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mutex({:?})", self.meta.rank())
    }
}

/// A held [`Mutex`].
#[must_use]
pub struct MutexGuard<'a, T: ?Sized> {
    lock: &'a Mutex<T>,
    _not_send: PhantomData<*const ()>,
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the guard is the proof of exclusive access.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard is the proof of exclusive access.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        platform::context().pop_held(&self.lock.meta);
        self.lock.meta.released();
        self.lock.locked.store(false, Ordering::SeqCst);
        self.lock.waiters.wake_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::thread;

    #[test]
    fn counts_to_the_sum() {
        let counter = Arc::new(Mutex::new(Rank::Inode, 0u32));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let counter = counter.clone();
                thread::spawn(move || (0..1000).for_each(|_| *counter.lock() += 1))
            })
            .collect();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        assert_eq!(*counter.lock(), 4000);
    }

    #[test]
    #[should_panic(expected = "while Filesystem is held")]
    fn wrong_order_is_caught_uncontended() {
        let inner = Mutex::new(Rank::Filesystem, ());
        let outer = Mutex::new(Rank::FdTable, ());
        let _inner = inner.lock();
        let _outer = outer.lock();
    }

    #[test]
    #[should_panic(expected = "blocking call in atomic section")]
    fn sleeping_under_a_spin_lock_is_caught_uncontended() {
        let spin = crate::SpinLock::<(), crate::PreemptOff>::new(Rank::Pipe, ());
        let sleeping = Mutex::new(Rank::Inode, ());
        let _spin = spin.lock();
        let _sleeping = sleeping.lock();
    }

    #[test]
    #[should_panic(expected = "blocking call in async poll")]
    fn blocking_in_a_poll_is_caught() {
        let sleeping = Mutex::new(Rank::Inode, ());
        let _poll = crate::PollGuard::new();
        let _sleeping = sleeping.lock();
    }
}
