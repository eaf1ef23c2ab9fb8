//! The largest of values that were seen within a while.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Holds the largest value for as long as it matters. One caller at a time;
/// another one is no danger, but may be forgotten.
#[derive(Debug)]
pub struct PeakHold {
    value: AtomicU64,
    /// Until when (ns) it is held.
    until: AtomicU64,
}

impl PeakHold {
    /// Nothing was seen yet.
    pub const fn new() -> Self {
        PeakHold {
            value: AtomicU64::new(0),
            until: AtomicU64::new(0),
        }
    }

    /// `value` is seen at `now` (ns) and matters until `until`. The largest of
    /// those that matter still.
    pub fn note(&self, value: u64, now: u64, until: u64) -> u64 {
        let held = self.value.load(Relaxed);
        if value < held && now < self.until.load(Relaxed) {
            return held;
        }
        self.value.store(value, Relaxed);
        self.until.store(until, Relaxed);
        value
    }
}

impl Default for PeakHold {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_held_as_long_as_it_matters() {
        let peak = PeakHold::new();
        assert_eq!(peak.note(100, 0, 50), 100);
        assert_eq!(peak.note(3, 49, 60), 100);
        assert_eq!(peak.note(3, 50, 60), 3);
        assert_eq!(peak.note(2, 55, 70), 3);
        assert_eq!(peak.note(7, 56, 80), 7);
    }

    #[test]
    fn as_much_again_is_held_for_longer() {
        let peak = PeakHold::new();
        peak.note(5, 0, 10);
        peak.note(5, 9, 20);
        assert_eq!(peak.note(1, 15, 16), 5);
    }
}
