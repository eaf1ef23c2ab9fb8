//! The wall clock as a straight line over the monotonic one.

/// Where the line goes through, and how steep it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// A time of the monotonic clock.
    pub since: u64,
    /// The wall's time then.
    pub wall: u64,
    /// What the wall gains a nanosecond, in parts of 2^32.
    pub rate: i64,
}

impl Line {
    /// The wall's time at `now`; before `since` that of then.
    pub fn at(&self, now: u64) -> u64 {
        let passed = now.saturating_sub(self.since);
        if self.rate == 0 {
            return self.wall.saturating_add(passed);
        }
        let gained = (i128::from(passed) * i128::from(self.rate)) >> 32;
        let wall = i128::from(self.wall) + i128::from(passed) + gained;
        wall.clamp(0, i128::from(u64::MAX)) as u64
    }

    /// When the wall has gained `more`: at that moment or the next one.
    pub fn reaches(&self, more: u64) -> u64 {
        const ONE: i128 = 1 << 32;
        // No wall stands still.
        let steep = (ONE + i128::from(self.rate)).max(1);
        let passed = (i128::from(more) * ONE + steep - 1) / steep;
        self.since
            .saturating_add(passed.clamp(0, i128::from(u64::MAX)) as u64)
    }

    /// The same line as of `now`, from there on as steep as `rate`.
    pub fn bent(&self, now: u64, rate: i64) -> Line {
        let now = now.max(self.since);
        Line {
            since: now,
            wall: self.at(now),
            rate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_meet_where_they_bend() {
        let line = Line {
            since: 5,
            wall: 1_000,
            rate: 1 << 31,
        };
        assert_eq!(
            (line.at(0), line.at(5), line.at(105)),
            (1_000, 1_000, 1_150)
        );
        let bent = line.bent(105, -(1 << 30));
        assert_eq!((bent.at(105), bent.at(205)), (1_150, 1_225));
        assert_eq!(line.bent(0, 0).since, 5);
        for rate in [0, 1, -1, 2_000_000, -2_000_000, 1 << 31, -(1 << 31)] {
            let line = Line { rate, ..line };
            for more in [1, 999, 1_000_000_000] {
                let at = line.reaches(more);
                assert!(line.at(at) >= 1_000 + more && line.at(at) <= 1_002 + more);
                assert!(line.at(at - 1) < 1_000 + more);
            }
        }
        let steep = Line {
            rate: i64::MAX,
            ..line
        };
        assert_eq!(steep.at(u64::MAX), u64::MAX);
        let falling = Line {
            rate: i64::MIN,
            ..line
        };
        assert_eq!(falling.at(u64::MAX), 0);
    }
}
