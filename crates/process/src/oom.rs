//! Whom running out of memory kills: the one whose end gives the most back
//! (`mm/oom_kill.c`'s measure, proc_pid_oom_score(5)).

/// The lowest score adjustment: never chosen.
pub const OOM_SCORE_ADJ_MIN: i32 = -1000;
/// The highest score adjustment: chosen first.
pub const OOM_SCORE_ADJ_MAX: i32 = 1000;

/// What counts of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its number.
    pub pid: u32,
    /// Pages that its end gives back: its own memory, its page tables, and
    /// what the kernel holds for it.
    pub pages: u64,
    /// Its adjustment, [`OOM_SCORE_ADJ_MIN`] to [`OOM_SCORE_ADJ_MAX`].
    pub adjustment: i32,
    /// Never chosen, whatever its size: process 1, or one that has ended.
    pub exempt: bool,
    /// An operator's: chosen only for what it has beyond
    /// [`OPERATORS_SHARE`] of the machine, so that a login outlives services
    /// that are many rather than large.
    pub is_operators: bool,
}

/// What an operator's process has before it counts: this part of the machine.
const OPERATORS_SHARE: u64 = 32;

impl Candidate {
    /// How much there is to gain, in pages, adjusted by thousandths of the
    /// machine's `total`; `None` for one that is never chosen.
    pub fn badness(&self, total: u64) -> Option<i64> {
        if self.is_protected() {
            return None;
        }
        let share = (total / 1000) as i64;
        let free = match self.is_operators {
            true => (total / OPERATORS_SHARE) as i64,
            false => 0,
        };
        Some(self.pages as i64 - free + i64::from(self.adjustment) * share)
    }

    /// Whether it is never chosen.
    pub fn is_protected(&self) -> bool {
        self.exempt || self.adjustment <= OOM_SCORE_ADJ_MIN
    }

    /// What `/proc/PID/oom_score` says, 0 to 2000: thousandths of `total`,
    /// with the adjustment; as on Linux a process of no size has 666.
    pub fn score(&self, total: u64) -> u64 {
        let Some(badness) = self.badness(total) else {
            return 0;
        };
        let thousandths = badness * 1000 / total.max(1) as i64;
        ((1000 + thousandths) * 2 / 3).clamp(0, 2000) as u64
    }
}

/// The one to kill of all candidates: the worst, the newest among equals.
pub fn choose(candidates: impl Iterator<Item = Candidate>, total: u64) -> Option<Candidate> {
    candidates
        .filter_map(|candidate| Some((candidate.badness(total)?, candidate.pid, candidate)))
        .max_by_key(|(badness, pid, _)| (*badness, *pid))
        .map(|(_, _, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TOTAL: u64 = 65_536;

    fn of(pid: u32, pages: u64, adjustment: i32) -> Candidate {
        Candidate {
            pid,
            pages,
            adjustment,
            exempt: pid == 1,
            is_operators: false,
        }
    }

    #[test]
    fn an_operators_shell_outlives_a_small_service_and_his_hog_does_not() {
        let shell = Candidate {
            is_operators: true,
            ..of(9, 120, 0)
        };
        let all = [of(2, 23, 0), shell];
        assert_eq!(choose(all.into_iter(), TOTAL), Some(all[0]));
        let hog = Candidate {
            is_operators: true,
            ..of(9, TOTAL / 2, 0)
        };
        let all = [of(2, 300, 0), hog];
        assert_eq!(choose(all.into_iter(), TOTAL), Some(all[1]));
        assert_eq!(choose([shell].into_iter(), TOTAL), Some(shell));
    }

    #[test]
    fn the_hog_goes_and_not_the_shell_or_process_1() {
        let all = [
            of(1, 60_000, 0),
            of(2, 300, 0),
            of(7, 40_000, 0),
            of(9, 120, 0),
        ];
        assert_eq!(choose(all.into_iter(), TOTAL), Some(all[2]));
    }

    #[test]
    fn an_adjustment_outweighs_size_and_its_lowest_value_protects() {
        let all = [of(2, 300, 1000), of(7, 40_000, -1000), of(8, 40_000, 0)];
        assert_eq!(choose(all.into_iter(), TOTAL), Some(all[0]));
        let all = [of(2, 300, 0), of(7, 40_000, -1000)];
        assert_eq!(choose(all.into_iter(), TOTAL), Some(all[0]));
    }

    #[test]
    fn with_nobody_to_kill_nobody_is() {
        let all = [of(1, 60_000, 0), of(7, 40_000, OOM_SCORE_ADJ_MIN)];
        assert_eq!(choose(all.into_iter(), TOTAL), None);
    }

    #[test]
    fn scores_are_those_of_linux() {
        assert_eq!(of(2, 0, 0).score(TOTAL), 666);
        assert_eq!(of(2, 0, 1000).score(TOTAL), 1327);
        assert_eq!(of(2, 0, -1000).score(TOTAL), 0);
        assert_eq!(of(2, TOTAL / 2, 0).score(TOTAL), 1000);
    }

    proptest! {
        #[test]
        fn more_memory_or_a_higher_adjustment_is_never_better(
            pages in 0u64..TOTAL, more in 0u64..1000, adjustment in -999i32..=990, up in 0i32..10
        ) {
            let less = of(5, pages, adjustment);
            let worse = of(5, pages + more, adjustment + up);
            prop_assert!(less.badness(TOTAL) <= worse.badness(TOTAL));
            prop_assert!(less.score(TOTAL) <= worse.score(TOTAL));
        }
    }
}
