//! Whose turn it may be, so that an event costs what it changes and not what
//! there is: every change touches a name, and only touched names are looked at.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::Time;

#[derive(Debug, Default)]
pub(super) struct Turns {
    /// Names to look at, in this order.
    touched: VecDeque<String>,
    /// By the name that is waited for, who waits. Each waits for one at a time.
    waiting: HashMap<String, Vec<String>>,
    timers: BTreeSet<(Time, String)>,
    timer_of: HashMap<String, Time>,
    /// How many have an instance.
    live: usize,
    /// In a shutdown: how many that live stop before a name.
    held: HashMap<String, usize>,
}

impl Turns {
    pub(super) fn touch(&mut self, name: &str) {
        self.touched.push_back(name.to_owned());
    }

    pub(super) fn next(&mut self) -> Option<String> {
        self.touched.pop_front()
    }

    /// `name` is looked at again when [`Turns::wake`] is called for `blocker`.
    pub(super) fn wait(&mut self, name: &str, blocker: &str) {
        let waiting = self.waiting.entry(blocker.to_owned()).or_default();
        waiting.push(name.to_owned());
    }

    /// Those who waited for `blocker`.
    pub(super) fn wake(&mut self, blocker: &str) -> Vec<String> {
        self.waiting.remove(blocker).unwrap_or_default()
    }

    /// Nobody waits for anybody.
    pub(super) fn forget_waiting(&mut self) {
        self.waiting.clear();
    }

    pub(super) fn set_timer(&mut self, name: &str, at: Option<Time>) {
        let old = match at {
            Some(at) => self.timer_of.insert(name.to_owned(), at),
            None => self.timer_of.remove(name),
        };
        if old == at {
            return;
        }
        if let Some(old) = old {
            self.timers.remove(&(old, name.to_owned()));
        }
        if let Some(at) = at {
            self.timers.insert((at, name.to_owned()));
        }
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Takes a timer that is due.
    pub(super) fn due(&mut self, now: Time) -> Option<String> {
        if self.deadline()? > now {
            return None;
        }
        let (_, name) = self.timers.pop_first()?;
        self.timer_of.remove(&name);
        Some(name)
    }

    /// One that `lived` or not lives now, or not.
    pub(super) fn set_live(&mut self, lived: bool, live: bool) {
        self.live += usize::from(live);
        self.live = self.live.saturating_sub(usize::from(lived));
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.live == 0
    }

    /// Counts anew who is held, by the lists of those that live.
    pub(super) fn hold<'a>(&mut self, afters: impl Iterator<Item = &'a String>) {
        self.held.clear();
        for name in afters {
            *self.held.entry(name.clone()).or_default() += 1;
        }
    }

    pub(super) fn is_held(&self, name: &str) -> bool {
        self.held.contains_key(name)
    }

    /// One that stops before `name` has ended; who is not held any more is
    /// touched.
    pub(super) fn release(&mut self, name: &str) {
        if let Some(count) = self.held.get_mut(name) {
            *count -= 1;
            if *count == 0 {
                self.held.remove(name);
                self.touch(name);
            }
        }
    }
}
