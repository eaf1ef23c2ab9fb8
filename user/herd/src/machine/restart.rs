//! What follows the end of an instance.

use super::backoff::{AT_ONCE_AFTER, Failures, Restarts};
use super::entry::{Entry, Instance, State, note};
use super::{Action, End, Time};
use crate::config::{Kind, Millis, Restart};

/// An exit status by which a service asks not to be started again.
const GIVE_UP: End = End::Exited(125);

/// What is to be known of an instance that has ended.
#[derive(Debug)]
pub(super) struct Last {
    end: End,
    /// How long it ran, in milliseconds.
    ran: Time,
    success: bool,
    /// Its end was asked for, or what comes next has been.
    pub(super) asked: bool,
    runs_once: bool,
    /// When it began.
    since: Time,
}

impl Entry {
    /// An instance has ended, `asked` to or by itself.
    #[allow(
        clippy::too_many_arguments,
        reason = "an event with all its circumstances"
    )]
    pub(super) fn ended(
        &mut self,
        name: &str,
        now: Time,
        instance: &Instance,
        end: End,
        asked: bool,
        random: u64,
        out: &mut Vec<Action>,
    ) {
        let ran = now.saturating_sub(instance.since);
        let pid = instance.pid;
        note(name, format!("pid {pid} {end} after {}", Millis(ran)), out);
        self.last_end = Some(Ok(end));
        self.ended_well = instance.service.is_success(end);
        let last = Last {
            end,
            ran,
            success: self.ended_well,
            asked,
            runs_once: instance.runs_once(),
            since: instance.since,
        };
        if instance.service.post_stop.is_some() {
            out.push(Action::Clean {
                name: name.to_owned(),
                generation: self.generation,
                service: instance.service.clone(),
            });
            self.state = State::Cleaning(last);
        } else {
            self.conclude(name, now, &last, random, out);
        }
    }

    /// Nothing of the instance is left: what is next?
    pub(super) fn conclude(
        &mut self,
        name: &str,
        now: Time,
        last: &Last,
        random: u64,
        out: &mut Vec<Action>,
    ) {
        self.state = State::Down;
        if last.asked {
            if self.wanted {
                self.state = self.comes();
            }
        } else if last.end == GIVE_UP {
            self.give_up(name, out);
        } else if let Some(at) = self.next_time(now, last.since).filter(|_| self.wanted) {
            self.state = self.scheduled(now, at);
        } else if last.runs_once && last.success {
            self.done = self.wanted;
            self.wanted = false;
        } else if last.success && self.waits_for_clients() {
            self.listen_again(now, last.ran);
        } else {
            self.count_failure(name, now, last.ran, out);
            self.restart(name, now, last.ran, last.success, random, out);
        }
    }

    /// It has done what its clients wanted. One that ended as soon as it had begun may
    /// have left them waiting, and is not to be started by them again and again.
    fn listen_again(&mut self, now: Time, ran: Time) {
        self.in_a_row = Restarts::default();
        let Some(service) = self.usable.as_ref().filter(|_| self.wanted) else {
            return;
        };
        self.state = match ran >= AT_ONCE_AFTER {
            true => self.comes(),
            false => State::Backoff(now.saturating_add(service.backoff.first.0)),
        };
    }

    /// Trying again would end the same way until something changes.
    pub(super) fn give_up(&mut self, name: &str, out: &mut Vec<Action>) {
        if self.wanted {
            self.wanted = false;
            self.failed = true;
            let text = "not tried again until its definition changes or it is started";
            note(name, text, out);
        }
    }

    fn count_failure(&mut self, name: &str, now: Time, ran: Time, out: &mut Vec<Action>) {
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
        ran: Time,
        success: bool,
        random: u64,
        out: &mut Vec<Action>,
    ) {
        let Some(service) = self.usable.clone().filter(|_| self.wanted) else {
            return;
        };
        let again = match service.restart {
            // It comes again anyway.
            _ if matches!(service.kind, Kind::Timer | Kind::Socket) => true,
            Restart::Always => !service.kind.runs_once() || !success,
            Restart::OnFailure => !success,
            Restart::Never => false,
        };
        if !again {
            self.wanted = false;
            return note(name, "not restarted, as its definition says", out);
        }
        if let Some(at) = self.next_time(now, now) {
            self.state = self.scheduled(now, at);
            return;
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
            self.state = self.comes();
        } else {
            note(name, format!("restarting in {}", Millis(delay)), out);
            self.state = State::Backoff(now.saturating_add(delay));
        }
    }
}
