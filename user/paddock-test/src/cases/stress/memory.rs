//! Threads that share memory: locks, the first touch of the same pages, and
//! mappings that come and go.

use super::{Job, ensure};
use crate::sys::{self, Map};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Barrier, Mutex};

const THREADS: usize = 4;
const PAGES: usize = 16;
const PAGE: usize = 4096;

pub fn run(job: &Job) -> Result<u64, String> {
    let mut count = 0;
    while job.goes_on() {
        round(count)?;
        count += THREADS as u64;
    }
    Ok(count)
}

fn round(seed: u64) -> Result<(), String> {
    let shared = Map::memory(PAGES * PAGE)?;
    let start = shared.start.addr();
    // A child's copy makes the threads' writes copy the pages.
    let child = match seed % 3 {
        0 => {
            (0..PAGES).for_each(|page| shared.write(page * PAGE + 8, 1));
            Some(sys::fork(|| i32::from(shared.read(8) != 1))?)
        }
        _ => None,
    };
    let (sum, barrier) = (Mutex::new(0), Barrier::new(THREADS));
    let good = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    touch(start, &sum)
                })
            })
            .collect();
        threads
            .into_iter()
            .all(|thread| matches!(thread.join(), Ok(Ok(()))))
    });
    ensure(good, "threads end well")?;
    let expected = (THREADS * PAGES) as u32;
    let found = sum.into_inner().map_err(|_| "a lock is poisoned")?;
    ensure(found == expected, "every addition counts")?;
    for page in 0..PAGES {
        let touched = usize::from(shared.read(page * PAGE));
        ensure(touched == THREADS, "every touch of a page counts")?;
    }
    match child {
        Some(pid) => super::expect_end(pid, sys::End::Exited(0)),
        None => Ok(()),
    }
}

/// Counts on each shared page and under a lock, with a mapping of its own in
/// between.
fn touch(start: usize, sum: &Mutex<u32>) -> Result<(), String> {
    for page in 0..PAGES {
        let address = std::ptr::with_exposed_provenance_mut(start + page * PAGE);
        // SAFETY: a word of the shared pages, which outlive the threads, and
        // which all of them use as an atomic.
        let word = unsafe { AtomicU32::from_ptr(address) };
        word.fetch_add(1, Ordering::Relaxed);
        let own = Map::memory(2 * PAGE)?;
        own.write(PAGE, 7);
        own.protect(0, PAGE, libc::PROT_READ)?;
        ensure(own.read(0) == 0 && own.read(PAGE) == 7, "own memory")?;
        drop(own);
        *sum.lock().map_err(|_| "a lock is poisoned")? += 1;
    }
    Ok(())
}
