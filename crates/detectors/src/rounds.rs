//! A loop that goes around and around without anything from outside.

/// Fewest rounds of a busy wait.
const ROUNDS: u64 = 1_000;
/// Shortest busy wait, in nanoseconds. A loop with much to do hears from
/// interrupts and other threads far more often than that.
const NANOS: u64 = 500_000_000;
/// The clock is read once in so many rounds.
const CLOCK_ROUNDS: u64 = 64;

/// A loop that has waited by going around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusyWait {
    /// Rounds since the loop last slept or heard from outside.
    pub rounds: u64,
    /// How long that was, in nanoseconds.
    pub nanos: u64,
    /// What was due in every one of them, a bit each; if nothing was, what was
    /// due in any.
    pub steps: u32,
}

/// Counts a loop's rounds since it last slept, or was woken by anybody but
/// itself. Without either, nothing can change but the time: whoever is due
/// again after every round is waiting, by asking again and again.
#[derive(Debug)]
pub struct Rounds {
    rounds: u64,
    since: u64,
    always_due: u32,
    ever_due: u32,
    told: bool,
}

impl Rounds {
    /// Before the first round.
    pub const fn new() -> Self {
        Rounds {
            rounds: 0,
            since: 0,
            always_due: u32::MAX,
            ever_due: 0,
            told: false,
        }
    }

    /// The loop has slept.
    #[inline]
    pub fn slept(&mut self) {
        *self = Self::new();
    }

    /// Somebody else has woken the loop. A busy wait that was told of is not
    /// told of again before the loop sleeps.
    #[inline]
    pub fn progress(&mut self) {
        *self = Rounds {
            told: self.told,
            ..Self::new()
        };
    }

    /// A round begins in which `due` is to be done. Gives a busy wait when it
    /// has lasted long enough, once until it sleeps. `now` is the
    /// clock, in nanoseconds.
    #[inline]
    pub fn round(&mut self, due: u32, now: impl FnOnce() -> u64) -> Option<BusyWait> {
        self.always_due &= due;
        self.ever_due |= due;
        self.rounds += 1;
        if !self.rounds.is_multiple_of(CLOCK_ROUNDS) || self.told {
            return None;
        }
        self.judge(now())
    }

    fn judge(&mut self, now: u64) -> Option<BusyWait> {
        if self.rounds == CLOCK_ROUNDS {
            self.since = now;
        }
        let nanos = now.saturating_sub(self.since);
        if self.rounds < ROUNDS || nanos < NANOS {
            return None;
        }
        self.told = true;
        Some(BusyWait {
            rounds: self.rounds,
            nanos,
            steps: match self.always_due {
                0 => self.ever_due,
                always => always,
            },
        })
    }
}

impl Default for Rounds {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first busy wait in `count` rounds of `nanos` each.
    fn run(rounds: &mut Rounds, count: u64, nanos: u64, due: u32) -> Option<(u64, BusyWait)> {
        (0..count).find_map(|round| {
            rounds
                .round(due, || round * nanos)
                .map(|busy| (round, busy))
        })
    }

    #[test]
    fn a_busy_wait_is_told_of_once_with_its_step() {
        let mut rounds = Rounds::new();
        assert_eq!(rounds.round(0b110, || 0), None);
        let (_, busy) = run(&mut rounds, 1_000_000, 1_000, 0b010).unwrap();
        assert_eq!(busy.steps, 0b010);
        assert!(busy.nanos >= NANOS && busy.nanos < 2 * NANOS, "{busy:?}");
        assert_eq!(run(&mut rounds, 1_000_000, 1_000, 0b010), None);
        rounds.progress();
        assert_eq!(run(&mut rounds, 1_000_000, 1_000, 0b010), None);
        rounds.slept();
        assert!(run(&mut rounds, 1_000_000, 1_000, 0b010).is_some());
    }

    #[test]
    fn progress_begins_anew() {
        let mut rounds = Rounds::new();
        for _ in 0..10 {
            assert_eq!(run(&mut rounds, 400_000, 1_000, 1), None);
            rounds.progress();
        }
    }

    #[test]
    fn few_long_rounds_are_work() {
        assert_eq!(run(&mut Rounds::new(), 900, 10_000_000, 1), None);
    }

    #[test]
    fn steps_that_wake_each_other_wait_together() {
        let mut rounds = Rounds::new();
        let found = (0..1_000_000u64)
            .find_map(|round| rounds.round(1 << (round % 2), || round * 1_000))
            .unwrap();
        assert_eq!(found.steps, 0b11);
    }
}
