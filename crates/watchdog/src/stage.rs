//! What something does now, and since when.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Which stages there are: so many, from zero.
pub const STAGES: u8 = 1 << STAGE_BITS;

const STAGE_BITS: u32 = 4;

/// The stage that something is in and when it began, in one word: who looks never
/// finds a stage with the beginning of another, which may lie in an idle time before
/// it that was nobody's.
#[derive(Debug)]
pub struct Stage(AtomicU64);

impl Stage {
    /// In this stage since time zero.
    ///
    /// # Panics
    /// If there is no such stage.
    pub const fn new(stage: u8) -> Self {
        Stage(AtomicU64::new(Self::word(stage, 0)))
    }

    const fn word(stage: u8, since: u64) -> u64 {
        assert!(stage < STAGES, "no such stage");
        since << STAGE_BITS | stage as u64
    }

    /// Another stage begins, at `now` (ns, of the next 36 years). Any context; by
    /// one thread alone.
    ///
    /// # Panics
    /// If there is no such stage.
    pub fn begin(&self, stage: u8, now: u64) {
        self.0.store(Self::word(stage, now), Relaxed);
    }

    /// The stage and since when (ns) it lasts. Any context.
    pub fn get(&self) -> (u8, u64) {
        let word = self.0.load(Relaxed);
        ((word % u64::from(STAGES)) as u8, word >> STAGE_BITS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn the_latest_is_told() {
        let stage = Stage::new(6);
        assert_eq!(stage.get(), (6, 0));
        let year = 365 * 86_400 * 1_000_000_000;
        for (number, now) in [(0, 1), (15, 36 * year), (3, 7)] {
            stage.begin(number, now);
            assert_eq!(stage.get(), (number, now));
        }
    }

    #[test]
    #[should_panic(expected = "no such stage")]
    fn there_are_no_more() {
        Stage::new(0).begin(STAGES, 0);
    }

    /// Stage 0 began at even times, stage 1 at odd ones.
    #[test]
    fn no_stage_is_seen_with_the_beginning_of_another() {
        let (stage, done) = (Stage::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for now in 1..=200_000 {
                    stage.begin((now % 2) as u8, now);
                }
                done.store(true, Ordering::Relaxed);
            });
            while !done.load(Ordering::Relaxed) {
                let (number, since) = stage.get();
                assert_eq!(u64::from(number), since % 2);
            }
        });
    }
}
