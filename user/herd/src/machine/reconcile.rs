//! What follows from a change, one turn after the other.

use super::entry::State;
use super::{Action, Machine, Time, relations};

impl Machine {
    /// Lets everything happen that waits for nothing but its turn, among what
    /// was touched.
    pub(super) fn reconcile(&mut self, now: Time, out: &mut Vec<Action>) {
        while let Some(name) = self.turns.next() {
            if self.shutting_down {
                self.stop_in_turn(&name, now, out);
            } else {
                self.launch_in_turn(&name, out);
            }
            self.take_note(&name, now, out);
        }
    }

    /// Stops it unless one that lives is after it.
    fn stop_in_turn(&mut self, name: &str, now: Time, out: &mut Vec<Action>) {
        if let Some(entry) = self.entries.get_mut(name)
            && !(entry.is_live() && self.turns.is_held(name))
        {
            entry.stop(name, now, out);
        }
    }

    /// Starts it if it waits and nothing it is after is still to be started.
    fn launch_in_turn(&mut self, name: &str, out: &mut Vec<Action>) {
        let Some(entry) = self.entries.get(name) else {
            return;
        };
        match entry.state {
            State::Waiting => {}
            State::Listening { asked: false, .. } => {
                if let Some(entry) = self.entries.get_mut(name) {
                    entry.listen(name, out);
                }
                return;
            }
            _ => return,
        }
        let Some(entry) = self.entries.get(name) else {
            return;
        };
        let blocker = relations::blocker(&self.entries, entry, entry.place);
        let place = entry.place;
        let blocker = blocker.or_else(|| Some((place, self.rival(name)?)));
        if let Some((_, blocker)) = &blocker
            && let Some(other) = self.entries.get_mut(blocker.as_str())
        {
            other.told.is_waited_for(other.standing());
        }
        let Some(entry) = self.entries.get_mut(name) else {
            return;
        };
        match blocker {
            None => entry.launch(name, out),
            Some((place, blocker)) => {
                entry.place = place;
                if entry.waits_for.as_ref() != Some(&blocker) {
                    self.turns.wait(name, &blocker);
                    entry.waits_for = Some(blocker);
                }
            }
        }
    }

    /// One that lives and may not, beside `name`.
    fn rival(&self, name: &str) -> Option<String> {
        let lives = |other: &&String| {
            self.entries
                .get(other.as_str())
                .is_some_and(|entry| entry.is_live())
        };
        let mut rivals = self.reverse.conflicting(name);
        rivals.find(|other| *other != name && lives(other)).cloned()
    }

    /// Keeps `turns` as the entry `name` is now, and touches those that it
    /// makes room for.
    pub(super) fn take_note(&mut self, name: &str, now: Time, out: &mut Vec<Action>) {
        let entry = self.entries.get(name);
        self.turns
            .set_timer(name, entry.and_then(|entry| entry.deadline()));
        let live = entry.is_some_and(|entry| entry.is_live());
        let lived = entry.is_some_and(|entry| entry.told_live);
        self.turns.set_live(lived, live);
        if self.shutting_down
            && lived
            && !live
            && let Some(service) = entry.and_then(|entry| entry.usable.as_ref())
        {
            for other in relations::before(service) {
                self.turns.release(other);
            }
        }
        let standing = entry.map(|entry| entry.standing()).unwrap_or_default();
        let told = entry.map(|entry| entry.told).unwrap_or_default();
        if let Some(entry) = self.entries.get_mut(name) {
            entry.told = standing;
            entry.told_live = live;
        }
        if !self.shutting_down && relations::falls(told, standing) {
            self.fell(name, now, out);
        }
        if relations::wakes(told, standing) {
            for waiting in self.turns.wake(name) {
                if let Some(entry) = self.entries.get_mut(waiting.as_str())
                    && entry.waits_for.as_deref() == Some(name)
                {
                    entry.waits_for = None;
                    self.turns.touch(&waiting);
                }
            }
        }
        let entry = self.entries.get(name);
        if entry.is_some_and(|entry| entry.gone && matches!(entry.state, State::Down)) {
            self.entries.remove(name);
        }
    }
}
