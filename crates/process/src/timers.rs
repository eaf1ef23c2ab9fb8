//! Timers of real time: when one is due, and a queue of many.

use alloc::collections::BTreeMap;
use paddock_abi::Result;
use paddock_sync::try_insert;

/// When a timer expires: in nanoseconds of the clock that its owner reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// The next time; zero is never.
    pub due: u64,
    /// From then on; zero is once.
    pub interval: u64,
}

impl Schedule {
    /// How often it has expired by `now`; it is due next after that.
    pub fn take_expired(&mut self, now: u64) -> u64 {
        if !self.is_expired(now) {
            return 0;
        }
        if self.interval == 0 {
            self.due = 0;
            return 1;
        }
        let count = (now - self.due) / self.interval + 1;
        self.due = self.due.saturating_add(count.saturating_mul(self.interval));
        count
    }

    /// Whether it has expired.
    pub fn is_expired(&self, now: u64) -> bool {
        self.due != 0 && self.due <= now
    }

    /// What is left until it expires: zero only if it never does.
    pub fn left(&self, now: u64) -> u64 {
        match self.due {
            0 => 0,
            due => due.saturating_sub(now).max(1),
        }
    }
}

/// Timers by the time at which they are due. What a timer costs grows with the
/// logarithm of their number.
#[derive(Debug)]
pub struct TimerQueue<T> {
    by_due: BTreeMap<(u64, u64), T>,
}

impl<T> TimerQueue<T> {
    /// None.
    pub const fn new() -> TimerQueue<T> {
        TimerQueue {
            by_due: BTreeMap::new(),
        }
    }

    /// Adds the timer of number `key`, of which there is none; whether it is
    /// the first now. `ENOMEM`.
    pub fn arm(&mut self, due: u64, key: u64, timer: T) -> Result<bool> {
        try_insert(&mut self.by_due, (due, key), timer)?;
        Ok(self.first_due() == Some(due))
    }

    /// Takes out the timer that was added so, if it is there still.
    pub fn disarm(&mut self, due: u64, key: u64) -> Option<T> {
        self.by_due.remove(&(due, key))
    }

    /// When the first is due.
    pub fn first_due(&self) -> Option<u64> {
        self.by_due.first_key_value().map(|(&(due, _), _)| due)
    }

    /// Takes out the first, if it is due.
    pub fn take_due(&mut self, now: u64) -> Option<T> {
        let first = self.by_due.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}

impl<T> Default for TimerQueue<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn missed_expirations_are_counted() {
        let mut timer = Schedule {
            due: 100,
            interval: 10,
        };
        assert_eq!(timer.take_expired(99), 0);
        assert_eq!(timer.left(99), 1);
        assert_eq!(timer.take_expired(100), 1);
        assert_eq!(timer.take_expired(145), 4);
        assert_eq!((timer.due, timer.left(145)), (150, 5));
        timer.interval = 0;
        assert_eq!(timer.take_expired(1_000), 1);
        assert_eq!((timer.take_expired(2_000), timer.left(2_000)), (0, 0));
    }

    proptest! {
        #[test]
        fn all_come_in_order(dues in proptest::collection::vec(1u64..50, 0..60), gone in any::<u64>()) {
            let mut queue = TimerQueue::new();
            let mut first = u64::MAX;
            for (key, &due) in dues.iter().enumerate() {
                let is_first = queue.arm(due, key as u64, due).unwrap();
                first = first.min(due);
                prop_assert_eq!(is_first, due == first);
            }
            let mut left: Vec<u64> = dues.clone();
            if !dues.is_empty() {
                let key = gone as usize % dues.len();
                let due = left.swap_remove(key);
                prop_assert_eq!(queue.disarm(due, key as u64), Some(due));
                prop_assert_eq!(queue.disarm(due, key as u64), None);
            }
            left.sort_unstable();
            for now in 0..60 {
                let mut expected: Vec<u64> = left.iter().copied().filter(|&due| due == now).collect();
                prop_assert_eq!(queue.first_due().is_some_and(|due| due < now), false);
                while let Some(due) = queue.take_due(now) {
                    prop_assert_eq!(Some(due), expected.pop());
                }
                prop_assert!(expected.is_empty());
            }
        }
    }
}
