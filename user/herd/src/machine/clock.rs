//! What happens to a service because time has passed.

use super::entry::{Entry, State, note};
use super::{Action, Time};
use crate::config::{Schedule, Signal, Times};

/// A clock that is set by no more than this, in milliseconds, only goes a little faster
/// or slower.
pub(super) const JUMP: u64 = 1_000;

/// How often the clocks are looked at for timers of times of the day, in milliseconds.
const LOOK: u64 = 60_000;

impl Entry {
    pub(super) fn tick(&mut self, name: &str, now: Time, out: &mut Vec<Action>) {
        match std::mem::take(&mut self.state) {
            State::Backoff(at) if at <= now => self.state = self.comes(),
            State::Scheduled { at, .. } if at <= now => self.state = State::Waiting,
            State::Scheduled { at, .. } => self.state = self.scheduled(now, at),
            State::Running(instance) if instance.late_at().is_some_and(|at| at <= now) => {
                let limit = instance.service.start_timeout;
                note(name, format!("it was not ready within {limit}"), out);
                self.ask_to_stop(name, now, instance, true, out);
            }
            State::Stopping {
                instance,
                kill_at,
                failed,
            } => {
                let is_late = kill_at.is_some_and(|at| at <= now);
                if is_late {
                    let (pid, limit) = (instance.pid, instance.service.stop_timeout);
                    let text = format!("pid {pid} did not stop within {limit}: killing it");
                    note(name, text, out);
                    out.push(Action::Signal {
                        name: name.to_owned(),
                        pid,
                        signal: Signal::KILL,
                    });
                }
                self.state = State::Stopping {
                    instance,
                    kill_at: kill_at.filter(|_| !is_late),
                    failed,
                };
            }
            state => self.state = state,
        }
    }

    /// The shutdown has lasted too long for it.
    pub(super) fn kill(&mut self, name: &str, out: &mut Vec<Action>) {
        let Some(instance) = self.instance().cloned() else {
            return;
        };
        let pid = instance.pid;
        note(
            name,
            format!("pid {pid} holds the shutdown up: killing it"),
            out,
        );
        out.push(Action::Signal {
            name: name.to_owned(),
            pid,
            signal: Signal::KILL,
        });
        self.wanted = false;
        self.state = State::Stopping {
            instance,
            kill_at: None,
            failed: false,
        };
    }

    /// When a timer of times of the day runs next; `None` for all else.
    pub(super) fn first_time(&self, now: Time) -> Option<Time> {
        match self.usable.as_ref()?.schedule? {
            Schedule::At(times) => Some(self.at(times, now)),
            Schedule::Every(_) => None,
        }
    }

    /// When a timer runs that ran last `since` a time; `None` for all else.
    pub(super) fn next_time(&self, now: Time, since: Time) -> Option<Time> {
        match self.usable.as_ref()?.schedule? {
            Schedule::At(times) => Some(self.at(times, now)),
            // One that took too long goes on at once.
            Schedule::Every(every) => Some(since.saturating_add(every.0).max(now)),
        }
    }

    /// A timer that is to run now, because it is started, runs at a time that it had
    /// before. A clock that was set wrong makes it wait no longer than ever.
    pub(super) fn put_off(&mut self, now: Time, at: Time) {
        let schedule = self.usable.as_ref().and_then(|service| service.schedule);
        if let (State::Waiting, Some(Schedule::Every(every))) = (&self.state, schedule) {
            let latest = now.saturating_add(every.0);
            self.state = self.scheduled(now, at.clamp(now, latest));
        }
    }

    /// The first of some times. The wall clock may be a little behind of what it was
    /// when such a time came: that is not taken for the next.
    fn at(&self, times: Times, now: Time) -> Time {
        let wall = now.saturating_add_signed(self.wall_offset);
        let next = times.after(wall.saturating_add(JUMP));
        now.saturating_add(next - wall)
    }

    /// The wall clock was set. What was due by it has another time now; what was left
    /// out is.
    pub(super) fn set_wall_offset(&mut self, now: Time, offset: i64) {
        self.wall_offset = offset;
        if let State::Scheduled { .. } = self.state
            && let Some(at) = self.first_time(now)
        {
            self.state = self.scheduled(now, at);
        }
    }

    /// The next instance is due at a time. Where that is one of the day, the clocks are
    /// looked at meanwhile: nobody tells that the wall clock was set.
    pub(super) fn scheduled(&self, now: Time, at: Time) -> State {
        let look = match self.first_time(now) {
            Some(_) => at.min(now.saturating_add(LOOK)),
            None => at,
        };
        State::Scheduled { at, look }
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        match &self.state {
            State::Backoff(at) => Some(*at),
            State::Scheduled { look, .. } => Some(*look),
            State::Running(instance) => instance.late_at(),
            State::Stopping { kill_at, .. } => *kill_at,
            _ => None,
        }
    }
}
