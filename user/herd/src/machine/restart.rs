//! What follows an end that nobody asked for.

use super::Action;
use super::Time;
use super::backoff::Failures;
use super::entry::{Entry, State, note};
use crate::config::{Millis, Restart};

impl Entry {
    /// Trying again would end the same way until something changes.
    pub(super) fn give_up(&mut self, name: &str, out: &mut Vec<Action>) {
        if self.wanted {
            self.wanted = false;
            self.failed = true;
            let text = "not tried again until its definition changes or it is started";
            note(name, text, out);
        }
    }

    pub(super) fn count_failure(&mut self, name: &str, now: Time, ran: u64, out: &mut Vec<Action>) {
        let healthy = self.usable.as_ref().map(|service| service.healthy_after.0);
        if healthy.is_some_and(|healthy| ran >= healthy) {
            self.failures = Failures::default();
        }
        if self.wanted && self.failures.add(now) {
            note(name, "crash loop: it ended five times within 30 s", out);
        }
    }

    /// Chooses what follows an end that nobody asked for.
    pub(super) fn restart(
        &mut self,
        name: &str,
        now: Time,
        ran: u64,
        success: bool,
        random: u64,
        out: &mut Vec<Action>,
    ) {
        let Some(service) = self.usable.clone().filter(|_| self.wanted) else {
            return;
        };
        let again = match service.restart {
            Restart::Always => true,
            Restart::OnFailure => !success,
            Restart::Never => false,
        };
        if !again {
            self.wanted = false;
            return note(name, "not restarted, as its definition says", out);
        }
        let (most, so_far) = (service.max_retries, self.in_a_row.count(&service, ran));
        if most > 0 && so_far >= most {
            note(
                name,
                format!("it was restarted {so_far} times in a row"),
                out,
            );
            return self.give_up(name, out);
        }
        self.restarts += 1;
        let delay = self.in_a_row.next_delay(&service, ran, random);
        if delay == 0 {
            note(name, "restarting at once", out);
            self.state = State::Waiting;
        } else {
            note(name, format!("restarting in {}", Millis(delay)), out);
            self.state = State::Backoff(now.saturating_add(delay));
        }
    }
}
