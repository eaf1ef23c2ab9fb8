use super::*;
use paddock_sync::{NO_DEADLINE, platform};
use std::sync::atomic::AtomicU32;
use std::thread;
use std::time::Duration;

struct Plain(AtomicU32);

impl Word for Plain {
    fn load(&self) -> Result<u32> {
        Ok(self.0.load(Ordering::SeqCst))
    }

    fn exchange(&self, old: u32, new: u32) -> Result<u32> {
        let order = Ordering::SeqCst;
        let found = self.0.compare_exchange(old, new, order, order);
        Ok(found.unwrap_or_else(|found| found))
    }
}

impl Plain {
    fn value(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}

/// The locks, and the word of one.
type Shared = (PiFutexes, Plain);
/// A thread that takes it.
type Taker = thread::JoinHandle<Result<()>>;

struct Bad;

impl Word for Bad {
    fn load(&self) -> Result<u32> {
        Err(Errno::EFAULT)
    }

    fn exchange(&self, _: u32, _: u32) -> Result<u32> {
        Err(Errno::EFAULT)
    }
}

const KEY: Key = Key::Private {
    space: 1,
    address: 64,
};

fn there(_: u32) -> bool {
    true
}

fn new() -> Arc<Shared> {
    Arc::new((PiFutexes::new(), Plain(AtomicU32::new(0))))
}

/// Has a thread with that number take the lock.
fn taker(shared: &Arc<Shared>, tid: u32) -> Taker {
    let shared = shared.clone();
    thread::spawn(move || {
        let (futexes, word) = &*shared;
        futexes.lock(KEY, tid, word, Some(NO_DEADLINE), there)
    })
}

fn wait_for(shared: &Shared, waiters: usize) {
    let count = || {
        let locks = shared.0.bucket(&KEY).lock();
        locks.iter().map(|lock| lock.waiters.len()).sum::<usize>()
    };
    while count() != waiters {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Seven has the lock; eight waits for it, and nine behind that.
fn two_wait_for_seven() -> (Arc<Shared>, [Taker; 2]) {
    let shared = new();
    let (futexes, word) = &*shared;
    futexes.lock(KEY, 7, word, None, there).unwrap();
    let first = taker(&shared, 8);
    wait_for(&shared, 1);
    let second = taker(&shared, 9);
    wait_for(&shared, 2);
    (shared, [first, second])
}

#[test]
fn without_others_only_the_word_says_whose_it_is() {
    let shared = new();
    let (futexes, word) = &*shared;
    assert_eq!(futexes.lock(KEY, 7, word, None, there), Ok(()));
    assert_eq!(word.value(), 7);
    assert_eq!(futexes.lock(KEY, 7, word, None, there), Err(Errno::EDEADLK));
    assert_eq!(futexes.lock(KEY, 8, word, None, there), Err(Errno::EAGAIN));
    assert_eq!(
        futexes.lock(KEY, 8, word, None, |_| false),
        Err(Errno::ESRCH)
    );
    assert_eq!(futexes.unlock(KEY, 8, word), Err(Errno::EPERM));
    assert_eq!(futexes.unlock(KEY, 7, word), Ok(()));
    assert_eq!(word.value(), 0);
    word.0.store(FUTEX_OWNER_DIED, Ordering::SeqCst);
    assert_eq!(futexes.lock(KEY, 8, word, None, there), Ok(()));
    assert_eq!(word.value(), 8 | FUTEX_OWNER_DIED);
    assert_eq!(futexes.lock(KEY, 8, &Bad, None, there), Err(Errno::EFAULT));
    assert_eq!(futexes.unlock(KEY, 8, &Bad), Err(Errno::EFAULT));
    assert_eq!(futexes.contended(), 0);
}

#[test]
fn a_time_that_is_over_leaves_nothing() {
    let shared = new();
    let (futexes, word) = &*shared;
    futexes.lock(KEY, 7, word, None, there).unwrap();
    let soon = platform::now() + 1_000_000;
    let late = futexes.lock(KEY, 8, word, Some(soon), there);
    assert_eq!(late, Err(Errno::ETIMEDOUT));
    assert_eq!(futexes.contended(), 0);
    assert_eq!(futexes.unlock(KEY, 7, word), Ok(()));
    assert_eq!(word.value(), 0);
}

#[test]
fn it_goes_to_who_has_waited_longest() {
    let (shared, [first, second]) = two_wait_for_seven();
    let (futexes, word) = &*shared;
    futexes.unlock(KEY, 7, word).unwrap();
    assert_eq!(word.value(), 8 | FUTEX_WAITERS);
    assert_eq!(first.join().unwrap(), Ok(()));
    assert_eq!(futexes.lock(KEY, 7, word, None, there), Err(Errno::EAGAIN));
    futexes.unlock(KEY, 8, word).unwrap();
    assert_eq!(word.value(), 9);
    assert_eq!(second.join().unwrap(), Ok(()));
    futexes.unlock(KEY, 9, word).unwrap();
    assert_eq!((word.value(), futexes.contended()), (0, 0));
}

#[test]
fn an_owners_end_passes_it_on() {
    let (shared, [first, second]) = two_wait_for_seven();
    let (futexes, word) = &*shared;
    futexes.ended(7);
    assert_eq!(first.join().unwrap(), Ok(()));
    assert_eq!(word.value(), 8 | FUTEX_OWNER_DIED | FUTEX_WAITERS);
    futexes.ended(8);
    assert_eq!(second.join().unwrap(), Ok(()));
    assert_eq!(word.value(), 9 | FUTEX_OWNER_DIED);
    futexes.unlock(KEY, 9, word).unwrap();
    assert_eq!((word.value(), futexes.contended()), (0, 0));
}

#[test]
fn one_that_ends_before_it_knows_is_noticed() {
    let shared = new();
    let (futexes, word) = &*shared;
    word.0.store(7, Ordering::SeqCst);
    let asked = AtomicU32::new(0);
    // It is there when it is looked for, and gone once the waiter is in the queue.
    let notice = |_| asked.fetch_add(1, Ordering::SeqCst) == 0;
    assert_eq!(
        futexes.lock(KEY, 8, word, Some(NO_DEADLINE), notice),
        Ok(())
    );
    assert_eq!(word.value(), 8 | FUTEX_OWNER_DIED);
    assert_eq!(futexes.contended(), 0);
}

#[test]
fn one_that_gave_it_up_and_ended_is_no_error() {
    let shared = new();
    let (futexes, word) = &*shared;
    word.0.store(7, Ordering::SeqCst);
    let notice = |_| {
        word.0.store(0, Ordering::SeqCst);
        false
    };
    assert_eq!(futexes.lock(KEY, 8, word, None, notice), Ok(()));
    assert_eq!(word.value(), 8);
}

#[test]
fn it_excludes() {
    let shared = new();
    let inside = Arc::new(AtomicU32::new(0));
    let threads: Vec<_> = (1..5)
        .map(|tid| {
            let (shared, inside) = (shared.clone(), inside.clone());
            thread::spawn(move || {
                let (futexes, word) = &*shared;
                for _ in 0..2000 {
                    let wait = Some(NO_DEADLINE);
                    futexes.lock(KEY, tid, word, wait, there).unwrap();
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    inside.fetch_sub(1, Ordering::SeqCst);
                    futexes.unlock(KEY, tid, word).unwrap();
                }
            })
        })
        .collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    assert_eq!((shared.1.value(), shared.0.contended()), (0, 0));
}
