//! What happens to a service because time has passed.

use super::entry::{Entry, State, note};
use super::{Action, Time};
use crate::config::Signal;

impl Entry {
    pub(super) fn tick(&mut self, name: &str, now: Time, out: &mut Vec<Action>) {
        match std::mem::take(&mut self.state) {
            State::Backoff(at) if at <= now => self.state = State::Waiting,
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

    pub(super) fn deadline(&self) -> Option<Time> {
        match &self.state {
            State::Backoff(at) => Some(*at),
            State::Running(instance) => instance.late_at(),
            State::Stopping { kill_at, .. } => *kill_at,
            _ => None,
        }
    }
}
