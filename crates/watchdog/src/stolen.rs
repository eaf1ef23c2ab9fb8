//! Time in which a CPU could not run because its host ran something else, or
//! nothing at all: nobody on the machine is to blame for what lasted meanwhile.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// How many stretches are remembered.
const STRETCHES: usize = 64;

/// A timer is this late (ns) without anything being wrong: emulators and
/// hypervisors are late by as much when they are busy.
pub const USUAL_DELAY_NS: u64 = 5_000_000;

/// Stretches with less than this (ns) between them are one.
const GAP_NS: u64 = 20_000_000;

/// A stretch of time, in nanoseconds of one clock; zeros for none.
#[derive(Debug)]
struct Stretch {
    from: AtomicU64,
    to: AtomicU64,
}

/// The stretches that were stolen from one CPU. Only that CPU notes them; the
/// others may look, and find at worst one stretch too few or too many while it
/// does so.
#[derive(Debug)]
pub struct StolenTime {
    ring: [Stretch; STRETCHES],
    /// Where the next one goes.
    next: AtomicUsize,
    /// The end of the latest one, and how long all of them were.
    latest: AtomicU64,
    total: AtomicU64,
}

impl StolenTime {
    /// None yet.
    pub const fn new() -> Self {
        StolenTime {
            ring: [const {
                Stretch {
                    from: AtomicU64::new(0),
                    to: AtomicU64::new(0),
                }
            }; STRETCHES],
            next: AtomicUsize::new(0),
            latest: AtomicU64::new(0),
            total: AtomicU64::new(0),
        }
    }

    /// A timer whose interrupt nothing on this CPU could keep away was to fire
    /// at `due` and has done so at `now` (ns). How long the CPU did not run, or
    /// zero if the delay is a usual one. Any context, interrupts masked.
    pub fn fired(&self, due: u64, now: u64) -> u64 {
        // What was noted before is not noted again.
        let from = due.max(self.latest.load(Relaxed));
        if now.saturating_sub(from) < USUAL_DELAY_NS {
            return 0;
        }
        let next = self.next.load(Relaxed);
        let last = &self.ring[next.wrapping_sub(1) % STRETCHES];
        if from.saturating_sub(last.to.load(Relaxed)) < GAP_NS && last.to.load(Relaxed) != 0 {
            last.to.store(now, Relaxed);
        } else {
            let stretch = &self.ring[next % STRETCHES];
            stretch.to.store(0, Relaxed);
            stretch.from.store(from, Relaxed);
            stretch.to.store(now, Relaxed);
            self.next.store(next.wrapping_add(1), Relaxed);
        }
        self.latest.store(now, Relaxed);
        self.total.fetch_add(now - from, Relaxed);
        now - from
    }

    /// How much of the time between `since` and `now` (ns) was stolen, as far
    /// as is remembered.
    pub fn between(&self, since: u64, now: u64) -> u64 {
        if self.latest.load(Relaxed) <= since {
            return 0;
        }
        let part = |stretch: &Stretch| {
            let from = stretch.from.load(Relaxed).max(since);
            stretch.to.load(Relaxed).min(now).saturating_sub(from)
        };
        self.ring.iter().map(part).sum()
    }

    /// All that was stolen since boot, in nanoseconds.
    pub fn total(&self) -> u64 {
        self.total.load(Relaxed)
    }
}

impl Default for StolenTime {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const S: u64 = 1_000 * MS;

    #[test]
    fn a_usual_delay_is_not_stolen() {
        let stolen = StolenTime::new();
        assert_eq!(stolen.fired(S, S + USUAL_DELAY_NS - 1), 0);
        assert_eq!(stolen.fired(2 * S, S), 0);
        assert_eq!(stolen.between(0, 10 * S), 0);
        assert_eq!(stolen.total(), 0);
    }

    #[test]
    fn only_what_lies_between_counts() {
        let stolen = StolenTime::new();
        assert_eq!(stolen.fired(10 * S, 18 * S), 8 * S);
        assert_eq!(stolen.between(0, 20 * S), 8 * S);
        assert_eq!(stolen.between(12 * S, 20 * S), 6 * S);
        assert_eq!(stolen.between(12 * S, 13 * S), S);
        assert_eq!(stolen.between(18 * S, 20 * S), 0);
        assert_eq!(stolen.between(0, 9 * S), 0);
        assert_eq!(stolen.total(), 8 * S);
    }

    #[test]
    fn two_timers_that_were_late_together_count_once() {
        let stolen = StolenTime::new();
        assert_eq!(stolen.fired(10 * S, 18 * S), 8 * S);
        assert_eq!(stolen.fired(11 * S, 18 * S + MS), 0);
        assert_eq!(stolen.fired(11 * S, 19 * S), S);
        assert_eq!(stolen.between(0, 20 * S), 9 * S);
        assert_eq!(stolen.total(), 9 * S);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let stolen = StolenTime::new();
        for round in 0..1000 {
            assert_eq!(stolen.fired(round * S, round * S + 10 * MS), 10 * MS);
        }
        assert_eq!(stolen.between(0, 1000 * S), STRETCHES as u64 * 10 * MS);
        assert_eq!(stolen.between(998 * S, 1000 * S), 20 * MS);
        assert_eq!(stolen.total(), 10 * S);
    }

    #[test]
    fn many_in_a_row_are_one() {
        let stolen = StolenTime::new();
        for round in 0..1000 {
            stolen.fired(S + round * 20 * MS, S + round * 20 * MS + 10 * MS);
        }
        let all = stolen.between(0, 30 * S);
        assert!((10 * S..=20 * S).contains(&all), "{all}");
    }
}
