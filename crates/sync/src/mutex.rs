//! The sleeping [`Mutex`].
//!
//! Its word holds the owner's context, and a bit that says that somebody
//! waits. Without waiters, taking it and giving it back are one
//! compare-and-exchange each. With waiters, everything but taking the free
//! lock happens under the lock of [`chains`].
//!
//! A release with waiters frees the lock and wakes one of them to try for it;
//! others may be faster. If somebody was, the next release hands the lock to
//! that waiter, so it is passed over once at most.

#[cfg(feature = "mistakes")]
mod mistakes;

use crate::chains::{self, Chains, LockRef};
use crate::context::Context;
use crate::guard::{PreemptGuard, might_sleep};
use crate::meta::{LockMeta, WAITERS};
use crate::platform;
use crate::points;
use crate::rank::Rank;
use crate::shim::{UnsafeCell, const_fn};
use crate::waiter::{GRANTED, Queue, WAITING, WOKEN, Waiter};
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::panic::Location;
use core::pin::pin;
use core::ptr;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::task::Waker;

/// The lock without its value.
#[derive(Debug)]
pub(crate) struct RawMutex {
    meta: LockMeta,
    /// Only with [`Chains`] in hand.
    queue: core::cell::UnsafeCell<Queue>,
}

impl RawMutex {
    const_fn! {
        fn new(rank: Rank, made_at: &'static Location<'static>) -> Self {
            RawMutex {
                meta: LockMeta::new(rank, made_at),
                queue: core::cell::UnsafeCell::new(Queue::new()),
            }
        }
    }

    pub(crate) fn meta(&self) -> &LockMeta {
        &self.meta
    }

    fn queue<'a>(&'a self, _: &'a mut Chains) -> &'a mut Queue {
        // SAFETY: there is one `Chains`, and it is borrowed for as long.
        unsafe { &mut *self.queue.get() }
    }

    #[inline(always)]
    fn lock(&self, context: &Context, at: &'static Location<'static>) {
        if !self.take_free(context) {
            self.lock_slowly(context, at);
        }
        self.meta.set_taken(Some(at));
        context.push_held(&self.meta, at);
    }

    /// Takes the lock if it is free and nobody waits.
    #[inline(always)]
    fn take_free(&self, context: &Context) -> bool {
        let me = ptr::from_ref(context).expose_provenance();
        self.meta
            .word
            .compare_exchange(0, me, Acquire, Relaxed)
            .is_ok()
    }

    /// Takes the lock if it is free, even before those who wait.
    fn take(&self, context: &Context) -> bool {
        let me = ptr::from_ref(context).expose_provenance();
        let take = |word: usize| (word & !WAITERS == 0).then_some(me | word);
        self.meta.word.fetch_update(Acquire, Relaxed, take).is_ok()
    }

    /// As [`Self::take`]; if the lock is not free its holder will find the
    /// bit and come to `Chains`.
    fn take_or_announce(&self, context: &Context) -> bool {
        let me = ptr::from_ref(context).expose_provenance();
        let step = |word: usize| match word & !WAITERS {
            0 => Some(me | word),
            _ => Some(word | WAITERS),
        };
        match self.meta.word.fetch_update(Acquire, Relaxed, step) {
            Ok(word) | Err(word) => word & !WAITERS == 0,
        }
    }

    #[cold]
    #[inline(never)]
    fn lock_slowly(&self, context: &Context, at: &'static Location<'static>) {
        context.check_recursion(&self.meta, at);
        let waker = platform::current_waker();
        let waiter = pin!(Waiter::new(context, at, LockRef::Mutex(self), waker));
        let waiter = waiter.into_ref().get_ref();
        let mut chains = chains::lock();
        if self.take_or_announce(context) {
            chains::take_over(&mut chains, context, &self.meta);
            return;
        }
        context.wait.begin(&self.meta, at, platform::now());
        // SAFETY: the waiter is pinned, and this function ends only after it
        // has left the queue.
        unsafe {
            self.queue(&mut chains).insert(waiter, context.priority());
        }
        self.update_wanted(&mut chains);
        chains::wait(chains, context, &self.meta, waiter, || {
            match waiter.state() {
                GRANTED => true,
                WOKEN => self.try_again(context, waiter),
                _ => false,
            }
        });
    }

    /// Woken: takes the lock if it is still free.
    fn try_again(&self, context: &Context, waiter: &Waiter) -> bool {
        let mut chains = chains::lock();
        if waiter.state() == GRANTED {
            return true;
        }
        if self.take(context) {
            self.leave(&mut chains, waiter, context);
            return true;
        }
        // Somebody was faster. `Queue::woken` still names this waiter, so it
        // will be handed the lock.
        waiter.set_state(WAITING);
        let cycle = chains::lend(&mut chains, waiter);
        drop(chains);
        chains::report(cycle, waiter.at);
        false
    }

    /// Takes the waiter, whose thread has become the holder, out of the queue.
    fn leave(&self, chains: &mut Chains, waiter: &Waiter, context: &Context) {
        let queue = self.queue(chains);
        // SAFETY: the waiter is queued here until now.
        unsafe { queue.remove(waiter) };
        if queue.is_empty() {
            self.meta.word.fetch_and(!WAITERS, Relaxed);
        }
        context.set_waiter(ptr::null());
        self.update_wanted(chains);
        chains::take_over(chains, context, &self.meta);
    }

    /// A waiter that has not got the lock gives up.
    ///
    /// # Safety
    /// The waiter is queued here.
    pub(crate) unsafe fn abandon(&self, chains: &mut Chains, waiter: &Waiter) -> Option<Waker> {
        let queue = self.queue(chains);
        // SAFETY: the caller's promise.
        unsafe { queue.remove(waiter) };
        let nobody_tries = queue.woken.is_null();
        if queue.is_empty() {
            self.meta.word.fetch_and(!WAITERS, Relaxed);
        }
        self.update_wanted(chains);
        // The free lock needs another one that tries for it.
        if nobody_tries && self.meta.word.load(Relaxed) == WAITERS {
            return self.pass_on(chains);
        }
        None
    }

    fn update_wanted(&self, chains: &mut Chains) {
        self.meta.set_wanted(self.queue(chains).best());
    }

    #[inline(always)]
    fn unlock(&self) {
        let context = platform::context();
        context.pop_held(&self.meta);
        self.meta.set_taken(None);
        let me = ptr::from_ref(context).expose_provenance();
        if self
            .meta
            .word
            .compare_exchange(me, 0, Release, Relaxed)
            .is_err()
        {
            self.unlock_slowly(context);
        }
    }

    #[cold]
    #[inline(never)]
    fn unlock_slowly(&self, context: &Context) {
        // What was lent is given back before the waiter is woken: were the
        // caller preempted in between, both might wait for ever.
        let _stay = PreemptGuard::new();
        let mut chains = chains::lock();
        let waker = self.pass_on(&mut chains);
        chains::recompute_inherited(&mut chains, context);
        drop(chains);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Gives the lock to the waiter that was passed over, or frees it and
    /// chooses one that may try.
    fn pass_on(&self, chains: &mut Chains) -> Option<Waker> {
        let queue = self.queue(chains);
        let passed_over = queue.woken;
        if passed_over.is_null() {
            let next = queue.choose();
            queue.woken = next.unwrap_or(ptr::null());
            let left = if next.is_some() { WAITERS } else { 0 };
            self.meta.word.store(left, Release);
            // SAFETY: the chosen waiter is queued, hence alive.
            let next = unsafe { &*next? };
            next.set_state(WOKEN);
            return next.waker(chains);
        }
        // SAFETY: the waiter is queued, hence alive until it is granted the
        // lock, and so is its thread's context.
        let (waiter, context) = unsafe { (&*passed_over, &*(*passed_over).context) };
        let waker = waiter.waker(chains);
        let owner = ptr::from_ref(context).expose_provenance();
        self.meta.word.store(owner | WAITERS, Release);
        self.meta.set_taken(Some(waiter.at));
        self.leave(chains, waiter, context);
        // SAFETY: it has just left the queue.
        unsafe { Waiter::grant(passed_over) };
        waker
    }

    /// The holder; of a free lock the waiter that was woken to take it.
    ///
    /// # Safety
    /// Somebody waits for the lock.
    pub(crate) unsafe fn blockers(&self, chains: &mut Chains, visit: &mut dyn FnMut(&Context)) {
        let mut blocker = self.meta.owner(self.meta.word.load(Relaxed));
        let woken = self.queue(chains).woken;
        if blocker.is_null() && !woken.is_null() {
            // SAFETY: a queued waiter is alive.
            blocker = unsafe { (*woken).context };
        }
        // SAFETY: as `chains` explains, with a waiter the holder cannot leave.
        if let Some(blocker) = unsafe { blocker.as_ref() } {
            visit(blocker);
        }
    }

    /// # Safety
    /// The waiter is queued here.
    pub(crate) unsafe fn reorder(&self, chains: &mut Chains, waiter: *const Waiter, priority: u8) {
        // SAFETY: the caller's promise.
        unsafe { self.queue(chains).reorder(waiter, priority) };
        self.update_wanted(chains);
    }
}

/// Mutual exclusion for sections that may sleep.
pub struct Mutex<T: ?Sized> {
    raw: RawMutex,
    value: UnsafeCell<T>,
}

// SAFETY: the lock gives out one exclusive reference at a time.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}
// SAFETY: moving the lock moves the value.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}

impl<T> Mutex<T> {
    const_fn! {
        /// A free lock of the given rank.
        #[track_caller]
        pub fn new(rank: Rank, value: T) -> Self {
            Mutex {
                raw: RawMutex::new(rank, Location::caller()),
                value: UnsafeCell::new(value),
            }
        }
    }

    /// The value, of a lock that is given up.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// The value, as long as nobody changes it: without the lock.
    ///
    /// # Safety
    /// Whoever might take the lock meanwhile only reads.
    #[inline]
    pub unsafe fn read_unlocked(&self) -> &T {
        // SAFETY: there are readers only: the caller's promise.
        self.value.with(|value| unsafe { &*value })
    }

    /// Takes the lock, sleeping until it is free. Thread context.
    #[track_caller]
    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        might_sleep();
        let at = Location::caller();
        let context = platform::context();
        context.check_order(&self.raw.meta, at);
        self.raw.lock(context, at);
        points::switch();
        self.guard()
    }

    /// Takes the lock if it is free. Never sleeps; any context but an
    /// interrupt. The order of locks does not matter to it, since it does not
    /// wait, but those taken after it must come after it.
    #[track_caller]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        let at = Location::caller();
        let context = platform::context();
        if !self.raw.take(context) {
            return None;
        }
        self.raw.meta.set_taken(Some(at));
        context.push_held(&self.raw.meta, at);
        Some(self.guard())
    }

    fn guard(&self) -> MutexGuard<'_, T> {
        MutexGuard {
            lock: self,
            _not_send: PhantomData,
        }
    }

    /// The value, which an exclusive reference proves to be unshared.
    pub fn get_mut(&mut self) -> &mut T {
        // SAFETY: the reference to the lock is exclusive.
        self.value.with_mut(|value| unsafe { &mut *value })
    }

    /// Who holds the lock and where it was taken.
    pub fn meta(&self) -> &LockMeta {
        &self.raw.meta
    }
}

impl<T: ?Sized> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mutex({:?})", self.raw.meta.rank())
    }
}

/// A held [`Mutex`].
///
/// It stays with its thread:
/// ```compile_fail,E0277
/// fn sent(_: impl Send) {}
/// let lock = paddock_sync::Mutex::new(paddock_sync::Rank::Inode, ());
/// sent(lock.lock());
/// ```
#[must_use]
pub struct MutexGuard<'a, T: ?Sized> {
    lock: &'a Mutex<T>,
    _not_send: PhantomData<*const ()>,
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the guard is the proof of exclusive access.
        self.lock.value.with(|value| unsafe { &*value })
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard is the proof of exclusive access.
        self.lock.value.with_mut(|value| unsafe { &mut *value })
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.raw.unlock();
        points::switch();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::thread;

    /// How often each thread takes the lock.
    const TIMES: u32 = if cfg!(miri) { 20 } else { 1000 };

    #[test]
    fn counts_to_the_sum() {
        let counter = Arc::new(Mutex::new(Rank::Inode, 0u32));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let counter = counter.clone();
                thread::spawn(move || (0..TIMES).for_each(|_| *counter.lock() += 1))
            })
            .collect();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        assert_eq!(*counter.lock(), 4 * TIMES);
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
