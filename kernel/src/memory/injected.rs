//! Allocations that fail because a test says so; only in the test kernel.
//!
//! `/proc/paddock/fail_alloc` takes the number of the allocation that is to
//! fail, counted from then on over those of one process that may fail, and
//! tells how many there have been.

#[cfg(feature = "test-kernel")]
mod switch {
    use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
    use paddock_sync::OnceCell;

    /// The number of the allocation that fails.
    static FAILS_AT: AtomicU64 = AtomicU64::new(u64::MAX);
    /// How many there have been.
    static TRIED: AtomicU64 = AtomicU64::new(0);
    /// The process that they are counted for; 0 for none.
    static PROCESS: AtomicU32 = AtomicU32::new(0);

    /// Tells which process runs; 0 for none.
    static RUNNING: OnceCell<fn() -> u32> = OnceCell::new();

    /// By what the process that runs is known. Once.
    pub fn set_running(running: fn() -> u32) {
        // It is always the same one.
        let _ = RUNNING.set(running);
    }

    /// Has the allocation number `count` (from 0) of a process fail. Restarts
    /// the count.
    pub fn fail_at(process: u32, count: u64) {
        stop();
        TRIED.store(0, Relaxed);
        FAILS_AT.store(count, Relaxed);
        PROCESS.store(process, Relaxed);
    }

    /// No allocation counts or fails any more.
    pub fn stop() {
        PROCESS.store(0, Relaxed);
    }

    /// How many allocations there have been since [`fail_at`].
    pub fn tried() -> u64 {
        TRIED.load(Relaxed)
    }

    /// Counts an allocation; whether it is to fail. Any context.
    pub fn fails_now() -> bool {
        let process = PROCESS.load(Relaxed);
        process != 0
            && RUNNING.get().is_some_and(|running| running() == process)
            && TRIED.fetch_add(1, Relaxed) == FAILS_AT.load(Relaxed)
    }
}

#[cfg(feature = "test-kernel")]
pub use switch::{fail_at, fails_now, set_running, stop, tried};

/// No allocation fails but for want of memory.
#[cfg(not(feature = "test-kernel"))]
#[inline]
pub fn fails_now() -> bool {
    false
}
