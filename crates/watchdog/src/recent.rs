//! What was told in full not long ago.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How many keys are remembered.
const PLACES: usize = 16;

struct Place {
    key: AtomicU64,
    /// Nanoseconds; zero is never.
    told: AtomicU64,
}

/// The last things that were told, by a key each. When there are more than it
/// remembers, the one told of longest ago is forgotten.
pub struct Recent {
    places: [Place; PLACES],
    /// For how long (ns) a thing is not told of again.
    period: u64,
}

impl Recent {
    /// Nothing was told; nothing is told twice within `period` nanoseconds.
    pub const fn new(period: u64) -> Self {
        Recent {
            places: [const {
                Place {
                    key: AtomicU64::new(0),
                    told: AtomicU64::new(0),
                }
            }; PLACES],
            period,
        }
    }

    /// Whether `key` is to be told of at `now` (ns, from 1); then it counts as
    /// told. Of several callers at once more than one may be told so.
    pub fn is_due(&self, key: u64, now: u64) -> bool {
        let known = self
            .places
            .iter()
            .find(|place| place.told.load(Relaxed) != 0 && place.key.load(Relaxed) == key);
        if let Some(place) = known {
            let due = now.saturating_sub(place.told.load(Relaxed)) >= self.period;
            if due {
                place.told.store(now, Relaxed);
            }
            return due;
        }
        let oldest = self
            .places
            .iter()
            .min_by_key(|place| place.told.load(Relaxed));
        if let Some(place) = oldest {
            place.key.store(key, Relaxed);
            place.told.store(now, Relaxed);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_told_of_once_in_a_period() {
        let recent = Recent::new(100);
        assert!(recent.is_due(0, 1));
        assert!(recent.is_due(7, 10));
        assert!(!recent.is_due(7, 109));
        assert!(recent.is_due(7, 110));
        assert!(!recent.is_due(7, 209));
        assert!(!recent.is_due(0, 100));
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let recent = Recent::new(1_000_000);
        let keys = 0..PLACES as u64 + 1;
        for key in keys.clone() {
            assert!(recent.is_due(key, 1 + key));
        }
        assert!(!recent.is_due(keys.end - 1, 50));
        assert!(!recent.is_due(1, 50));
        assert!(recent.is_due(0, 50));
    }
}
