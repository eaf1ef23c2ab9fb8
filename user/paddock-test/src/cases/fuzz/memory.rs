//! Memory of several processes and threads.

use super::{Found, check, same};
use crate::sys::{self, End, Map, call};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

const PAGE: usize = 4096;
const BOTH: i32 = libc::PROT_READ | libc::PROT_WRITE;

/// A counter and a futex between processes.
pub fn shared() -> Found {
    let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    let map = Map::new(PAGE, BOTH, flags, -1)?;
    // SAFETY: mapped, aligned, zeroed, and used as atomics alone.
    let words = unsafe { &*map.start.cast::<[AtomicU32; 2]>() };
    let add = || {
        for _ in 0..50 {
            words[0].fetch_add(1, Ordering::SeqCst);
        }
        wait_while_zero(&words[1]);
        0
    };
    let children = (0..3)
        .map(|_| sys::fork(add))
        .collect::<Result<Vec<_>, _>>()?;
    words[1].store(1, Ordering::SeqCst);
    call!(libc::syscall(
        libc::SYS_futex,
        words[1].as_ptr(),
        libc::FUTEX_WAKE,
        i32::MAX
    ))?;
    for child in children {
        same("a process", sys::wait(child)?, End::Exited(0))?;
    }
    same("sum", words[0].load(Ordering::SeqCst), 150)
}

fn wait_while_zero(word: &AtomicU32) {
    while word.load(Ordering::SeqCst) == 0 {
        let nothing = std::ptr::null::<libc::timespec>();
        let _ = call!(libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT,
            0,
            nothing
        ));
    }
}

/// Threads write to pages while the process is copied: a child sees its own
/// memory only, and so does the parent.
pub fn copies() -> Found {
    const PAGES: usize = 8;
    let map = Map::memory(PAGES * PAGE)?;
    for round in 1..5u8 {
        (0..PAGES).for_each(|page| map.write(page * PAGE, round));
        let children = (0..2u8).map(|number| sys::fork(|| change(&map, round, 100 + number)));
        let children = children.collect::<Result<Vec<_>, _>>()?;
        let own = (0..PAGES).all(|page| map.read(page * PAGE) == round);
        check("the parent's memory", own)?;
        for child in children {
            same("a copy", sys::wait(child)?, End::Exited(0))?;
        }
    }
    Ok(())
}

fn change(map: &Map, before: u8, after: u8) -> i32 {
    let pages = || (0..map.length).step_by(PAGE);
    let seen = pages().all(|at| map.read(at) == before);
    pages().for_each(|at| map.write(at, after));
    let kept = pages().all(|at| map.read(at) == after);
    i32::from(!seen || !kept)
}

/// Threads of one process map, fault, protect and unmap at once.
pub fn mappings() -> Found {
    let good = thread::scope(|scope| {
        let threads: Vec<_> = (1..4u8)
            .map(|n| scope.spawn(move || map_and_unmap(n)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let good: Result<Vec<bool>, String> = good;
    same("threads", good?, vec![true; 3])
}

fn map_and_unmap(number: u8) -> Result<bool, String> {
    let mut good = true;
    for round in 0..6 {
        let map = Map::memory(3 * PAGE)?;
        good &= map.read(PAGE) == 0;
        (0..3).for_each(|page| map.write(page * PAGE, number));
        map.protect(PAGE, PAGE, libc::PROT_READ)?;
        thread::yield_now();
        good &= (0..3).all(|page| map.read(page * PAGE) == number);
        if round % 2 == 0 {
            map.protect(PAGE, PAGE, BOTH)?;
            map.write(PAGE, number + 1);
            good &= map.read(PAGE) == number + 1;
        }
    }
    Ok(good)
}
