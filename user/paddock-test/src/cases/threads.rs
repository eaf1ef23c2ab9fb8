//! Threads: futexes, locks, thread-local data, ends.

use std::cell::Cell;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex, RwLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::Outcome;
use crate::report::Report;
use crate::sys::{self, End, call};

pub fn run(report: &mut Report, _: &[String]) -> Outcome {
    counting(report);
    meeting(report);
    handing_over(report);
    local_data(report);
    many(report);
    futex(report);
    ends(report)
}

fn counting(report: &mut Report) {
    let count = Arc::new(Mutex::new(0u64));
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let count = count.clone();
            thread::spawn(move || {
                for _ in 0..5_000 {
                    *count.lock().unwrap() += 1;
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|t| t.join().unwrap());
    report.same("a lock counts right", *count.lock().unwrap(), 40_000);

    let table = RwLock::new(vec![0u32; 64]);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let all = table.read().unwrap();
                    assert!(all.iter().all(|value| *value == all[0]));
                    drop(all);
                    table.write().unwrap().iter_mut().for_each(|v| *v += 1);
                }
            });
        }
    });
    report.same("readers and writers", table.read().unwrap()[63], 2_000);
}

fn meeting(report: &mut Report) {
    let barrier = Barrier::new(6);
    let rounds = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for round in 0..100 {
                    barrier.wait();
                    assert!(rounds.load(Ordering::SeqCst) >= round * 6);
                    rounds.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    report.same("a barrier", rounds.load(Ordering::SeqCst), 600);
}

fn handing_over(report: &mut Report) {
    let (to, from) = mpsc::sync_channel(1);
    let sender = thread::spawn(move || (0..2_000u64).for_each(|n| to.send(n).unwrap()));
    let sum: u64 = from.iter().sum();
    sender.join().unwrap();
    report.same("a channel", sum, 1_999_000);

    let pair = (Mutex::new(false), Condvar::new());
    thread::scope(|scope| {
        scope.spawn(|| {
            sys::sleep_ms(20);
            *pair.0.lock().unwrap() = true;
            pair.1.notify_one();
        });
        let mut done = pair.0.lock().unwrap();
        while !*done {
            done = pair.1.wait(done).unwrap();
        }
    });
    report.check("a condition", *pair.0.lock().unwrap());

    let begin = Instant::now();
    let guard = pair.0.lock().unwrap();
    let (_guard, result) = pair
        .1
        .wait_timeout(guard, Duration::from_millis(30))
        .unwrap();
    let late = begin.elapsed() >= Duration::from_millis(30);
    report.check("a condition that never comes", result.timed_out() && late);
}

static DROPPED: AtomicU32 = AtomicU32::new(0);

struct Dropped;

impl Drop for Dropped {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Ordering::SeqCst);
    }
}

thread_local! {
    static OWN: Cell<usize> = const { Cell::new(7) };
    static DROPS: Dropped = const { Dropped };
}

fn local_data(report: &mut Report) {
    OWN.set(1);
    let threads: Vec<_> = (10..20)
        .map(|n| {
            thread::spawn(move || {
                DROPS.with(|_| ());
                let fresh = OWN.get() == 7;
                OWN.set(n);
                thread::yield_now();
                sys::sleep_ms(5);
                fresh && OWN.get() == n
            })
        })
        .collect();
    let good = threads.into_iter().all(|t| t.join().unwrap());
    report.check(
        "thread-local data is a thread's own",
        good && OWN.get() == 1,
    );
    report.same("and is dropped with it", DROPPED.load(Ordering::SeqCst), 10);
}

fn many(report: &mut Report) {
    let main = call!(libc::syscall(libc::SYS_gettid));
    report.same(
        "the first thread's number",
        main,
        Ok(i64::from(std::process::id())),
    );
    let mut numbers = HashSet::new();
    for _ in 0..10 {
        let threads: Vec<_> = (0..10)
            .map(|_| thread::spawn(|| call!(libc::syscall(libc::SYS_gettid))))
            .collect();
        for thread in threads {
            numbers.insert(thread.join().unwrap().unwrap_or(-1));
        }
    }
    report.check(
        "a hundred threads",
        !numbers.contains(&-1) && numbers.len() >= 10,
    );
    let parked = thread::spawn(thread::park);
    sys::sleep_ms(10);
    parked.thread().unpark();
    report.check("park and unpark", parked.join().is_ok());
    let panicked = thread::Builder::new().stack_size(256 << 10).spawn(|| 5);
    report.same(
        "a stack of its own size",
        panicked.unwrap().join().ok(),
        Some(5),
    );
}

fn futex_call(word: &AtomicU32, operation: i32, value: u32, ns: i64) -> Result<i64, sys::Errno> {
    let time = libc::timespec {
        tv_sec: 0,
        tv_nsec: ns,
    };
    call!(libc::syscall(
        libc::SYS_futex,
        word.as_ptr(),
        operation | libc::FUTEX_PRIVATE_FLAG,
        value,
        &raw const time,
    ))
}

fn futex(report: &mut Report) {
    let word = AtomicU32::new(1);
    let other = futex_call(&word, libc::FUTEX_WAIT, 2, 0);
    report.refused("another value", other, libc::EAGAIN);
    let late = futex_call(&word, libc::FUTEX_WAIT, 1, 5_000_000);
    report.refused("nobody wakes", late, libc::ETIMEDOUT);
    report.same(
        "nobody waits",
        futex_call(&word, libc::FUTEX_WAKE, 9, 0),
        Ok(0),
    );
    let bad = call!(libc::syscall(libc::SYS_futex, &raw const word, 99, 1, 0));
    report.refused("an unknown operation", bad, libc::ENOSYS);
    let crooked = word.as_ptr().wrapping_byte_add(1);
    let bad = call!(libc::syscall(
        libc::SYS_futex,
        crooked,
        libc::FUTEX_WAKE,
        1,
        0
    ));
    report.refused("an odd address", bad, libc::EINVAL);
    let woken = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while word.load(Ordering::SeqCst) == 1 {
                    let _ = futex_call(&word, libc::FUTEX_WAIT, 1, 900_000_000);
                }
                woken.fetch_add(1, Ordering::SeqCst);
            });
        }
        sys::sleep_ms(20);
        word.store(0, Ordering::SeqCst);
        let _ = futex_call(&word, libc::FUTEX_WAKE, 99, 0);
    });
    report.same("four are woken", woken.load(Ordering::SeqCst), 4);
}

/// A process ends with all its threads, whichever of them ends it.
fn ends(report: &mut Report) -> Outcome {
    let end = sys::in_child(|| {
        thread::spawn(|| std::process::exit(9));
        loop {
            sys::sleep_ms(1_000);
        }
    })?;
    report.same("exit in a thread", end, End::Exited(9));
    let end = sys::in_child(|| {
        thread::spawn(|| super::fault::touch(0));
        // SAFETY: the default action needs nothing of ours.
        unsafe { libc::signal(libc::SIGSEGV, libc::SIG_DFL) };
        loop {
            sys::sleep_ms(1_000);
        }
    })?;
    report.same("a fault in a thread", end, End::Killed(libc::SIGSEGV));
    let end = sys::in_child(|| {
        for _ in 0..4 {
            thread::spawn(|| {
                loop {
                    std::hint::spin_loop();
                }
            });
        }
        sys::sleep_ms(20);
        4
    })?;
    report.same("threads that never end", end, End::Exited(4));
    Ok(())
}
