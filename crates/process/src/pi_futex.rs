//! Futexes that are handed from owner to owner (futex(2), "Priority-inheritance
//! futexes"): locks whose word is the number of the thread that has them.
//!
//! While somebody waits, the queue here says who is next, and an unlock gives the lock
//! to that one and to nobody else. All threads here share one class, so that there is no
//! priority to lend: what is kept of the protocol is the hand-over, and that an owner's
//! end passes the lock on.

use crate::futex::Key;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU8, Ordering};
use paddock_abi::mman::{FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS};
use paddock_abi::{Errno, Result};
use paddock_sync::{Deadline, Mutex, Rank, WaitError, WaitQueue, try_arc};

/// A user's word. Its calls may sleep, and fail with `EFAULT`.
pub trait Word {
    /// What is in it.
    fn load(&self) -> Result<u32>;

    /// Puts `new` there if `old` is there; what was.
    fn exchange(&self, old: u32, new: u32) -> Result<u32>;
}

/// Changes a word; what was there.
fn update(word: &impl Word, change: impl Fn(u32) -> Result<u32>) -> Result<u32> {
    let mut old = word.load()?;
    loop {
        let found = word.exchange(old, change(old)?)?;
        if found == old {
            return Ok(old);
        }
        old = found;
    }
}

/// What a waiter has come to.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Waits,
    /// It has the lock, and its number is in the word.
    Has,
    /// It has the lock of one who has ended, and writes its number itself: the word is
    /// in its memory.
    Inherits,
}

struct Waiter {
    tid: u32,
    turn: AtomicU8,
    queue: WaitQueue,
}

impl Waiter {
    fn is_granted(&self) -> Option<()> {
        (self.turn.load(Ordering::Acquire) != Turn::Waits as u8).then_some(())
    }

    fn grant(&self, turn: Turn) {
        self.turn.store(turn as u8, Ordering::Release);
        self.queue.wake_all();
    }
}

/// A lock for which somebody waits, or whose heir has not come yet.
struct Contended {
    key: Key,
    owner: u32,
    waiters: VecDeque<Arc<Waiter>>,
    has_heir: bool,
}

const BUCKETS: usize = 16;

/// All such locks of the system.
pub struct PiFutexes([Mutex<Vec<Contended>>; BUCKETS]);

impl Default for PiFutexes {
    fn default() -> Self {
        Self::new()
    }
}

fn position(locks: &[Contended], key: Key) -> Option<usize> {
    locks.iter().position(|lock| lock.key == key)
}

fn waiters_bit(lock: &Contended) -> u32 {
    if lock.waiters.is_empty() {
        0
    } else {
        FUTEX_WAITERS
    }
}

impl PiFutexes {
    /// None.
    pub const fn new() -> PiFutexes {
        PiFutexes([const { Mutex::new(Rank::PiFutex, Vec::new()) }; BUCKETS])
    }

    fn bucket(&self, key: &Key) -> &Mutex<Vec<Contended>> {
        &self.0[key.mixed() % BUCKETS]
    }

    /// Takes the lock for thread `tid`, or, unless there is a deadline in `wait`, does not
    /// wait for it. `notice` is told who will have to be waited for; it says whether that
    /// thread is there, and has [`Self::ended`] called when it ends. Sleeps.
    ///
    /// # Errors
    /// `EDEADLK` if it has it already, `EAGAIN` if it would wait and must not, `ESRCH` if
    /// the owner is no thread, `ETIMEDOUT`, `EINTR`, `ENOMEM`, `EFAULT`.
    pub fn lock(
        &self,
        key: Key,
        tid: u32,
        word: &impl Word,
        wait: Option<Deadline>,
        notice: impl Fn(u32) -> bool,
    ) -> Result<()> {
        let (waiter, owner) = loop {
            let seen = word.load()?;
            let owner = seen & FUTEX_TID_MASK;
            if owner == tid {
                return Err(Errno::EDEADLK);
            }
            let is_there = owner == 0 || notice(owner);
            let mut locks = self.bucket(&key).lock();
            let known = position(&locks, key);
            if known.is_none() && owner == 0 {
                let taken = (seen & FUTEX_OWNER_DIED) | tid;
                if word.exchange(seen, taken)? == seen {
                    return Ok(());
                }
                continue;
            }
            if known.is_none() && !is_there {
                // It may have given the lock up before it ended.
                if word.load()? != seen {
                    continue;
                }
                return Err(Errno::ESRCH);
            }
            if wait.is_none() {
                return Err(Errno::EAGAIN);
            }
            if known.is_none() && word.exchange(seen, seen | FUTEX_WAITERS)? != seen {
                continue;
            }
            break (enqueue(&mut locks, known, key, owner, tid)?, owner);
        };
        if owner != 0 && !notice(owner) {
            // It ended before it could know that somebody waits.
            self.ended(owner);
        }
        let deadline = wait.unwrap_or(0);
        let waited = waiter
            .queue
            .wait_interruptible(deadline, || waiter.is_granted());
        self.take_turn(key, &waiter, word, waited)
    }

    /// Ends a wait, be it with the lock or without.
    fn take_turn(
        &self,
        key: Key,
        waiter: &Arc<Waiter>,
        word: &impl Word,
        waited: core::result::Result<(), WaitError>,
    ) -> Result<()> {
        let mut locks = self.bucket(&key).lock();
        let turn = waiter.turn.load(Ordering::Acquire);
        if turn == Turn::Has as u8 {
            return Ok(());
        }
        let Some(at) = position(&locks, key) else {
            return Err(Errno::EINTR);
        };
        let lock = &mut locks[at];
        let result = if turn == Turn::Inherits as u8 {
            lock.has_heir = false;
            let own = waiter.tid | FUTEX_OWNER_DIED | waiters_bit(lock);
            update(word, |_| Ok(own)).map(drop)
        } else {
            lock.waiters.retain(|other| !Arc::ptr_eq(other, waiter));
            Err(match waited {
                Err(WaitError::TimedOut) => Errno::ETIMEDOUT,
                _ => Errno::EINTR,
            })
        };
        if lock.waiters.is_empty() && !lock.has_heir {
            locks.swap_remove(at);
        }
        result
    }

    /// Gives the lock of thread `tid` up, to who has waited longest if anybody has.
    ///
    /// # Errors
    /// `EPERM` if it is not its own, `EFAULT`.
    pub fn unlock(&self, key: Key, tid: u32, word: &impl Word) -> Result<()> {
        let mut locks = self.bucket(&key).lock();
        let known = position(&locks, key);
        let next = known.and_then(|at| {
            let waiters = &locks[at].waiters;
            let more = if waiters.len() > 1 { FUTEX_WAITERS } else { 0 };
            waiters.front().map(|first| first.tid | more)
        });
        update(word, |old| match old & FUTEX_TID_MASK == tid {
            true => Ok(next.unwrap_or(0)),
            false => Err(Errno::EPERM),
        })?;
        if let Some(at) = known {
            pass_on(&mut locks, at, Turn::Has);
        }
        Ok(())
    }

    /// Thread `tid` has ended: the locks that it had and somebody waits for go to who has
    /// waited longest.
    pub fn ended(&self, tid: u32) {
        for bucket in &self.0 {
            let mut locks = bucket.lock();
            let mut at = 0;
            while at < locks.len() {
                if locks[at].owner == tid && !locks[at].has_heir {
                    pass_on(&mut locks, at, Turn::Inherits);
                }
                at += 1;
            }
        }
    }

    /// How many locks somebody waits for, for tests and reports.
    pub fn contended(&self) -> usize {
        self.0.iter().map(|bucket| bucket.lock().len()).sum()
    }
}

/// Has `tid` wait for the lock, which `owner` has if nobody waits for it yet. `ENOMEM`.
fn enqueue(
    locks: &mut Vec<Contended>,
    known: Option<usize>,
    key: Key,
    owner: u32,
    tid: u32,
) -> Result<Arc<Waiter>> {
    let waiter = try_arc(Waiter {
        tid,
        turn: AtomicU8::new(Turn::Waits as u8),
        queue: WaitQueue::new(),
    })?;
    if let Some(at) = known {
        let lock = &mut locks[at];
        if lock.owner == tid {
            return Err(Errno::EDEADLK);
        }
        lock.waiters.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        lock.waiters.push_back(waiter.clone());
        return Ok(waiter);
    }
    let mut waiters = VecDeque::new();
    waiters.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
    waiters.push_back(waiter.clone());
    locks.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
    locks.push(Contended {
        key,
        owner,
        waiters,
        has_heir: false,
    });
    Ok(waiter)
}

/// Gives a lock to its first waiter.
fn pass_on(locks: &mut Vec<Contended>, at: usize, turn: Turn) {
    let lock = &mut locks[at];
    let Some(first) = lock.waiters.pop_front() else {
        return;
    };
    lock.owner = first.tid;
    lock.has_heir = turn == Turn::Inherits;
    first.grant(turn);
    if lock.waiters.is_empty() && !lock.has_heir {
        locks.swap_remove(at);
    }
}

#[cfg(test)]
mod tests;
