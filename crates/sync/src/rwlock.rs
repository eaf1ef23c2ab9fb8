//! The sleeping [`RwLock`].
//!
//! Who holds it and who waits is kept under the lock of [`chains`]. It is
//! never free while somebody waits: a release hands it on. Readers and writers
//! take turns, so that neither side starves: a reader that comes while a
//! writer waits queues up; when a writer ends, all readers waiting by then go
//! in; when the last of those ends, the next writer does.

use crate::chains::{self, Chains, LockRef};
use crate::context::Context;
use crate::guard::{PreemptGuard, might_sleep};
use crate::meta::LockMeta;
use crate::platform;
use crate::rank::Rank;
use crate::shim::{UnsafeCell, const_fn};
use crate::waiter::{GRANTED, Queue, Waiter};
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::panic::Location;
use core::pin::pin;
use core::ptr;
use core::sync::atomic::Ordering::Relaxed;
use core::task::Waker;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Read,
    Write,
}

#[derive(Debug)]
struct State {
    /// The readers that waiting writers can lend to, in no order.
    readers: [*const Context; RawRwLock::RECORDED],
    reading: usize,
    writing: bool,
    read_queue: Queue,
    write_queue: Queue,
}

impl State {
    fn free_for(&self, side: Side) -> bool {
        match side {
            Side::Read => !self.writing && self.write_queue.is_empty(),
            Side::Write => !self.writing && self.reading == 0,
        }
    }

    fn queue(&mut self, side: Side) -> &mut Queue {
        match side {
            Side::Read => &mut self.read_queue,
            Side::Write => &mut self.write_queue,
        }
    }

    /// In which of the queues a waiter is.
    fn side_of(&self, waiter: *const Waiter) -> Side {
        match self.read_queue.iter().any(|reader| reader == waiter) {
            true => Side::Read,
            false => Side::Write,
        }
    }

    /// Replaces one entry of `readers` by another, if there is one.
    fn replace_reader(&mut self, from: *const Context, to: *const Context) {
        if let Some(place) = self.readers.iter_mut().find(|reader| **reader == from) {
            *place = to;
        }
    }
}

/// The lock without its value.
#[derive(Debug)]
pub(crate) struct RawRwLock {
    meta: LockMeta,
    /// Only with [`Chains`] in hand.
    state: core::cell::UnsafeCell<State>,
}

impl RawRwLock {
    /// How many readers a waiting writer can lend its priority to. If there
    /// are more at once, the others go on with the priority they have.
    pub(crate) const RECORDED: usize = 8;

    const_fn! {
        fn new(rank: Rank, made_at: &'static Location<'static>) -> Self {
            RawRwLock {
                meta: LockMeta::new(rank, made_at),
                state: core::cell::UnsafeCell::new(State {
                    readers: [ptr::null(); Self::RECORDED],
                    reading: 0,
                    writing: false,
                    read_queue: Queue::new(),
                    write_queue: Queue::new(),
                }),
            }
        }
    }

    pub(crate) fn meta(&self) -> &LockMeta {
        &self.meta
    }

    fn state<'a>(&'a self, _: &'a mut Chains) -> &'a mut State {
        // SAFETY: there is one `Chains`, and it is borrowed for as long.
        unsafe { &mut *self.state.get() }
    }

    fn lock(&self, side: Side, at: &'static Location<'static>) {
        let context = platform::context();
        context.check_order(&self.meta, at);
        let mut chains = chains::lock();
        if self.state(&mut chains).free_for(side) {
            self.enter(&mut chains, side, context, at);
            drop(chains);
        } else {
            drop(chains);
            self.queue_up(side, context, at);
        }
        context.push_held(&self.meta, at);
    }

    /// Makes a context a reader or the writer.
    fn enter(
        &self,
        chains: &mut Chains,
        side: Side,
        context: &Context,
        at: &'static Location<'static>,
    ) {
        let state = self.state(chains);
        match side {
            Side::Read => {
                state.reading += 1;
                state.replace_reader(ptr::null(), context);
            }
            Side::Write => {
                state.writing = true;
                let owner = ptr::from_ref(context).expose_provenance();
                self.meta.word.store(owner, Relaxed);
                self.meta.set_taken(Some(at));
            }
        }
        chains::take_over(chains, context, &self.meta);
    }

    #[cold]
    #[inline(never)]
    fn queue_up(&self, side: Side, context: &Context, at: &'static Location<'static>) {
        context.check_recursion(&self.meta, at);
        let waker = platform::current_waker();
        let waiter = pin!(Waiter::new(context, at, LockRef::RwLock(self), waker));
        let waiter = waiter.into_ref().get_ref();
        let mut chains = chains::lock();
        let state = self.state(&mut chains);
        if state.free_for(side) {
            self.enter(&mut chains, side, context, at);
            return;
        }
        context.wait.begin(&self.meta, at, platform::now());
        // SAFETY: the waiter is pinned, and this function ends only after it
        // has left the queue.
        unsafe { state.queue(side).insert(waiter, context.priority()) };
        self.update_wanted(&mut chains);
        chains::wait(chains, context, &self.meta, waiter, || {
            waiter.state() == GRANTED
        });
    }

    fn update_wanted(&self, chains: &mut Chains) {
        let state = self.state(chains);
        let best = state.read_queue.best().min(state.write_queue.best());
        self.meta.set_wanted(best);
    }

    fn unlock(&self, side: Side) {
        let context = platform::context();
        context.pop_held(&self.meta);
        let mut chains = chains::lock();
        let state = self.state(&mut chains);
        match side {
            Side::Read => {
                state.reading -= 1;
                state.replace_reader(context, ptr::null());
            }
            Side::Write => {
                state.writing = false;
                self.meta.set_taken(None);
                self.meta.word.store(0, Relaxed);
            }
        }
        if state.reading == 0 {
            self.pass_on(chains, side, context);
        } else {
            chains::recompute_inherited(&mut chains, context);
        }
    }

    /// The lock is free: its next holders are of the other side, if there
    /// are any.
    fn pass_on(&self, mut chains: chains::Guard, last: Side, context: &Context) {
        // As for `Mutex`: those chosen are woken before the caller, whom
        // nobody lends to any more, can be preempted.
        let _stay = PreemptGuard::new();
        let state = self.state(&mut chains);
        let readers_next = last == Side::Write || state.write_queue.is_empty();
        if readers_next && !state.read_queue.is_empty() {
            chains::recompute_inherited(&mut chains, context);
            self.let_readers_in(chains);
            return;
        }
        let writer = state.write_queue.choose();
        let waker = writer.and_then(|writer| self.grant(&mut chains, Side::Write, writer));
        chains::recompute_inherited(&mut chains, context);
        drop(chains);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Lets in the readers that wait now, a batch at a time, as wakers are
    /// called without the lock. If a writer comes between, the rest has its
    /// turn after that one.
    fn let_readers_in(&self, mut chains: chains::Guard) {
        const BATCH: usize = 8;
        let mut left = self.state(&mut chains).read_queue.iter().count();
        loop {
            let mut wakers = [const { None }; BATCH];
            for waker in wakers.iter_mut().take(left) {
                let next = self.state(&mut chains).read_queue.choose();
                *waker = next.and_then(|next| self.grant(&mut chains, Side::Read, next));
            }
            drop(chains);
            wakers.into_iter().flatten().for_each(Waker::wake);
            left = left.saturating_sub(BATCH);
            if left == 0 {
                return;
            }
            chains = chains::lock();
            if self.state(&mut chains).writing {
                return;
            }
        }
    }

    /// Makes a waiter a holder.
    fn grant(&self, chains: &mut Chains, side: Side, waiter: *const Waiter) -> Option<Waker> {
        // SAFETY: the waiter is queued here until this removes it, and alive
        // until it is granted the lock; so is its thread's context.
        let (node, context) = unsafe {
            self.state(chains).queue(side).remove(waiter);
            (&*waiter, &*(*waiter).context)
        };
        let waker = node.waker(chains);
        context.set_waiter(ptr::null());
        self.update_wanted(chains);
        self.enter(chains, side, context, node.at);
        // SAFETY: it has just left the queue.
        unsafe { Waiter::grant(waiter) };
        waker
    }

    /// The writer or, as far as they are recorded, the readers.
    ///
    /// # Safety
    /// Somebody waits for the lock.
    pub(crate) unsafe fn blockers(&self, chains: &mut Chains, visit: &mut dyn FnMut(&Context)) {
        let writer = self.meta.owner(self.meta.word.load(Relaxed));
        let readers = self.state(chains).readers;
        for holder in readers.into_iter().chain([writer]) {
            // SAFETY: a holder is recorded for as long as it holds the lock,
            // and gives it back only with `chains` in hand.
            if let Some(holder) = unsafe { holder.as_ref() } {
                visit(holder);
            }
        }
    }

    /// # Safety
    /// The waiter is queued here.
    pub(crate) unsafe fn reorder(&self, chains: &mut Chains, waiter: *const Waiter, priority: u8) {
        let state = self.state(chains);
        let side = state.side_of(waiter);
        // SAFETY: the caller's promise.
        unsafe { state.queue(side).reorder(waiter, priority) };
        self.update_wanted(chains);
    }

    /// A waiter that has not got the lock gives up.
    ///
    /// # Safety
    /// The waiter is queued here.
    pub(crate) unsafe fn abandon(&self, mut chains: chains::Guard, waiter: &Waiter) {
        let state = self.state(&mut chains);
        let side = state.side_of(waiter);
        // SAFETY: the caller's promise.
        unsafe { state.queue(side).remove(waiter) };
        let readers_may_enter = state.free_for(Side::Read);
        self.update_wanted(&mut chains);
        if readers_may_enter {
            self.let_readers_in(chains);
        }
    }
}

/// Many readers or one writer, for sections that may sleep.
pub struct RwLock<T> {
    raw: RawRwLock,
    value: UnsafeCell<T>,
}

// SAFETY: shared references go to readers only while no writer is inside.
unsafe impl<T: Send + Sync> Sync for RwLock<T> {}
// SAFETY: moving the lock moves the value.
unsafe impl<T: Send> Send for RwLock<T> {}

impl<T> RwLock<T> {
    const_fn! {
        /// A free lock of the given rank.
        #[track_caller]
        pub fn new(rank: Rank, value: T) -> Self {
            RwLock {
                raw: RawRwLock::new(rank, Location::caller()),
                value: UnsafeCell::new(value),
            }
        }
    }

    /// Takes the lock for reading. Thread context.
    #[track_caller]
    pub fn read(&self) -> ReadGuard<'_, T> {
        might_sleep();
        self.raw.lock(Side::Read, Location::caller());
        ReadGuard {
            lock: self,
            _not_send: PhantomData,
        }
    }

    /// Takes the lock for writing. Thread context.
    #[track_caller]
    pub fn write(&self) -> WriteGuard<'_, T> {
        might_sleep();
        self.raw.lock(Side::Write, Location::caller());
        WriteGuard {
            lock: self,
            _not_send: PhantomData,
        }
    }

    /// Who writes, and since where.
    pub fn meta(&self) -> &LockMeta {
        &self.raw.meta
    }
}

impl<T> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RwLock({:?})", self.raw.meta.rank())
    }
}

/// A [`RwLock`] held for reading.
///
/// It stays with its thread:
/// ```compile_fail,E0277
/// fn sent(_: impl Send) {}
/// let lock = paddock_sync::RwLock::new(paddock_sync::Rank::Inode, ());
/// sent(lock.read());
/// ```
#[must_use]
pub struct ReadGuard<'a, T> {
    lock: &'a RwLock<T>,
    _not_send: PhantomData<*const ()>,
}

impl<T> Deref for ReadGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: readers exclude writers.
        self.lock.value.with(|value| unsafe { &*value })
    }
}

impl<T> Drop for ReadGuard<'_, T> {
    fn drop(&mut self) {
        self.lock.raw.unlock(Side::Read);
    }
}

/// A [`RwLock`] held for writing.
///
/// It stays with its thread:
/// ```compile_fail,E0277
/// fn sent(_: impl Send) {}
/// let lock = paddock_sync::RwLock::new(paddock_sync::Rank::Inode, ());
/// sent(lock.write());
/// ```
#[must_use]
pub struct WriteGuard<'a, T> {
    lock: &'a RwLock<T>,
    _not_send: PhantomData<*const ()>,
}

impl<T> Deref for WriteGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the writer is alone.
        self.lock.value.with(|value| unsafe { &*value })
    }
}

impl<T> DerefMut for WriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the writer is alone.
        self.lock.value.with_mut(|value| unsafe { &mut *value })
    }
}

impl<T> Drop for WriteGuard<'_, T> {
    fn drop(&mut self) {
        self.lock.raw.unlock(Side::Write);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::thread;

    /// How often each thread takes the lock.
    const TIMES: u32 = if cfg!(miri) { 10 } else { 500 };

    #[test]
    fn readers_and_writers_agree() {
        let lock = Arc::new(RwLock::new(Rank::MountTable, (0u32, 0u32)));
        let threads: Vec<_> = (0..6)
            .map(|number| {
                let lock = lock.clone();
                thread::spawn(move || {
                    for _ in 0..TIMES {
                        if number < 2 {
                            let mut pair = lock.write();
                            pair.0 += 1;
                            pair.1 += 1;
                        } else {
                            let pair = lock.read();
                            assert_eq!(pair.0, pair.1);
                        }
                    }
                })
            })
            .collect();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        assert_eq!(lock.read().0, 2 * TIMES);
    }
}
