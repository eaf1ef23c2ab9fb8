//! Threads of one process: futexes through the standard library's locks.

use super::{Found, check, same};
use crate::sys::{self, End};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Barrier, Condvar, Mutex, RwLock, mpsc};
use std::thread;
use std::time::Duration;

/// Sums under a lock, and readers that never see half of a change.
pub fn locks() -> Found {
    let count = Mutex::new(0u32);
    let pair = RwLock::new((0u32, 0u32));
    let torn = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for turn in 0..60 {
                    *count.lock().unwrap() += 1;
                    if turn % 4 == 0 {
                        let mut pair = pair.write().unwrap();
                        pair.0 += 1;
                        thread::yield_now();
                        pair.1 += 1;
                    }
                    let pair = pair.read().unwrap();
                    torn.fetch_add(pair.0.abs_diff(pair.1), Ordering::Relaxed);
                }
            });
        }
    });
    same("count", *count.lock().unwrap(), 240)?;
    same("pair", *pair.read().unwrap(), (60, 60))?;
    same("torn reads", torn.into_inner(), 0)
}

/// Barrier, channel, condition with and without a time.
pub fn meetings() -> Found {
    let barrier = Barrier::new(4);
    let leaders = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let leader = barrier.wait().is_leader();
                    leaders.fetch_add(leader.into(), Ordering::Relaxed);
                }
            });
        }
    });
    same("leaders", leaders.into_inner(), 10)?;
    let (to, from) = mpsc::sync_channel(1);
    let sum: u32 = thread::scope(|scope| {
        scope.spawn(move || (0..100u32).for_each(|n| to.send(n).unwrap()));
        from.iter().sum()
    });
    same("sum", sum, 4950)?;
    turns()
}

/// Two threads that take turns; every wait has a time that never comes.
fn turns() -> Found {
    let turn = (Mutex::new(0u32), Condvar::new());
    let late = AtomicU32::new(0);
    let go = |parity: u32| {
        for _ in 0..40 {
            let mut now = turn.0.lock().unwrap();
            while *now % 2 != parity {
                let (next, end) = turn.1.wait_timeout(now, Duration::from_secs(40)).unwrap();
                now = next;
                late.fetch_add(end.timed_out().into(), Ordering::Relaxed);
            }
            *now += 1;
            drop(now);
            turn.1.notify_one();
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| go(0));
        go(1);
    });
    same("turns", *turn.0.lock().unwrap(), 80)?;
    same("lost wake-ups", late.into_inner(), 0)
}

/// Threads that come and go, and processes that end with theirs at work.
pub fn ends() -> Found {
    for round in 0..5u32 {
        let threads: Vec<_> = (0..4u32)
            .map(|n| thread::spawn(move || n + round))
            .collect();
        let sum: u32 = threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum();
        same("sum of the ends", sum, 6 + 4 * round)?;
    }
    for ender in 0..3 {
        let end = sys::in_child(|| end_with_others(ender))?;
        same("end of a process", end, End::Exited(5))?;
    }
    check("a thread with its own stack", small_stack())
}

fn small_stack() -> bool {
    let builder = thread::Builder::new().stack_size(64 << 10);
    builder
        .spawn(|| 3)
        .is_ok_and(|it| it.join().is_ok_and(|n| n == 3))
}

/// One sleeps, one computes, one waits; the thread `ender` ends them all.
fn end_with_others(ender: i32) -> i32 {
    let never = Mutex::new(());
    let held = never.lock();
    thread::scope(|scope| {
        scope.spawn(|| drop(never.lock()));
        scope.spawn(|| {
            loop {
                std::hint::spin_loop();
            }
        });
        for number in 0..3 {
            scope.spawn(move || {
                if number == ender {
                    std::process::exit(5);
                }
                sys::sleep_ms(50_000);
            });
        }
    });
    drop(held);
    6
}
