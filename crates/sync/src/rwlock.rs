//! The sleeping [`RwLock`]: writers that wait keep new readers out.

use crate::context::might_sleep;
use crate::meta::LockMeta;
use crate::platform;
use crate::rank::Rank;
use crate::spin::{IrqOff, SpinLock};
use crate::wait_queue::WaitQueue;
use core::cell::UnsafeCell;
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::panic::Location;

#[derive(Default)]
struct State {
    readers: usize,
    writing: bool,
    writers_waiting: usize,
}

/// Many readers or one writer, for sections that may sleep.
pub struct RwLock<T> {
    state: SpinLock<State, IrqOff>,
    meta: LockMeta,
    waiters: WaitQueue,
    value: UnsafeCell<T>,
}

// SAFETY: shared references go to readers only while no writer is inside.
unsafe impl<T: Send + Sync> Sync for RwLock<T> {}
// SAFETY: moving the lock moves the value.
unsafe impl<T: Send> Send for RwLock<T> {}

impl<T> RwLock<T> {
    /// A free lock of the given rank.
    pub const fn new(rank: Rank, value: T) -> Self {
        RwLock {
            state: SpinLock::new(
                Rank::Leaf,
                State {
                    readers: 0,
                    writing: false,
                    writers_waiting: 0,
                },
            ),
            meta: LockMeta::new(rank),
            waiters: WaitQueue::new(),
            value: UnsafeCell::new(value),
        }
    }

    /// Takes the lock for reading. Thread context.
    #[track_caller]
    pub fn read(&self) -> ReadGuard<'_, T> {
        might_sleep();
        let at = Location::caller();
        let context = platform::context();
        context.check_order(&self.meta, at);
        context.wait_begin(&self.meta);
        self.waiters.wait_until(|| {
            let mut state = self.state.lock();
            let free = !state.writing && state.writers_waiting == 0;
            state.readers += usize::from(free);
            free.then_some(())
        });
        context.wait_end();
        context.push_held(&self.meta);
        ReadGuard {
            lock: self,
            _not_send: PhantomData,
        }
    }

    /// Takes the lock for writing. Thread context.
    #[track_caller]
    pub fn write(&self) -> WriteGuard<'_, T> {
        might_sleep();
        let at = Location::caller();
        let context = platform::context();
        context.check_order(&self.meta, at);
        context.wait_begin(&self.meta);
        self.state.lock().writers_waiting += 1;
        self.waiters.wait_until(|| {
            let mut state = self.state.lock();
            let free = !state.writing && state.readers == 0;
            if free {
                state.writing = true;
                state.writers_waiting -= 1;
            }
            free.then_some(())
        });
        context.wait_end();
        self.meta.acquired(context, at);
        context.push_held(&self.meta);
        WriteGuard {
            lock: self,
            _not_send: PhantomData,
        }
    }
}

impl<T> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RwLock({:?})", self.meta.rank())
    }
}

/// A [`RwLock`] held for reading.
#[must_use]
pub struct ReadGuard<'a, T> {
    lock: &'a RwLock<T>,
    _not_send: PhantomData<*const ()>,
}

impl<T> Deref for ReadGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: readers exclude writers.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> Drop for ReadGuard<'_, T> {
    fn drop(&mut self) {
        platform::context().pop_held(&self.lock.meta);
        let mut state = self.lock.state.lock();
        state.readers -= 1;
        let last = state.readers == 0;
        drop(state);
        if last {
            self.lock.waiters.wake_all();
        }
    }
}

/// A [`RwLock`] held for writing.
#[must_use]
pub struct WriteGuard<'a, T> {
    lock: &'a RwLock<T>,
    _not_send: PhantomData<*const ()>,
}

impl<T> Deref for WriteGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the writer is alone.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for WriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the writer is alone.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for WriteGuard<'_, T> {
    fn drop(&mut self) {
        platform::context().pop_held(&self.lock.meta);
        self.lock.meta.released();
        self.lock.state.lock().writing = false;
        self.lock.waiters.wake_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::thread;

    #[test]
    fn readers_and_writers_agree() {
        let lock = Arc::new(RwLock::new(Rank::MountTable, (0u32, 0u32)));
        let threads: Vec<_> = (0..6)
            .map(|number| {
                let lock = lock.clone();
                thread::spawn(move || {
                    for _ in 0..500 {
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
        assert_eq!(lock.read().0, 1000);
    }
}
