//! One service: its definition, its wishes and its one instance.

use std::sync::Arc;

use super::backoff::{Failures, Restarts};
use super::relations::Standing;
use super::restart::Last;
use super::{Action, End, Event, Generation, Time};
use crate::config::{ConfigError, Kind, Millis, Service, Signal};

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
    /// The same, because its schedule says so.
    Scheduled {
        /// When the next is due.
        at: Time,
        /// When to look at the clocks again.
        look: Time,
    },
    /// None; one is started when a client comes to its sockets.
    Listening {
        /// They are being opened, or are open.
        asked: bool,
        open: bool,
    },
    /// It was told to stop, and is killed at the deadline.
    Stopping {
        instance: Instance,
        kill_at: Option<Time>,
        /// Because something was wrong with it, not because of an operator:
        /// its end is a failure.
        failed: bool,
    },
    /// None; `post_stop` of the last runs.
    Cleaning(Last),
}

#[derive(Debug, Clone)]
pub(super) struct Instance {
    pub(super) pid: u32,
    pub(super) since: Time,
    pub(super) service: Arc<Service>,
    /// It does what it is for. What runs once never is before its end.
    pub(super) ready: bool,
}

impl Instance {
    pub(super) fn runs_once(&self) -> bool {
        self.service.kind.runs_once()
    }

    /// When it must be ready, if it is not.
    pub(super) fn late_at(&self) -> Option<Time> {
        let waits = !self.ready && !self.runs_once();
        waits.then(|| self.since.saturating_add(self.service.start_timeout.0))
    }
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
    /// Whose turn it waits for, and its place in the lists.
    pub(super) waits_for: Option<String>,
    pub(super) place: usize,
    /// Not to be tried again until something changes.
    pub(super) failed: bool,
    /// It ran once, and ended well.
    pub(super) done: bool,
    pub(super) in_a_row: Restarts,
    pub(super) restarts: u64,
    pub(super) has_run: bool,
    pub(super) failures: Failures,
    pub(super) last_end: Option<Result<End, String>>,
    /// That was one as it is meant to be.
    pub(super) ended_well: bool,
    /// How it stood when others were told.
    pub(super) told: Standing,
    /// Whether it is counted among those with an instance.
    pub(super) told_live: bool,
    /// What the wall clock is ahead of the machine's, in milliseconds.
    pub(super) wall_offset: i64,
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
            done: false,
            in_a_row: Restarts::default(),
            restarts: 0,
            has_run: false,
            failures: Failures::default(),
            last_end: None,
            ended_well: false,
            told: Standing::default(),
            told_live: false,
            wall_offset: 0,
        }
    }
}

pub(super) fn note(name: &str, text: impl Into<String>, out: &mut Vec<Action>) {
    out.push(Action::Note {
        name: name.to_owned(),
        text: text.into(),
    });
}

impl Entry {
    pub(super) fn is_live(&self) -> bool {
        matches!(
            self.state,
            State::Starting { .. }
                | State::Running(_)
                | State::Stopping { .. }
                | State::Cleaning(_)
        )
    }

    /// Takes over what the file says. Whether that is new and usable.
    pub(super) fn define(
        &mut self,
        name: &str,
        definition: Result<Arc<Service>, ConfigError>,
        out: &mut Vec<Action>,
    ) -> bool {
        let mut definition = definition.map_err(|error| error.to_string());
        // One that says the same is not kept twice: an instance may have the first.
        if let (Ok(new), Some(old)) = (&definition, &self.usable)
            && new == old
        {
            definition = Ok(old.clone());
        }
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

    /// Whether a new definition is tried at once, as the old one failed.
    pub(super) fn is_to_try_changed(&self) -> bool {
        let timer = || self.usable.as_ref().is_some_and(|it| it.schedule.is_some());
        match self.state {
            State::Scheduled { .. } => !timer(),
            State::Listening { .. } => !self.waits_for_clients(),
            State::Backoff(_) => true,
            _ => self.failed && self.enabled,
        }
    }

    /// Whether an instance of it is only started when a client comes.
    pub(super) fn waits_for_clients(&self) -> bool {
        let usable = self.usable.as_ref();
        usable.is_some_and(|service| service.kind == Kind::Socket)
    }

    /// How it comes to its next instance, when nothing else holds it up.
    pub(super) fn comes(&self) -> State {
        match self.waits_for_clients() {
            true => State::Listening {
                asked: false,
                open: false,
            },
            false => State::Waiting,
        }
    }

    /// Has one that waits for a time or for clients do so by its new definition, from
    /// now on.
    pub(super) fn wait_anew(&mut self, now: Time) {
        if let State::Listening { .. } = self.state {
            self.state = self.comes();
        }
        if let State::Scheduled { .. } = self.state
            && let Some(at) = self.next_time(now, now)
        {
            self.state = self.scheduled(now, at);
        }
    }

    /// Wants it to run. A wait for a restart ends; an instance that is
    /// stopping is followed by a new one. A timer that runs at times of the day
    /// waits for the next, and what is started for clients waits for one, unless it
    /// does so already.
    pub(super) fn start(&mut self, now: Time) {
        self.wanted = true;
        self.failed = false;
        self.done = false;
        self.in_a_row = Restarts::default();
        self.failures = Failures::default();
        match &mut self.state {
            State::Down => {
                let first = self.first_time(now);
                self.state = first.map_or_else(|| self.comes(), |at| self.scheduled(now, at));
            }
            State::Backoff(_) | State::Scheduled { .. } => self.state = self.comes(),
            State::Listening { .. } => self.state = State::Waiting,
            State::Stopping { failed, .. } => *failed = false,
            State::Cleaning(last) => last.asked = true,
            _ => {}
        }
    }

    /// Wants it not to run, and tells the instance so.
    pub(super) fn stop(&mut self, name: &str, now: Time, out: &mut Vec<Action>) {
        self.wanted = false;
        self.done = false;
        self.end(name, now, out);
    }

    /// Ends its instance, whatever is to follow.
    pub(super) fn end(&mut self, name: &str, now: Time, out: &mut Vec<Action>) {
        match std::mem::take(&mut self.state) {
            State::Down
            | State::Waiting
            | State::Backoff(_)
            | State::Scheduled { .. }
            | State::Listening { .. } => {
                if self.wanted {
                    self.state = self.comes();
                }
            }
            State::Running(instance) => self.ask_to_stop(name, now, instance, false, out),
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
            State::Stopping {
                instance, kill_at, ..
            } => {
                self.state = State::Stopping {
                    instance,
                    kill_at,
                    failed: false,
                };
            }
            State::Cleaning(mut last) => {
                last.asked = true;
                self.state = State::Cleaning(last);
            }
        }
    }

    pub(super) fn ask_to_stop(
        &mut self,
        name: &str,
        now: Time,
        instance: Instance,
        failed: bool,
        out: &mut Vec<Action>,
    ) {
        let stop = instance.service.stop_signal;
        let (pid, word) = (instance.pid, stop.name());
        note(name, format!("stopping pid {pid} with {word}"), out);
        // One that is stopped would not hear of it without CONT.
        for signal in [stop, Signal::CONT] {
            out.push(Action::Signal {
                name: name.to_owned(),
                pid,
                signal,
            });
        }
        let kill_at = Some(now.saturating_add(instance.service.stop_timeout.0));
        self.state = State::Stopping {
            instance,
            kill_at,
            failed,
        };
    }

    /// Has its sockets opened, if it waits for clients and they are not.
    pub(super) fn listen(&mut self, name: &str, out: &mut Vec<Action>) {
        if let (State::Listening { asked: false, open }, Some(service)) =
            (&self.state, &self.usable)
        {
            out.push(Action::Listen {
                name: name.to_owned(),
                generation: self.generation,
                service: service.clone(),
            });
            self.state = State::Listening {
                asked: true,
                open: *open,
            };
        }
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
                let ready = service.ready.is_none() && !service.kind.runs_once();
                let instance = Instance {
                    pid,
                    since: now,
                    service,
                    ready,
                };
                self.started(name, now, instance, out);
            }
            (State::Starting { aborted: true, .. }, Event::NotStarted { .. }) => {
                note(name, "stopped while it was starting", out);
                if self.wanted {
                    self.state = self.comes();
                }
            }
            (State::Listening { asked: true, .. }, Event::NotStarted { error, .. }) => {
                note(name, format!("cannot listen: {error}"), out);
                self.last_end = Some(Err(error));
                self.ended_well = false;
                self.restart(name, now, 0, false, random, out);
            }
            (State::Listening { asked: true, .. }, Event::Ready) => {
                self.state = State::Listening {
                    asked: true,
                    open: true,
                };
            }
            (State::Listening { asked: true, .. }, Event::Called) => {
                note(name, "a client has come", out);
                self.state = State::Waiting;
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
            (State::Running(mut instance), Event::Ready) => {
                if !instance.ready && !instance.runs_once() {
                    instance.ready = true;
                    let took = Millis(now.saturating_sub(instance.since));
                    note(name, format!("ready after {took}"), out);
                }
                self.state = State::Running(instance);
            }
            (State::Running(instance), Event::Unwell(why)) => {
                note(name, why, out);
                self.ask_to_stop(name, now, instance, true, out);
            }
            (State::Running(instance), Event::Ended(end)) => {
                self.ended(name, now, &instance, end, false, random, out);
            }
            (
                State::Stopping {
                    instance, failed, ..
                },
                Event::Ended(end),
            ) => self.ended(name, now, &instance, end, !failed, random, out),
            (State::Cleaning(last), Event::Cleaned) => {
                self.conclude(name, now, &last, random, out);
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
            self.ask_to_stop(name, now, instance, false, out);
        }
    }

    pub(super) fn instance(&self) -> Option<&Instance> {
        match &self.state {
            State::Running(instance) | State::Stopping { instance, .. } => Some(instance),
            _ => None,
        }
    }
}
