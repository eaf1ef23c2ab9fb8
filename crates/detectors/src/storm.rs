//! Interrupts that come again and again with nothing to do.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// So many useless interrupts within [`WINDOW`] are a storm.
const LIMIT: u32 = 500;
/// In nanoseconds.
const WINDOW: u64 = 100_000_000;

/// An interrupt that does not stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Storm {
    /// How often it came for nothing.
    pub count: u32,
    /// Within how many nanoseconds.
    pub nanos: u64,
}

/// Counts the interrupts of one source that found nothing to do. Any context;
/// calls at once from several CPUs may miss one.
#[derive(Debug)]
pub struct Useless {
    count: AtomicU32,
    since: AtomicU64,
}

impl Useless {
    /// None yet.
    pub const fn new() -> Self {
        Useless {
            count: AtomicU32::new(0),
            since: AtomicU64::new(0),
        }
    }

    /// An interrupt had something to do.
    #[inline]
    pub fn useful(&self) {
        self.count.store(0, Relaxed);
    }

    /// An interrupt at `now` (ns) found nothing to do. Gives a storm when
    /// there were too many; then counting begins anew.
    pub fn note(&self, now: u64) -> Option<Storm> {
        let count = self.count.load(Relaxed);
        let nanos = now.saturating_sub(self.since.load(Relaxed));
        if count == 0 || nanos > WINDOW {
            self.since.store(now, Relaxed);
            self.count.store(1, Relaxed);
            return None;
        }
        let count = count + 1;
        if count < LIMIT {
            self.count.store(count, Relaxed);
            return None;
        }
        self.count.store(0, Relaxed);
        Some(Storm { count, nanos })
    }
}

impl Default for Useless {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storms(useless: &Useless, count: u64, apart: u64) -> Vec<Storm> {
        (0..count)
            .filter_map(|i| useless.note(1 + i * apart))
            .collect()
    }

    #[test]
    fn many_in_a_short_time_are_a_storm() {
        let found = storms(&Useless::new(), 1000, 10_000);
        assert_eq!(found.len(), 2);
        let first = Storm {
            count: 500,
            nanos: 499 * 10_000,
        };
        assert_eq!(found[0], first);
    }

    #[test]
    fn a_few_are_none() {
        assert!(storms(&Useless::new(), 10_000, 1_000_000).is_empty());
    }

    #[test]
    fn one_that_was_useful_begins_anew() {
        let useless = Useless::new();
        for _ in 0..10 {
            assert!(storms(&useless, 499, 10).is_empty());
            useless.useful();
        }
    }
}
