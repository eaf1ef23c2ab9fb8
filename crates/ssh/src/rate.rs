//! How often something may be said.

/// Lets some lines through at once, then one each so often; counts the rest.
#[derive(Debug)]
pub struct RateLimit {
    burst: u32,
    every_ms: u64,
    left: u32,
    /// When `left` was last put up, in milliseconds.
    since: u64,
    held_back: u32,
}

impl RateLimit {
    /// `burst` at once, then one every `every_ms` milliseconds.
    pub const fn new(burst: u32, every_ms: u64) -> Self {
        Self {
            burst,
            every_ms,
            left: burst,
            since: 0,
            held_back: 0,
        }
    }

    /// Whether one may be said at `now`, in milliseconds: then how many have
    /// been held back before it.
    pub fn allow(&mut self, now: u64) -> Option<u32> {
        let earned = now.saturating_sub(self.since) / self.every_ms;
        if earned > 0 {
            self.since += earned * self.every_ms;
            let left = u64::from(self.left) + earned;
            self.left = left.min(self.burst.into()) as u32;
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Some(core::mem::take(&mut self.held_back))
            }
            None => {
                self.held_back = self.held_back.saturating_add(1);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_a_rate() {
        let mut rate = RateLimit::new(3, 100);
        let said: alloc::vec::Vec<_> = (0..5).map(|_| rate.allow(1000)).collect();
        assert_eq!(said, [Some(0), Some(0), Some(0), None, None]);
        assert_eq!(rate.allow(1099), None);
        assert_eq!(rate.allow(1100), Some(3));
        assert_eq!(rate.allow(1150), None);
        assert_eq!(rate.allow(9_000), Some(1));
        assert_eq!(rate.allow(9_000), Some(0));
    }
}
