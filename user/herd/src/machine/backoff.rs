//! How long a service waits for its restart.

use serde::{Deserialize, Serialize};

use super::Time;
use crate::config::Service;

/// A run of this length is followed by a restart at once, the first time, in
/// milliseconds. So a service that ends at once never keeps herd busy.
pub(super) const AT_ONCE_AFTER: Time = 1_000;

/// The restarts since the count was last reset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Restarts {
    at_once: bool,
    delayed: u32,
}

impl Restarts {
    /// How many there were, after a run of `ran` milliseconds.
    pub(super) fn count(&self, service: &Service, ran: Time) -> u32 {
        match ran >= service.healthy_after.0 {
            true => 0,
            false => self.delayed.saturating_add(u32::from(self.at_once)),
        }
    }

    /// The wait in milliseconds after a run of `ran` milliseconds. `random`
    /// spreads services that ended together.
    pub(super) fn next_delay(&mut self, service: &Service, ran: Time, random: u64) -> Time {
        if ran >= service.healthy_after.0 {
            *self = Restarts::default();
        }
        if ran >= AT_ONCE_AFTER && *self == Restarts::default() {
            self.at_once = true;
            return 0;
        }
        let nominal = nominal(service, self.delayed);
        self.delayed = self.delayed.saturating_add(1);
        jittered(nominal, random)
    }
}

/// So many ends that nobody asked for, within so long, are a crash loop.
const LOOP: usize = 5;
const LOOP_WITHIN: Time = 30_000;

/// The last ends that nobody asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Failures {
    /// Most services have none.
    at: Option<Box<[Option<Time>; LOOP]>>,
    is_loop: bool,
}

impl Failures {
    /// One more at `now`; whether that makes it a crash loop.
    pub(super) fn add(&mut self, now: Time) -> bool {
        let at = self.at.get_or_insert_default();
        at.rotate_left(1);
        if let Some(last) = at.last_mut() {
            *last = Some(now);
        }
        let was_loop = self.is_loop;
        let first = at.first().copied().flatten();
        self.is_loop |= first.is_some_and(|first| now.saturating_sub(first) <= LOOP_WITHIN);
        self.is_loop && !was_loop
    }

    pub(super) fn are_a_loop(&self) -> bool {
        self.is_loop
    }
}

/// The wait before delayed restart number `before + 1`, without jitter.
fn nominal(service: &Service, before: u32) -> Time {
    let factor = 1u64.checked_shl(before).unwrap_or(u64::MAX);
    let doubled = service.backoff.first.0.saturating_mul(factor);
    doubled.min(service.backoff.most.0)
}

/// From 80 % to 120 % of `nominal`.
fn jittered(nominal: Time, random: u64) -> Time {
    let fifth = nominal / 5;
    nominal - fifth + random % (2 * fifth + 1)
}

/// The next of a sequence that looks random (SplitMix64, by Steele, Lea and
/// Flood, 2014). Good enough to spread restarts, for nothing else.
pub(super) fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn service(extra: &str) -> Service {
        Service::parse(Path::new("x"), &format!("command = 'x'\n{extra}")).unwrap()
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let service = service("");
        let waits: Vec<Time> = (0..12).map(|n| nominal(&service, n)).collect();
        assert_eq!(waits[..4], [100, 200, 400, 800]);
        assert_eq!(waits[9..], [51_200, 60_000, 60_000]);
        assert_eq!(nominal(&service, 200), 60_000);
    }

    #[test]
    fn the_first_restart_is_at_once_if_it_had_run() {
        let service = service("");
        let mut restarts = Restarts::default();
        assert_eq!(restarts.next_delay(&service, 1_000, 20), 0);
        assert_eq!(restarts.next_delay(&service, 1_000, 20), 100);
        assert_eq!(restarts.next_delay(&service, 59_999, 40), 200);
        assert_eq!(restarts.next_delay(&service, 60_000, 0), 0);
        assert_eq!(restarts.next_delay(&service, 0, 20), 100);
        // One that ends at once never restarts at once.
        let mut restarts = Restarts::default();
        assert_eq!(restarts.next_delay(&service, 999, 20), 100);
        assert_eq!(restarts.next_delay(&service, 5_000, 40), 200);
        let hasty = self::service("healthy_after = 0");
        assert_eq!(Restarts::default().next_delay(&hasty, 0, 20), 100);
    }

    #[test]
    fn five_ends_within_30_s_are_a_loop() {
        let mut failures = Failures::default();
        assert!(!(0..40).any(|n| failures.add(n * 8_000)));
        assert!(!failures.are_a_loop());
        let at = 400_000;
        assert!(!(0..4).any(|_| failures.add(at)));
        assert!(failures.add(at + 1));
        assert!(!failures.add(at + 1) && failures.are_a_loop());
    }

    #[test]
    fn jitter_is_a_fifth_each_way() {
        let mut state = 1;
        let waits: Vec<Time> = (0..1_000)
            .map(|_| jittered(1_000, next_random(&mut state)))
            .collect();
        assert!(waits.iter().all(|wait| (800..=1_200).contains(wait)));
        assert!(waits.iter().any(|wait| *wait < 820));
        assert!(waits.iter().any(|wait| *wait > 1_180));
        assert_eq!(jittered(0, 7), 0);
    }
}
