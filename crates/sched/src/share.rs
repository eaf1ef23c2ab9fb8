//! [`Share`]: the part of a CPU that some threads may have before others.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Of each window (ns), so much goes to threads that are favoured; what they
/// want beyond it they have to want like everybody else.
const WINDOW: u64 = 200_000_000;
const PART: u64 = WINDOW / 2;

/// What favoured threads have had of one CPU lately. Written by that CPU
/// alone, with interrupts masked.
pub struct Share {
    /// When the window began.
    began: AtomicU64,
    used: AtomicU64,
}

impl Share {
    /// Nothing used yet.
    pub const fn new() -> Share {
        Share {
            began: AtomicU64::new(0),
            used: AtomicU64::new(0),
        }
    }

    fn roll(&self, now: u64) {
        if now.saturating_sub(self.began.load(Relaxed)) >= WINDOW {
            self.began.store(now, Relaxed);
            self.used.store(0, Relaxed);
        }
    }

    /// A favoured thread has run for `ran` until `now` (ns).
    pub fn charge(&self, now: u64, ran: u64) {
        self.roll(now);
        let used = self.used.load(Relaxed).saturating_add(ran);
        self.used.store(used, Relaxed);
    }

    /// Whether the window's part is used up at `now`, by those before and one
    /// that has been running for `running` (ns).
    pub fn is_spent(&self, now: u64, running: u64) -> bool {
        self.roll(now);
        self.used.load(Relaxed).saturating_add(running) >= PART
    }
}

impl Default for Share {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SLICE: u64 = 10_000_000;

    /// Favoured threads that always want to run, against others that do.
    fn favoured_time(slices: u64) -> u64 {
        let share = Share::new();
        let (mut now, mut favoured) = (WINDOW, 0);
        for _ in 0..slices {
            let first = !share.is_spent(now, 0);
            now += SLICE;
            if first {
                share.charge(now, SLICE);
                favoured += SLICE;
            }
        }
        favoured
    }

    #[test]
    fn those_who_always_want_get_half() {
        let slices = 2000;
        let part = favoured_time(slices) as f64 / (slices * SLICE) as f64;
        assert!((0.45..=0.55).contains(&part), "{part}");
    }

    proptest! {
        #[test]
        fn after_a_window_there_is_some_left(ran in 0u64..10 * WINDOW, pause in WINDOW..3 * WINDOW) {
            let share = Share::new();
            share.charge(WINDOW, ran);
            prop_assert!(!share.is_spent(WINDOW + pause, 0));
        }
    }
}
