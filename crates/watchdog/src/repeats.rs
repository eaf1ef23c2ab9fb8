//! What was told not long ago is counted, not told again.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// How many causes are remembered.
const PLACES: usize = 16;

#[derive(Debug)]
struct Place {
    cause: AtomicU64,
    /// When it was told (ns); zero is never.
    told: AtomicU64,
    /// How often it was counted since.
    count: AtomicU32,
}

/// The last causes of reports. When there are more than it remembers, the one
/// told of longest ago is forgotten.
#[derive(Debug)]
pub struct Repeats {
    places: [Place; PLACES],
    /// For how long (ns) a cause is not told of again.
    period: u64,
}

/// What to do with a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Tell it, and that there were so many more of the cause since it was
    /// told of last.
    Tell {
        /// The number of those.
        counted: u32,
    },
    /// It was told, and is counted.
    Counted,
}

impl Repeats {
    /// Nothing was told; no cause is told of twice within `period`
    /// nanoseconds.
    pub const fn new(period: u64) -> Self {
        Repeats {
            places: [const {
                Place {
                    cause: AtomicU64::new(0),
                    told: AtomicU64::new(0),
                    count: AtomicU32::new(0),
                }
            }; PLACES],
            period,
        }
    }

    /// There is a report of `cause` at `now` (ns, from 1). Of several callers
    /// at once more than one may be told to tell it. Any context.
    pub fn note(&self, cause: u64, now: u64) -> Repeat {
        let is_it =
            |place: &&Place| place.told.load(Relaxed) != 0 && place.cause.load(Relaxed) == cause;
        if let Some(place) = self.places.iter().find(is_it) {
            return place.again(now, self.period);
        }
        let oldest = self
            .places
            .iter()
            .min_by_key(|place| place.told.load(Relaxed));
        if let Some(place) = oldest {
            place.cause.store(cause, Relaxed);
            place.count.store(0, Relaxed);
            place.told.store(now, Relaxed);
        }
        Repeat::Tell { counted: 0 }
    }
}

impl Place {
    fn again(&self, now: u64, period: u64) -> Repeat {
        if now.saturating_sub(self.told.load(Relaxed)) < period {
            self.count.fetch_add(1, Relaxed);
            return Repeat::Counted;
        }
        self.told.store(now, Relaxed);
        Repeat::Tell {
            counted: self.count.swap(0, Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Repeat::{Counted, Tell};
    use super::*;

    #[test]
    fn a_cause_is_told_of_once_in_a_period() {
        let repeats = Repeats::new(100);
        assert_eq!(repeats.note(0, 1), Tell { counted: 0 });
        assert_eq!(repeats.note(7, 10), Tell { counted: 0 });
        assert_eq!(repeats.note(7, 50), Counted);
        assert_eq!(repeats.note(7, 109), Counted);
        assert_eq!(repeats.note(7, 110), Tell { counted: 2 });
        assert_eq!(repeats.note(7, 209), Counted);
        assert_eq!(repeats.note(0, 100), Counted);
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let repeats = Repeats::new(1_000_000);
        let causes = 0..PLACES as u64 + 1;
        for cause in causes.clone() {
            assert_eq!(repeats.note(cause, 1 + cause), Tell { counted: 0 });
        }
        assert_eq!(repeats.note(causes.end - 1, 50), Counted);
        assert_eq!(repeats.note(1, 50), Counted);
        assert_eq!(repeats.note(0, 50), Tell { counted: 0 });
    }
}
