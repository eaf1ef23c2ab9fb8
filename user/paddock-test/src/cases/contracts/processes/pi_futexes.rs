//! futex(2): locks that are handed from owner to owner (FUTEX_LOCK_PI and its kin).
use crate::cases::contracts::prelude::*;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::thread::scope;

const WAITERS: u32 = 0x8000_0000;
const OWNER_DIED: u32 = 0x4000_0000;
const NUMBER: u32 = 0x3fff_ffff;
const LOCK_PI2: i32 = 13;

fn futex(word: &AtomicU32, what: i32, time: usize) -> Result<i64, Errno> {
    raw!(
        SYS_futex,
        word.as_ptr(),
        what | FUTEX_PRIVATE_FLAG,
        0,
        time,
        0,
        0
    )
}

fn lock(word: &AtomicU32) -> Result<i64, Errno> {
    futex(word, FUTEX_LOCK_PI, 0)
}

fn unlock(word: &AtomicU32) -> Result<i64, Errno> {
    futex(word, FUTEX_UNLOCK_PI, 0)
}

fn own() -> u32 {
    sys::tid() as u32
}

/// Waits until somebody waits for the lock.
fn contended(word: &AtomicU32) -> Result<(), Errno> {
    sys::until(|| word.load(SeqCst) & WAITERS != 0)
}

pub fn run(t: &mut Report) -> Outcome {
    let word = AtomicU32::new(0);
    t.same("a lock", lock(&word), Ok(0));
    t.same("has its owner's number", word.load(SeqCst), own());
    t.refused("twice", lock(&word), EDEADLK);
    t.refused("nor tried", futex(&word, FUTEX_TRYLOCK_PI, 0), EDEADLK);
    t.same("unlocked", unlock(&word), Ok(0));
    t.same("it is nobody's", word.load(SeqCst), 0);
    t.refused("which is not unlocked", unlock(&word), EPERM);
    t.same("tried", futex(&word, FUTEX_TRYLOCK_PI, 0), Ok(0));
    t.same("it is had", word.swap(0x3fff_fff0, SeqCst), own());
    t.refused("one that nobody has", lock(&word), ESRCH);
    t.refused("nor unlocked", unlock(&word), EPERM);
    word.store(OWNER_DIED, SeqCst);
    t.same("one whose owner died", lock(&word), Ok(0));
    t.same("that is seen", word.load(SeqCst), own() | OWNER_DIED);
    t.same("until it is unlocked", unlock(&word), Ok(0));
    t.same("by all", word.load(SeqCst), 0);
    let odd = word.as_ptr() as usize + 1;
    t.refused(
        "an odd word",
        raw!(SYS_futex, odd, FUTEX_LOCK_PI, 0, 0, 0, 0),
        EINVAL,
    );
    t.refused(
        "nowhere",
        raw!(SYS_futex, 8, FUTEX_LOCK_PI, 0, 0, 0, 0),
        EFAULT,
    );
    waits(t)?;
    handed_over(t)?;
    left_behind(t)?;
    mutexes(t);
    Ok(())
}

/// One that another has is not got, and not waited for beyond the time.
fn waits(t: &mut Report) -> Outcome {
    let word = AtomicU32::new(0);
    lock(&word)?;
    let long_ago = time(1, 0);
    let past = &raw const long_ago as usize;
    let results = scope(|scope| {
        let other = scope.spawn(|| {
            let tried = futex(&word, FUTEX_TRYLOCK_PI, 0);
            let clocks = [FUTEX_LOCK_PI, LOCK_PI2, LOCK_PI2 | FUTEX_CLOCK_REALTIME];
            let late = clocks.map(|clock| futex(&word, clock, past));
            (tried, late, unlock(&word))
        });
        other.join()
    });
    let (tried, late, unlocked) = results.map_err(|_| "a thread panicked")?;
    t.refused("tried by another", tried, EAGAIN);
    t.refused("unlocked by another", unlocked, EPERM);
    t.same("a time that is over", late, [Err(Errno(ETIMEDOUT)); 3]);
    t.same("unlocked after that", unlock(&word), Ok(0));
    t.same("there is nobody", word.load(SeqCst), 0);
    Ok(())
}

/// An unlock gives it to who waits, not to who comes.
fn handed_over(t: &mut Report) -> Outcome {
    let word = AtomicU32::new(0);
    let next = AtomicU32::new(0);
    lock(&word)?;
    let got = scope(|scope| {
        let waiter = scope.spawn(|| {
            next.store(own(), SeqCst);
            let got = lock(&word);
            let value = word.load(SeqCst) & NUMBER;
            // So that it is seen before it is free again.
            let seen = sys::until(|| next.load(SeqCst) == 0);
            (got, value == own(), seen, unlock(&word))
        });
        contended(&word)?;
        let tid = next.load(SeqCst);
        unlock(&word)?;
        let owner = word.load(SeqCst) & NUMBER;
        let tried = futex(&word, FUTEX_TRYLOCK_PI, 0);
        next.store(0, SeqCst);
        Ok::<_, Errno>((tid == owner, tried, waiter.join()))
    })?;
    let (is_theirs, tried, waiter) = got;
    t.check("the word has the waiter's number at once", is_theirs);
    t.refused("it is not to be had", tried, EAGAIN);
    let (got, is_own, seen, unlocked) = waiter.map_err(|_| "a thread panicked")?;
    seen?;
    t.same("who waited has it", got, Ok(0));
    t.check("with its own number", is_own);
    t.same("and gives it up", unlocked, Ok(0));
    t.same("it is free", word.load(SeqCst) & NUMBER, 0);
    let count = AtomicU32::new(0);
    scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    if lock(&word).is_ok() {
                        let value = count.load(SeqCst);
                        // SAFETY: has no conditions.
                        unsafe { sched_yield() };
                        count.store(value + 1, SeqCst);
                        let _ = unlock(&word);
                    }
                }
            });
        }
    });
    t.same("it excludes", count.load(SeqCst), 800);
    Ok(())
}

/// The end of its owner gives it to who waits, who is told.
fn left_behind(t: &mut Report) -> Outcome {
    let word = AtomicU32::new(0);
    let is_had = AtomicU32::new(0);
    let got = scope(|scope| {
        scope.spawn(|| {
            is_had.store(u32::from(lock(&word).is_ok()) + 1, SeqCst);
            // Ends with the lock as soon as it is waited for.
            let _ = contended(&word);
        });
        sys::until(|| is_had.load(SeqCst) != 0)?;
        lock(&word)
    });
    t.same("the owner ends", got, Ok(0));
    let value = word.load(SeqCst);
    t.same("that is told", value & !WAITERS, own() | OWNER_DIED);
    t.same("unlocked by the heir", unlock(&word), Ok(0));
    Ok(())
}

/// Mutexes of pthreads that are made of it.
fn mutexes(t: &mut Report) {
    // SAFETY: both are initialised before they are used, and stay where they are.
    let made = unsafe {
        let mut kind: pthread_mutexattr_t = std::mem::zeroed();
        let mut mutex: pthread_mutex_t = std::mem::zeroed();
        pthread_mutexattr_init(&raw mut kind);
        let protocol = pthread_mutexattr_setprotocol(&raw mut kind, PTHREAD_PRIO_INHERIT);
        let made = pthread_mutex_init(&raw mut mutex, &raw const kind);
        let locked = pthread_mutex_lock(&raw mut mutex);
        let unlocked = pthread_mutex_unlock(&raw mut mutex);
        [protocol, made, locked, unlocked]
    };
    t.same("a mutex of pthreads", made, [0; 4]);
}
