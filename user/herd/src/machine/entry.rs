//! One service: its definition, its wishes and its one instance.

use std::sync::Arc;

use super::backoff::{Failures, Restarts};
use super::{Action, End, Event, Generation, Time};
use crate::config::{ConfigError, Millis, Service, Signal};

/// The one instance of a service, or the place where it would be.
#[derive(Debug, Default)]
pub(super) enum State {
    /// None, and none is to come.
    #[default]
    Down,
    /// None; one is to be started as soon as it is its turn.
    Waiting,
    /// One of this definition has been asked for and not been reported yet.
    Starting {
        service: Arc<Service>,
        /// It was told not to go on.
        aborted: bool,
    },
    Running(Instance),
    /// None; the next is due at a time.
    Backoff(Time),
    /// It was told to stop, and is killed at the deadline.
    Stopping {
        instance: Instance,
        kill_at: Option<Time>,
    },
}

#[derive(Debug, Clone)]
pub(super) struct Instance {
    pub(super) pid: u32,
    pub(super) since: Time,
    pub(super) service: Arc<Service>,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) enabled: bool,
    /// The file is no longer there; the entry goes with its instance.
    pub(super) gone: bool,
    pub(super) definition: Result<Arc<Service>, String>,
    /// The last definition without a mistake: a torn edit takes nothing down.
    pub(super) usable: Option<Arc<Service>>,
    /// Whether it is to run.
    pub(super) wanted: bool,
    pub(super) generation: Generation,
    pub(super) state: State,
    /// Whose turn it waits for, and its place in the `after` list.
    pub(super) waits_for: Option<String>,
    pub(super) place: usize,
    /// Not to be tried again until something changes.
    pub(super) failed: bool,
    pub(super) in_a_row: Restarts,
    pub(super) restarts: u64,
    pub(super) has_run: bool,
    pub(super) failures: Failures,
    pub(super) last_end: Option<Result<End, String>>,
    /// That was one as it is meant to be.
    pub(super) ended_well: bool,
}

impl Default for Entry {
    fn default() -> Self {
        Entry {
            enabled: false,
            gone: false,
            definition: Err("not read yet".to_owned()),
            usable: None,
            wanted: false,
            generation: 0,
            state: State::Down,
            waits_for: None,
            place: 0,
            failed: false,
            in_a_row: Restarts::default(),
            restarts: 0,
            has_run: false,
            failures: Failures::default(),
            last_end: None,
            ended_well: false,
        }
    }
}

pub(super) fn note(name: &str, text: impl Into<String>, out: &mut Vec<Action>) {
    out.push(Action::Note {
        name: name.to_owned(),
        text: text.into(),
    });
}

/// An exit status by which a service asks not to be started again.
const GIVE_UP: End = End::Exited(125);

impl Entry {
    pub(super) fn is_live(&self) -> bool {
        matches!(
            self.state,
            State::Starting { .. } | State::Running(_) | State::Stopping { .. }
        )
    }

    /// Takes over what the file says. Whether that is new and usable.
    pub(super) fn define(
        &mut self,
        name: &str,
        definition: Result<Service, ConfigError>,
        out: &mut Vec<Action>,
    ) -> bool {
        let definition = definition.map(Arc::new).map_err(|error| error.to_string());
        self.gone = false;
        match &definition {
            Ok(service) => self.usable = Some(service.clone()),
            Err(error) if self.definition.as_ref().err() != Some(error) => {
                note(name, format!("invalid definition: {error}"), out);
            }
            Err(_) => {}
        }
        let changed = definition.is_ok() && definition != self.definition;
        self.definition = definition;
        changed
    }

    /// Tries a new definition at once where the old one failed.
    pub(super) fn try_changed(&mut self) {
        if self.failed && self.enabled || matches!(self.state, State::Backoff(_)) {
            self.start();
        }
    }

    /// Wants it to run. A wait for a restart ends; an instance that is
    /// stopping is followed by a new one.
    pub(super) fn start(&mut self) {
        self.wanted = true;
        self.failed = false;
        self.in_a_row = Restarts::default();
        self.failures = Failures::default();
        if matches!(self.state, State::Down | State::Backoff(_)) {
            self.state = State::Waiting;
        }
    }

    /// Wants it not to run, and tells the instance so.
    pub(super) fn stop(&mut self, name: &str, now: Time, out: &mut Vec<Action>) {
        self.wanted = false;
        match std::mem::take(&mut self.state) {
            State::Down | State::Waiting | State::Backoff(_) => {}
            State::Running(instance) => self.ask_to_stop(name, now, instance, out),
            State::Starting { service, aborted } => {
                // Without anything to wait for, the program is about to run.
                let abort = service.pre_start.is_some();
                if abort && !aborted {
                    out.push(Action::Abort {
                        name: name.to_owned(),
                        generation: self.generation,
                    });
                }
                let aborted = aborted || abort;
                self.state = State::Starting { service, aborted };
            }
            state @ State::Stopping { .. } => self.state = state,
        }
    }

    fn ask_to_stop(&mut self, name: &str, now: Time, instance: Instance, out: &mut Vec<Action>) {
        let signal = instance.service.stop_signal;
        note(
            name,
            format!("stopping pid {} with {}", instance.pid, signal.name()),
            out,
        );
        out.push(Action::Signal {
            name: name.to_owned(),
            pid: instance.pid,
            signal,
        });
        // One that is stopped would not hear of it.
        out.push(Action::Signal {
            name: name.to_owned(),
            pid: instance.pid,
            signal: Signal::CONT,
        });
        let kill_at = Some(now.saturating_add(instance.service.stop_timeout.0));
        self.state = State::Stopping { instance, kill_at };
    }

    /// Asks for a new instance. Only called in `Waiting`.
    pub(super) fn launch(&mut self, name: &str, out: &mut Vec<Action>) {
        if let (State::Waiting, Some(service)) = (&self.state, &self.usable) {
            let service = service.clone();
            self.generation += 1;
            out.push(Action::Start {
                name: name.to_owned(),
                generation: self.generation,
                service: service.clone(),
                again: self.has_run,
            });
            self.state = State::Starting {
                service,
                aborted: false,
            };
        }
    }

    /// An event of the present generation.
    pub(super) fn event(
        &mut self,
        name: &str,
        now: Time,
        event: Event,
        random: u64,
        out: &mut Vec<Action>,
    ) {
        match (std::mem::take(&mut self.state), event) {
            (State::Starting { service, .. }, Event::Started(pid)) => {
                let since = now;
                let instance = Instance {
                    pid,
                    since,
                    service,
                };
                self.started(name, now, instance, out);
            }
            (State::Starting { aborted: true, .. }, Event::NotStarted { .. }) => {
                note(name, "stopped while it was starting", out);
                if self.wanted {
                    self.state = State::Waiting;
                }
            }
            (State::Starting { .. }, Event::NotStarted { error, lasting }) => {
                note(name, format!("cannot start: {error}"), out);
                self.last_end = Some(Err(error));
                self.ended_well = false;
                match lasting {
                    true => self.give_up(name, out),
                    false => self.restart(name, now, 0, false, random, out),
                }
            }
            (State::Running(instance), Event::Ended(end)) => {
                let ran = now.saturating_sub(instance.since);
                self.ended(name, &instance, end, ran, out);
                match end {
                    GIVE_UP => self.give_up(name, out),
                    _ => {
                        self.count_failure(name, now, ran, out);
                        let success = instance.service.is_success(end);
                        self.restart(name, now, ran, success, random, out);
                    }
                }
            }
            (State::Stopping { instance, .. }, Event::Ended(end)) => {
                let ran = now.saturating_sub(instance.since);
                self.ended(name, &instance, end, ran, out);
                if self.wanted {
                    self.state = State::Waiting;
                }
            }
            (state, _) => self.state = state,
        }
    }

    fn started(&mut self, name: &str, now: Time, instance: Instance, out: &mut Vec<Action>) {
        self.has_run = true;
        note(name, format!("started, pid {}", instance.pid), out);
        if self.wanted {
            self.state = State::Running(instance);
        } else {
            self.ask_to_stop(name, now, instance, out);
        }
    }

    fn ended(
        &mut self,
        name: &str,
        instance: &Instance,
        end: End,
        ran: u64,
        out: &mut Vec<Action>,
    ) {
        let (pid, ran) = (instance.pid, Millis(ran));
        note(name, format!("pid {pid} {end} after {ran}"), out);
        self.last_end = Some(Ok(end));
        self.ended_well = instance.service.is_success(end);
    }

    pub(super) fn tick(&mut self, name: &str, now: Time, out: &mut Vec<Action>) {
        match &mut self.state {
            State::Backoff(at) if *at <= now => self.state = State::Waiting,
            State::Stopping { instance, kill_at } if kill_at.is_some_and(|at| at <= now) => {
                *kill_at = None;
                let (pid, limit) = (instance.pid, instance.service.stop_timeout);
                note(
                    name,
                    format!("pid {pid} did not stop within {limit}: killing it"),
                    out,
                );
                out.push(Action::Signal {
                    name: name.to_owned(),
                    pid,
                    signal: Signal::KILL,
                });
            }
            _ => {}
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
        };
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        match self.state {
            State::Backoff(at) => Some(at),
            State::Stopping { kill_at, .. } => kill_at,
            _ => None,
        }
    }

    pub(super) fn instance(&self) -> Option<&Instance> {
        match &self.state {
            State::Running(instance) | State::Stopping { instance, .. } => Some(instance),
            _ => None,
        }
    }
}
