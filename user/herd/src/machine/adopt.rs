//! What one herd leaves to the next, when it ends without its services.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::backoff::Restarts;
use super::entry::{Entry, Instance, State, note};
use super::{Action, Generation, Machine, Time};
use crate::config::{Ready, Service};

/// What is to be known of a service beside its definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Whether it is enabled.
    pub enabled: bool,
    /// Whether it is to run.
    pub wanted: bool,
    /// The newest instance.
    pub generation: Generation,
    /// Whether that lived.
    pub live: bool,
    /// When the next is due.
    due: Option<Time>,
    /// That is by its schedule.
    #[serde(default)]
    scheduled: bool,
    failed: bool,
    /// It ran once, and ended well.
    #[serde(default)]
    done: bool,
    /// The instance did what it is for.
    #[serde(default)]
    pub ready: bool,
    restarts: u64,
    in_a_row: Restarts,
}

impl Kept {
    /// A service of which only instance `generation` is known.
    pub fn only(generation: Generation) -> Kept {
        Kept {
            enabled: true,
            wanted: true,
            generation,
            live: true,
            due: None,
            scheduled: false,
            failed: false,
            done: false,
            ready: false,
            restarts: 0,
            in_a_row: Restarts::default(),
        }
    }
}

/// The first process of an instance that the herd before had started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Its number.
    pub pid: u32,
    /// When it was started.
    pub since: Time,
    /// Whether it runs on. If not, its end is reported next.
    pub lives: bool,
}

impl Machine {
    /// A service's last definition without a mistake, as its file has one now. To be
    /// called before the first [`Machine::load`].
    pub fn recall(&mut self, name: &str, service: Arc<Service>) -> Vec<Action> {
        let mut out = Vec::new();
        let entry = self.entries.entry(name.into()).or_default();
        entry.usable.get_or_insert(service);
        note(
            name,
            "the last definition without a mistake counts",
            &mut out,
        );
        out
    }

    /// A timer that runs every so often was to run at a time, in another run of the
    /// machine. To be called before the first [`Machine::load`], which has it wait.
    pub fn recall_timer(&mut self, name: &str, at: Time) {
        self.recalled.insert(name.to_owned(), at);
    }

    /// What the next herd is to know of `name`.
    pub fn kept(&self, name: &str) -> Option<Kept> {
        self.entries.get(name).map(|entry| entry.kept())
    }

    /// Takes a service over from the herd before, in which the clock was the
    /// same. `found` is the first process of its instance. Without a `service`, its definition is not known:
    /// only what runs is supervised. To be called before [`Machine::load`].
    pub fn adopt(
        &mut self,
        now: Time,
        name: &str,
        kept: Kept,
        service: Option<Arc<Service>>,
        found: Option<Found>,
    ) -> Vec<Action> {
        let mut out = Vec::new();
        let entry = self.entries.entry(name.into()).or_default();
        entry.wall_offset = self.wall_offset;
        let (wanted, done, is_ready) = (kept.wanted, kept.done, kept.ready);
        // What was told by a pipe of the herd before is not told again.
        entry.take_over(kept, service.clone());
        let service = service.unwrap_or_else(|| Arc::new(Service::gone()));
        let ready = is_ready
            || !matches!(
                service.ready.as_deref(),
                Some(Ready::Probe(_) | Ready::Notify)
            );
        match found {
            Some(Found { pid, since, lives }) => {
                if lives {
                    note(
                        name,
                        format!("pid {pid} runs on under a new herd"),
                        &mut out,
                    );
                }
                entry.state = State::Running(Instance {
                    pid,
                    since,
                    ready: ready && !service.kind.runs_once(),
                    service,
                });
                if !wanted {
                    entry.stop(name, now, &mut out);
                }
            }
            None if wanted && !done && matches!(entry.state, State::Down) => {
                entry.state = entry.comes();
            }
            None => {}
        }
        self.turns.touch(name);
        out
    }
}

impl Entry {
    fn kept(&self) -> Kept {
        let due = match self.state {
            State::Backoff(at) | State::Scheduled { at, .. } => Some(at),
            _ => None,
        };
        Kept {
            enabled: self.enabled,
            wanted: self.wanted,
            generation: self.generation,
            live: self.is_live(),
            due,
            scheduled: matches!(self.state, State::Scheduled { .. }),
            failed: self.failed,
            done: self.done,
            ready: matches!(&self.state, State::Running(instance) if instance.ready),
            restarts: self.restarts,
            in_a_row: self.in_a_row,
        }
    }

    fn take_over(&mut self, kept: Kept, service: Option<Arc<Service>>) {
        self.enabled = kept.enabled;
        self.wanted = kept.wanted;
        self.generation = kept.generation;
        self.failed = kept.failed;
        self.done = kept.done;
        self.restarts = kept.restarts;
        self.in_a_row = kept.in_a_row;
        self.has_run = kept.generation > 0;
        if let Some(service) = &service {
            self.definition = Ok(service.clone());
        }
        self.usable = service;
        self.state = match kept.due {
            // Looked at at once.
            Some(at) if kept.scheduled => State::Scheduled { at, look: 0 },
            Some(at) => State::Backoff(at),
            None => State::Down,
        };
    }
}
