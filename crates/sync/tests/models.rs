//! Models of the primitives: every interleaving of a few threads, or every one
//! with so many preemptions. Built with `--cfg loom`; `cargo xtask test --only
//! host` runs them and prints how many executions each took.

#![cfg(loom)]

use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;
use paddock_sync::{
    Context, Mutex, OnceCell, PreemptOff, Rank, RwLock, SpinLock, WaitError, WaitQueue, platform,
};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

/// Explores a model; `preemptions` is `None` for all interleavings.
fn explore(name: &str, preemptions: Option<usize>, model: impl Fn() + Sync + Send + 'static) {
    let executions = Arc::new(AtomicU64::new(0));
    let counted = executions.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound =
        std::env::var("BOUND").map_or(preemptions, |b| Some(b.parse().unwrap()));
    builder.max_branches = 10_000;
    let start = Instant::now();
    builder.check(move || {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        paddock_sync::begin();
        model();
    });
    let bound = match preemptions {
        None => "all interleavings".into(),
        Some(bound) => format!("at most {bound} preemptions"),
    };
    println!(
        "model {name}: {} executions ({bound}), {:.1} s",
        executions.load(std::sync::atomic::Ordering::Relaxed),
        start.elapsed().as_secs_f64()
    );
}

/// The running thread's context, with a priority.
fn with_priority(priority: u8) -> &'static Context {
    let context = platform::context();
    context.set_base_priority(priority);
    context
}

#[test]
fn spin_lock_excludes() {
    explore("spin lock, two threads", None, || {
        let counter = Arc::new(SpinLock::<_, PreemptOff>::new(Rank::Leaf, 0));
        let other = counter.clone();
        let thread = thread::spawn(move || *other.lock() += 1);
        *counter.lock() += 1;
        thread.join().unwrap();
        assert_eq!(*counter.lock(), 2);
    });
    explore("spin lock, try", None, || {
        let lock = Arc::new(SpinLock::<_, PreemptOff>::new(Rank::Leaf, 0));
        let other = lock.clone();
        let thread = thread::spawn(move || {
            if let Some(mut value) = other.try_lock() {
                *value += 1;
            }
        });
        *lock.lock() += 1;
        thread.join().unwrap();
        assert!((1..=2).contains(&*lock.lock()));
    });
}

#[test]
fn mutex_excludes_and_wakes() {
    explore("mutex, two threads twice", Some(5), || {
        let lock = Arc::new(Mutex::new(Rank::Inode, 0));
        let other = lock.clone();
        let thread = thread::spawn(move || {
            *other.lock() += 1;
            *other.lock() += 1;
        });
        *lock.lock() += 1;
        thread.join().unwrap();
        assert_eq!(*lock.lock(), 3);
    });
    explore("mutex, three threads", Some(3), || {
        let lock = Arc::new(Mutex::new(Rank::Inode, 0));
        let threads = [0, 1].map(|_| {
            let other = lock.clone();
            thread::spawn(move || *other.lock() += 1)
        });
        *lock.lock() += 1;
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        assert_eq!(*lock.lock(), 3);
    });
}

#[test]
fn a_waiter_is_passed_over_once() {
    explore("mutex, hand-over", Some(4), || {
        let lock = Arc::new(Mutex::new(Rank::Inode, 0));
        let queued = Arc::new(AtomicBool::new(false));
        let guard = lock.lock();
        let (other, announce) = (lock.clone(), queued.clone());
        let thread = thread::spawn(move || {
            announce.store(true, Ordering::Relaxed);
            *other.lock() += 1;
        });
        let waits = lock.meta().has_waiters();
        drop(guard);
        drop(lock.lock());
        let value = *lock.lock();
        assert!(!waits || value == 1, "passed over twice");
        thread.join().unwrap();
    });
}

#[test]
fn what_is_lent_is_taken_back() {
    explore("mutex, lending", Some(5), || {
        let own = with_priority(2);
        let lock = Arc::new(Mutex::new(Rank::Inode, ()));
        let other = lock.clone();
        let thread = thread::spawn(move || {
            let own = with_priority(1);
            drop(other.lock());
            assert_eq!(own.priority(), 1);
        });
        drop(lock.lock());
        assert_eq!(own.priority(), 2);
        thread.join().unwrap();
    });
    // The first holds what the second waits for, which holds what the third
    // waits for. Each context asserts at its end that nothing is lent to it.
    explore("mutexes, chain of lending", Some(3), || {
        with_priority(3);
        let first = Arc::new(Mutex::new(Rank::AddressSpace, ()));
        let second = Arc::new(Mutex::new(Rank::Rename, ()));
        let (a, b) = (first.clone(), second.clone());
        let middle = thread::spawn(move || {
            let own = with_priority(2);
            let outer = a.lock();
            drop(b.lock());
            drop(outer);
            assert_eq!(own.priority(), 2);
        });
        let urgent = thread::spawn(move || {
            with_priority(1);
            drop(first.lock());
        });
        drop(second.lock());
        middle.join().unwrap();
        urgent.join().unwrap();
    });
}

#[test]
fn readers_and_writers_agree() {
    explore("rwlock, reader and writer", Some(5), || {
        let lock = Arc::new(RwLock::new(Rank::MountTable, 0));
        let other = lock.clone();
        let thread = thread::spawn(move || *other.write() += 1);
        let seen = *lock.read();
        assert!(seen <= 1);
        thread.join().unwrap();
        assert_eq!(*lock.read(), 1);
    });
    explore("rwlock, reader and two writers", Some(3), || {
        let lock = Arc::new(RwLock::new(Rank::MountTable, 0));
        let threads = [0, 1].map(|_| {
            let other = lock.clone();
            thread::spawn(move || *other.write() += 1)
        });
        assert!(*lock.read() <= 2);
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        assert_eq!(*lock.read(), 2);
    });
    explore("rwlock, two readers and a writer", Some(3), || {
        let lock = Arc::new(RwLock::new(Rank::MountTable, 0));
        let threads = [0, 1].map(|_| {
            let other = lock.clone();
            thread::spawn(move || assert!(*other.read() <= 1))
        });
        *lock.write() += 1;
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    });
}

/// A flag and those who wait for it.
struct Gate {
    open: AtomicUsize,
    queue: WaitQueue,
}

impl Gate {
    fn new() -> Arc<Self> {
        Arc::new(Gate {
            open: AtomicUsize::new(0),
            queue: WaitQueue::new(),
        })
    }

    /// One may pass, and one is told.
    fn let_one_pass(&self) {
        self.open.fetch_add(1, Ordering::Release);
        self.queue.wake_one();
    }

    fn pass(&self) -> Option<()> {
        let less = |left: usize| left.checked_sub(1);
        self.open
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, less)
            .ok()
            .map(drop)
    }
}

#[test]
fn no_wake_up_is_lost() {
    explore("wait queue, one waiter", Some(5), || {
        let gate = Gate::new();
        let other = gate.clone();
        let thread = thread::spawn(move || other.queue.wait_until(|| other.pass()));
        gate.let_one_pass();
        thread.join().unwrap();
        assert!(!gate.queue.has_waiters());
    });
    explore("wait queue, two waiters, all woken", Some(3), || {
        let gate = Gate::new();
        let threads = [0, 1].map(|_| {
            let other = gate.clone();
            thread::spawn(move || other.queue.wait_until(|| other.pass()))
        });
        gate.open.store(2, Ordering::Release);
        gate.queue.wake_all();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn a_wake_up_that_is_not_needed_is_passed_on() {
    explore("wait queue, two waiters, woken one by one", Some(2), || {
        let gate = Gate::new();
        let threads = [0, 1].map(|_| {
            let other = gate.clone();
            thread::spawn(move || other.queue.wait_until(|| other.pass()))
        });
        gate.let_one_pass();
        gate.let_one_pass();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn a_deadline_takes_no_wake_up_along() {
    explore("wait queue, deadline and wake-up", Some(2), || {
        let gate = Gate::new();
        let (hasty, patient) = (gate.clone(), gate.clone());
        let hasty = thread::spawn(move || hasty.queue.wait_deadline(1, || hasty.pass()));
        let patient = thread::spawn(move || patient.queue.wait_until(|| patient.pass()));
        gate.let_one_pass();
        match hasty.join().unwrap() {
            Ok(()) => gate.let_one_pass(),
            Err(error) => assert_eq!(error, WaitError::TimedOut),
        }
        patient.join().unwrap();
    });
}

#[test]
fn a_dropped_registration_takes_no_wake_up_along() {
    explore("wait queue, dropped registration", Some(3), || {
        let gate = Gate::new();
        let other = gate.clone();
        let patient = thread::spawn(move || other.queue.wait_until(|| other.pass()));
        let waker = platform::current_waker();
        let registration = gate.queue.register(&waker).unwrap();
        let waking = gate.clone();
        let other = thread::spawn(move || waking.let_one_pass());
        drop(registration);
        patient.join().unwrap();
        other.join().unwrap();
    });
}

#[test]
fn a_cell_is_set_once() {
    explore("once cell, two setters and a reader", None, || {
        let cell = Arc::new(OnceCell::new());
        let setters = [1, 2].map(|value| {
            let cell = cell.clone();
            thread::spawn(move || cell.set(value).is_ok())
        });
        let seen = cell.get().copied();
        let won = setters.map(|setter| setter.join().unwrap());
        assert!(won[0] != won[1]);
        let value = if won[0] { 1 } else { 2 };
        assert_eq!(cell.get(), Some(&value));
        assert!(seen.is_none_or(|seen| seen == value));
    });
}
