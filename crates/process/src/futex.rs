//! Futexes (futex(2)): threads that sleep until somebody wakes an address.
//!
//! A waiter is in exactly one queue, under one lock, and leaves it when its
//! wait ends however it ends. The waiter first joins the queue and then looks
//! at the value, so that a change between the two is never missed although
//! reading user memory may sleep.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};
use paddock_abi::{Errno, Result};
use paddock_sync::{Deadline, IrqOff, Rank, SpinLock, WaitError, WaitQueue, try_arc};

/// What a futex is: its address in one address space, or its place in an
/// object that several map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// An address of one address space.
    Private {
        /// The address space's unique number.
        space: u64,
        /// The address.
        address: u64,
    },
    /// A place that several address spaces share.
    Shared {
        /// What identifies the object or physical page.
        object: u64,
        /// The offset in it.
        offset: u64,
    },
}

const BUCKETS: usize = 64;

/// Nobody has woken the waiter.
const NOT_WOKEN: usize = usize::MAX;

struct Waiter {
    /// By which of its places, or [`NOT_WOKEN`].
    woken: AtomicUsize,
    queue: WaitQueue,
}

impl Waiter {
    fn woken(&self) -> Option<usize> {
        let place = self.woken.load(Ordering::Acquire);
        (place != NOT_WOKEN).then_some(place)
    }
}

/// Where a thread waits: a futex, and the bits of those who may wake it.
pub type Place = (Key, u32);

struct Entry {
    key: Key,
    bitset: u32,
    /// Which of the waiter's places this is.
    place: usize,
    waiter: Arc<Waiter>,
}

/// All futexes of the system.
pub struct Futexes {
    buckets: SpinLock<[Vec<Entry>; BUCKETS], IrqOff>,
}

impl Default for Futexes {
    fn default() -> Self {
        Self::new()
    }
}

/// Takes the waiter out of its queues when the wait ends.
struct Leave<'a> {
    futexes: &'a Futexes,
    waiter: &'a Arc<Waiter>,
    places: &'a [Place],
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        let mut left = self.places.len() - usize::from(self.waiter.woken().is_some());
        if left == 0 {
            return;
        }
        let mut buckets = self.futexes.buckets.lock();
        let mut leave = |bucket: &mut Vec<Entry>| {
            let before = bucket.len();
            bucket.retain(|entry| !Arc::ptr_eq(&entry.waiter, self.waiter));
            left -= before - bucket.len();
            left == 0
        };
        let mut own = self.places.iter();
        if own.any(|(key, _)| leave(&mut buckets[bucket_of(key)])) {
            return;
        }
        // Some were moved to other futexes, or woken beside the one that counts.
        let _ = buckets.iter_mut().any(leave);
    }
}

impl Key {
    /// A number below 64 that spreads keys.
    pub(crate) fn mixed(&self) -> usize {
        let (high, low) = match self {
            Key::Private { space, address } => (space, address),
            Key::Shared { object, offset } => (object, offset),
        };
        let mixed = (high ^ (low >> 2)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 58) as usize
    }
}

fn bucket_of(key: &Key) -> usize {
    key.mixed() % BUCKETS
}

impl Futexes {
    /// No waiters.
    pub const fn new() -> Futexes {
        Futexes {
            buckets: SpinLock::new(Rank::Futex, [const { Vec::new() }; BUCKETS]),
        }
    }

    /// Sleeps until it is woken with a bit of `bitset`. `unchanged` reads the
    /// user's value, may sleep, and says whether it is still the expected
    /// one. `EAGAIN` if it is not, `EINTR`, `ETIMEDOUT`, `ENOMEM`, and what
    /// `unchanged` fails with.
    pub fn wait(
        &self,
        key: Key,
        bitset: u32,
        deadline: Deadline,
        unchanged: impl FnOnce() -> Result<bool>,
    ) -> Result<()> {
        self.wait_any(&[(key, bitset)], deadline, unchanged)
            .map(drop)
    }

    /// As [`Self::wait`], at several places at once, of which there is at least one:
    /// which one woke it.
    pub fn wait_any(
        &self,
        places: &[Place],
        deadline: Deadline,
        unchanged: impl FnOnce() -> Result<bool>,
    ) -> Result<usize> {
        let waiter = try_arc(Waiter {
            woken: AtomicUsize::new(NOT_WOKEN),
            queue: WaitQueue::new(),
        })?;
        let _leave = Leave {
            futexes: self,
            waiter: &waiter,
            places,
        };
        for (place, &(key, bitset)) in places.iter().enumerate() {
            self.join(Entry {
                key,
                bitset,
                place,
                waiter: waiter.clone(),
            })?;
        }
        let same = unchanged()?;
        let woken = || waiter.woken();
        if !same {
            // A wake-up that already counted this waiter must not be lost.
            return woken().ok_or(Errno::EAGAIN);
        }
        match waiter.queue.wait_interruptible(deadline, woken) {
            Ok(place) => Ok(place),
            Err(WaitError::TimedOut) => woken().ok_or(Errno::ETIMEDOUT),
            Err(WaitError::Interrupted) => woken().ok_or(Errno::EINTR),
        }
    }

    fn join(&self, entry: Entry) -> Result<()> {
        let mut buckets = self.buckets.lock();
        let bucket = &mut buckets[bucket_of(&entry.key)];
        bucket.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        bucket.push(entry);
        Ok(())
    }

    /// Wakes up to `count` waiters that wait with a bit of `bitset`, the
    /// longest first; how many. Any context.
    pub fn wake(&self, key: Key, bitset: u32, count: u32) -> u32 {
        let mut woken = 0;
        while woken < count {
            let Some(waiter) = self.pop(key, bitset) else {
                break;
            };
            waiter.queue.wake_all();
            woken += 1;
        }
        woken
    }

    fn pop(&self, key: Key, bitset: u32) -> Option<Arc<Waiter>> {
        let mut buckets = self.buckets.lock();
        let bucket = &mut buckets[bucket_of(&key)];
        loop {
            let at = bucket
                .iter()
                .position(|entry| entry.key == key && entry.bitset & bitset != 0)?;
            let entry = bucket.remove(at);
            // One that waits at several places is woken once.
            if entry.waiter.woken().is_none() {
                entry.waiter.woken.store(entry.place, Ordering::Release);
                return Some(entry.waiter);
            }
        }
    }

    /// Wakes up to `wake` waiters of `from`, and moves up to `requeue` others
    /// to `to`; how many were woken and moved. `ENOMEM`.
    pub fn requeue(&self, from: Key, to: Key, wake: u32, requeue: u32) -> Result<(u32, u32)> {
        let woken = self.wake(from, u32::MAX, wake);
        let mut moved = 0;
        let mut buckets = self.buckets.lock();
        while moved < requeue {
            let target = &mut buckets[bucket_of(&to)];
            target.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            let source = &mut buckets[bucket_of(&from)];
            let Some(at) = source
                .iter()
                .position(|entry| entry.key == from && from != to)
            else {
                break;
            };
            let mut entry = source.remove(at);
            entry.key = to;
            buckets[bucket_of(&to)].push(entry);
            moved += 1;
        }
        Ok((woken, moved))
    }

    /// How many wait, for tests and reports.
    pub fn waiters(&self) -> usize {
        self.buckets.lock().iter().map(Vec::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use paddock_sync::{NO_DEADLINE, platform};
    use std::sync::atomic::AtomicU32;
    use std::thread;
    use std::time::Duration;

    fn key(address: u64) -> Key {
        Key::Private { space: 1, address }
    }

    fn wait_for_waiters(futexes: &Futexes, waiters: usize) {
        while futexes.waiters() != waiters {
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_changed_value_does_not_sleep() {
        let futexes = Futexes::new();
        assert_eq!(
            futexes.wait(key(4), 1, NO_DEADLINE, || Ok(false)),
            Err(Errno::EAGAIN)
        );
        assert_eq!(
            futexes.wait(key(4), 1, NO_DEADLINE, || Err(Errno::EFAULT)),
            Err(Errno::EFAULT)
        );
        let soon = platform::now() + 1_000_000;
        assert_eq!(
            futexes.wait(key(4), 1, soon, || Ok(true)),
            Err(Errno::ETIMEDOUT)
        );
        assert_eq!(futexes.waiters(), 0);
    }

    #[test]
    fn a_wake_up_while_the_value_is_read_counts() {
        let futexes = Futexes::new();
        let result = futexes.wait(key(4), 1, NO_DEADLINE, || {
            assert_eq!(futexes.wake(key(4), 1, 1), 1);
            Ok(false)
        });
        assert_eq!(result, Ok(()));
    }

    #[test]
    fn bitsets_choose() {
        let futexes = Arc::new(Futexes::new());
        let threads: Vec<_> = [1, 2]
            .map(|bitset| {
                let futexes = futexes.clone();
                thread::spawn(move || futexes.wait(key(8), bitset, NO_DEADLINE, || Ok(true)))
            })
            .into();
        wait_for_waiters(&futexes, 2);
        assert_eq!(futexes.wake(key(8), 2, 10), 1);
        assert_eq!(futexes.wake(key(8), 2, 10), 0);
        assert_eq!(futexes.wake(key(8), u32::MAX, 10), 1);
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap().unwrap());
    }

    #[test]
    fn requeued_waiters_wake_at_their_new_place_only() {
        let futexes = Arc::new(Futexes::new());
        let done = Arc::new(AtomicU32::new(0));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let (futexes, done) = (futexes.clone(), done.clone());
                thread::spawn(move || {
                    futexes
                        .wait(key(0x10), u32::MAX, NO_DEADLINE, || Ok(true))
                        .unwrap();
                    done.fetch_add(1, Ordering::SeqCst);
                })
            })
            .collect();
        wait_for_waiters(&futexes, 4);
        assert_eq!(futexes.requeue(key(0x10), key(0x20), 1, 10), Ok((1, 3)));
        assert_eq!(futexes.wake(key(0x10), u32::MAX, 10), 0);
        wait_for_waiters(&futexes, 3);
        assert_eq!(futexes.wake(key(0x20), u32::MAX, 10), 3);
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        assert_eq!(done.load(Ordering::SeqCst), 4);
        assert_eq!(futexes.waiters(), 0);
    }

    #[test]
    fn one_of_several_places_wakes() {
        let futexes = Arc::new(Futexes::new());
        let places: Vec<_> = (1..=3).map(|at| (key(at * 4), u32::MAX)).collect();
        let waits = |deadline| {
            let (futexes, places) = (futexes.clone(), places.clone());
            thread::spawn(move || futexes.wait_any(&places, deadline, || Ok(true)))
        };
        let first = waits(NO_DEADLINE);
        wait_for_waiters(&futexes, 3);
        let second = waits(NO_DEADLINE);
        wait_for_waiters(&futexes, 6);
        // What woke the first at one place does not go to it at another.
        assert_eq!(futexes.wake(key(8), 1, 1), 1);
        assert_eq!(futexes.requeue(key(4), key(40), 0, 2).unwrap().0, 0);
        assert_eq!(futexes.wake(key(40), 1, 1), 1);
        let woken = [first, second].map(|thread| thread.join().unwrap().unwrap());
        assert_eq!(woken, [1, 0]);
        assert_eq!(futexes.waiters(), 0);
        let soon = platform::now() + 1_000_000;
        assert_eq!(waits(soon).join().unwrap(), Err(Errno::ETIMEDOUT));
        assert_eq!(futexes.waiters(), 0);
    }

    #[test]
    fn a_mutex_built_on_it_excludes() {
        let shared = Arc::new((Futexes::new(), AtomicU32::new(0), AtomicU32::new(0)));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let shared = shared.clone();
                thread::spawn(move || {
                    let (futexes, lock, inside) = &*shared;
                    for _ in 0..2000 {
                        while lock.swap(2, Ordering::SeqCst) != 0 {
                            let same = || Ok(lock.load(Ordering::SeqCst) == 2);
                            let _ = futexes.wait(key(0), u32::MAX, NO_DEADLINE, same);
                        }
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        lock.store(0, Ordering::SeqCst);
                        futexes.wake(key(0), u32::MAX, 1);
                    }
                })
            })
            .collect();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    }
}
