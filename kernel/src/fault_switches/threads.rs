//! Mistakes of threads.

use crate::thread;
use core::hint::black_box;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use paddock_sync::WaitQueue;

pub fn overflow_stack() {
    black_box(deeper(1));
}

#[allow(unconditional_recursion, reason = "the mistake")]
#[inline(never)]
fn deeper(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    deeper(black_box(depth + 1)) + frame[black_box(depth as usize % 64)]
}

/// Runs and runs: it never sleeps, and never gives way by itself.
pub fn run_away() {
    loop {
        black_box(());
    }
}

static LIVING: AtomicUsize = AtomicUsize::new(0);
static END: AtomicBool = AtomicBool::new(false);
static CHANGED: WaitQueue = WaitQueue::new();

/// Makes threads until there can be no more, and lets them go again.
pub fn exhaust() {
    let refused = loop {
        LIVING.fetch_add(1, Relaxed);
        if let Err(error) = thread::spawn("one-of-many", wait_for_the_end) {
            LIVING.fetch_sub(1, Relaxed);
            break error;
        }
    };
    let count = LIVING.load(Relaxed);
    log::warn!("mistake: thread {} refused: {refused:?}", count + 1);
    END.store(true, Relaxed);
    CHANGED.wake_all();
    CHANGED.wait_until(|| (LIVING.load(Relaxed) == 0).then_some(()));
    match thread::spawn("one-more", || log::warn!("mistake: a thread again")) {
        Ok(_) => {}
        Err(error) => log::error!("mistake: no thread although {count} have ended: {error}"),
    }
}

fn wait_for_the_end() {
    CHANGED.wait_until(|| END.load(Relaxed).then_some(()));
    LIVING.fetch_sub(1, Relaxed);
    CHANGED.wake_all();
}
