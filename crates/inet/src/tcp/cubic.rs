//! CUBIC (RFC 9438) in whole numbers: bytes and milliseconds.

/// The least and most time from where the window was when it was reduced, in
/// milliseconds: beyond, it grows as fast as may be in any case.
const FAR: i64 = 30_000;

/// What the window depends on since it was last reduced.
#[derive(Debug, Default)]
pub struct Cubic {
    /// W_max: where it was reduced, in bytes.
    most: u32,
    /// When it began to grow, in nanoseconds; `None` before it has.
    start: Option<u64>,
    /// K: milliseconds until it is at `most` again.
    until_most: u64,
    /// W_est: what Reno would have by now, in bytes.
    reno: u32,
}

impl Cubic {
    /// The window is being reduced from `window`.
    pub fn reduce(&mut self, window: u32) {
        // Who comes less far than before leaves room for others (4.7).
        self.most = match window < self.most {
            true => part(window, 17, 20),
            false => window,
        };
        self.start = None;
    }

    /// The threshold for so many bytes under way (4.6).
    pub fn threshold(flight: u32) -> u32 {
        part(flight, 7, 10)
    }

    /// Time in which nothing was sent does not count (4.8).
    pub fn was_idle(&mut self) {
        self.start = None;
    }

    /// The window after `count` bytes were acknowledged in congestion
    /// avoidance; `trip` is the round-trip time in nanoseconds.
    pub fn grow(&mut self, window: u32, mss: u32, count: u32, now: u64, trip: u64) -> u32 {
        let start = *self.start.get_or_insert_with(|| {
            self.most = self.most.max(window);
            self.until_most = time_to(self.most - window, mss);
            self.reno = window;
            now
        });
        let time = now.saturating_sub(start).saturating_add(trip) / 1_000_000;
        let most = u64::from(window) * 3 / 2;
        let target = self.at(time, mss).clamp(u64::from(window), most);
        // As much per round trip as Reno with this reduction (4.3).
        let (grown, of) = match self.reno < self.most {
            true => (9, 17),
            false => (1, 1),
        };
        let step = u64::from(count) * u64::from(mss) * grown / of / u64::from(window.max(1));
        self.reno = self.reno.saturating_add(step as u32);
        let step = (target - u64::from(window)) * u64::from(count) / u64::from(window.max(1));
        window.saturating_add(step as u32).max(self.reno)
    }

    /// W_cubic: the window at a time in milliseconds (4.2).
    fn at(&self, time: u64, mss: u32) -> u64 {
        let time = i64::try_from(time).unwrap_or(i64::MAX);
        let far = time.saturating_sub_unsigned(self.until_most);
        let far = far.clamp(-FAR, FAR);
        // 0.4 segments for each second to the third power.
        let change = far * far * far / 1000 * i64::from(mss) / 2_500_000;
        u64::from(self.most).saturating_add_signed(change)
    }
}

fn part(of: u32, numerator: u64, denominator: u64) -> u32 {
    (u64::from(of) * numerator / denominator) as u32
}

/// Milliseconds in which the window grows by so many bytes (4.2).
fn time_to(bytes: u32, mss: u32) -> u64 {
    cube_root(u64::from(bytes) * 2_500_000_000 / u64::from(mss.max(1)))
}

/// The largest number whose cube is at most `number`.
fn cube_root(number: u64) -> u64 {
    (0..=21).rev().fold(0, |root: u64, bit| {
        let next = root | 1 << bit;
        let cube = next.checked_mul(next).and_then(|it| it.checked_mul(next));
        if cube.is_some_and(|cube| cube <= number) {
            next
        } else {
            root
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: u64 = 1_000_000;

    proptest! {
        #[test]
        fn roots_are_exact(number: u64) {
            let root = u128::from(cube_root(number));
            prop_assert!(root.pow(3) <= u128::from(number));
            prop_assert!((root + 1).pow(3) > u128::from(number));
        }

        #[test]
        fn it_never_shrinks_and_never_leaps(
            window in 2_000u32..4_000_000, mss in 48u32..65_535, count in 1u32..100_000,
            steps in prop::collection::vec(0u64..10_000, 1..50), reduced in 2_000u32..8_000_000,
        ) {
            let (mut cubic, mut now, mut window) = (Cubic::default(), 0, window.max(2 * mss));
            cubic.reduce(reduced);
            for step in steps {
                now += step * MS;
                let next = cubic.grow(window, mss, count.min(window), now, 50 * MS);
                prop_assert!(next >= window);
                prop_assert!(u64::from(next) <= 2 * u64::from(window) + u64::from(mss));
                window = next;
            }
        }
    }

    /// The figures of RFC 9438: from 700 segments back to 1000 in K seconds,
    /// the third root of 300 / 0.4.
    #[test]
    fn it_is_back_in_its_time() {
        let (mut cubic, mss, trip) = (Cubic::default(), 1000, 100 * MS);
        cubic.reduce(1_000_000);
        let mut window = Cubic::threshold(1_000_000);
        assert_eq!(window, 700_000);
        let mut now = 0;
        while window < 999_000 {
            now += trip;
            window = cubic.grow(window, mss, window, now, trip);
        }
        // 9.08 s, the last of them slow.
        let seconds = now / (1000 * MS);
        assert!((7..=10).contains(&seconds), "{seconds}");
        assert_eq!(cubic.until_most, 9085);
    }
}
