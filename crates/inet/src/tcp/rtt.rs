//! When to send again (RFC 6298).

/// Before anything is known, in nanoseconds.
const INITIAL: u64 = 1_000_000_000;
/// The least, as Linux has it.
const LEAST: u64 = 200_000_000;
/// The most.
const MOST: u64 = 120_000_000_000;

/// Estimates of the round-trip time, and the time-out they give.
#[derive(Debug)]
pub struct RoundTrip {
    /// Smoothed, and its variation; ns. Zero before the first sample.
    smoothed: u64,
    variation: u64,
    timeout: u64,
    /// How often the time-out was doubled.
    doubled: u32,
}

impl RoundTrip {
    /// Nothing is known.
    pub const fn new() -> RoundTrip {
        RoundTrip {
            smoothed: 0,
            variation: 0,
            timeout: INITIAL,
            doubled: 0,
        }
    }

    /// A segment that was sent once was acknowledged after `sample` ns (2.2,
    /// 2.3).
    pub fn sample(&mut self, sample: u64) {
        let sample = sample.max(1);
        if self.smoothed == 0 {
            (self.smoothed, self.variation) = (sample, sample / 2);
        } else {
            let error = self.smoothed.abs_diff(sample);
            self.variation = self.variation - self.variation / 4 + error / 4;
            self.smoothed = self.smoothed - self.smoothed / 8 + sample / 8;
        }
        // As Linux: the least applies to the variation alone.
        self.timeout = (self.smoothed + (4 * self.variation).max(LEAST)).min(MOST);
        self.doubled = 0;
    }

    /// The peer has answered.
    pub fn answered(&mut self) {
        self.doubled = 0;
    }

    /// Nothing came in time (5.5).
    pub fn back_off(&mut self) {
        self.doubled = (self.doubled + 1).min(16);
    }

    /// How long an answer may take, in nanoseconds.
    pub fn timeout(&self) -> u64 {
        (self.timeout << self.doubled).min(MOST)
    }

    /// The smoothed time and its variation, in nanoseconds.
    pub fn estimate(&self) -> (u64, u64) {
        (self.smoothed, self.variation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_follow_the_samples() {
        let mut trip = RoundTrip::new();
        assert_eq!(trip.timeout(), INITIAL);
        trip.sample(100_000_000);
        assert_eq!(trip.timeout(), 300_000_000);
        for _ in 0..100 {
            trip.sample(50_000_000);
        }
        let (smoothed, _) = trip.estimate();
        assert!(smoothed.abs_diff(50_000_000) < 1_000_000);
        assert!(trip.timeout() < 260_000_000);
        for _ in 0..30 {
            trip.back_off();
        }
        assert_eq!(trip.timeout(), MOST);
    }
}
