//! What herd decides, apart from how it is done.
//!
//! The machine takes events with the present time (milliseconds of any
//! monotonic clock) and gives back actions. It performs no I/O and has no
//! clock, so every sequence of events can be tried in a test.
//!
//! Invariants:
//! - A service has at most one instance: a new one is only asked for after
//!   the end of the one before was reported.
//! - Each instance has a generation of its own; an event of another
//!   generation changes nothing.
//! - After [`Machine::shut_down`] nothing is started.
#![forbid(unsafe_code)]

mod adopt;
mod backoff;
mod clock;
mod entry;
mod order;
mod reconcile;
mod relations;
mod restart;
mod turns;
mod view;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod stop_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod timer_tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::config::{Loaded, Service, Signal};
pub use adopt::{Found, Kept};
use entry::Entry;
pub(crate) use order::refuse_cycles;
use relations::Reverse;
use turns::Turns;
pub use view::{Phase, View};

/// Milliseconds of a monotonic clock.
pub type Time = u64;

/// Counts the instances of one service; 0 is "none yet".
pub type Generation = u64;

/// How an instance ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It left with this status.
    Exited(i32),
    /// A signal killed it.
    Killed(Signal),
    /// It, or the machine, had no memory left, and it was killed for that.
    OutOfMemory,
    /// Nobody knows: herd was not there, or not its parent.
    Unknown,
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            End::Exited(code) => write!(f, "exited with status {code}"),
            End::OutOfMemory => f.write_str("killed for want of memory"),
            End::Unknown => f.write_str("ended in a way that herd did not see"),
            End::Killed(signal) => write!(f, "killed by {}", signal.name()),
        }
    }
}

/// Something that happened to an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The instance that was asked for runs.
    Started(u32),
    /// The instance that was asked for could not be started.
    NotStarted {
        /// Why.
        error: String,
        /// Whether it will be so until something changes.
        lasting: bool,
    },
    /// It does what it is for, as its definition has that found out; or, of one that
    /// waits for clients, its sockets are open.
    Ready,
    /// A client has come to one of its sockets.
    Called,
    /// It runs, but not well: why.
    Unwell(String),
    /// The instance ended.
    Ended(End),
    /// What its definition has done after the end is done.
    Cleaned,
}

/// Something to be done for the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Start an instance; answer with [`Event::Started`] or
    /// [`Event::NotStarted`].
    Start {
        /// The service.
        name: String,
        /// The new instance.
        generation: Generation,
        /// What to start.
        service: Arc<Service>,
        /// Whether it has run before: what runs comes before what never did.
        again: bool,
    },
    /// Open the sockets of a service without an instance; answer with
    /// [`Event::Ready`] or [`Event::NotStarted`], and with [`Event::Called`] when a
    /// client is there.
    Listen {
        /// The service.
        name: String,
        /// Its last instance.
        generation: Generation,
        /// What it is.
        service: Arc<Service>,
    },
    /// Run `post_stop` of an instance that has ended; answer with
    /// [`Event::Cleaned`].
    Clean {
        /// The service.
        name: String,
        /// The instance.
        generation: Generation,
        /// What it was.
        service: Arc<Service>,
    },
    /// End a start that has not been reported yet; answer with
    /// [`Event::NotStarted`], or [`Event::Started`] if that was first.
    Abort {
        /// The service.
        name: String,
        /// The instance.
        generation: Generation,
    },
    /// Send a signal to the whole process group of an instance.
    Signal {
        /// The service.
        name: String,
        /// The group: the process id of the instance's first process.
        pid: u32,
        /// What to send.
        signal: Signal,
    },
    /// Tell the operator, in the service's log and on the console.
    Note {
        /// The service.
        name: String,
        /// One line.
        text: String,
    },
}

/// Why a command was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No definition of this name.
    Unknown,
    /// The definition has a mistake.
    Invalid(String),
    /// herd is stopping everything.
    ShuttingDown,
}

/// What an operator asks of one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Run it, if it does not run.
    Start,
    /// Stop it, and leave it stopped.
    Stop,
    /// Stop it if it runs, then start it.
    Restart,
}

/// How long a shutdown may take before what still lives is killed, in
/// milliseconds.
const SHUTDOWN: Time = 60_000;

/// How long until that is done again to what has come since.
const AGAIN: Time = 2_000;

/// All services by their names. Each by itself: half of a node's places may be free.
type Entries = BTreeMap<Arc<str>, Box<Entry>>;

/// All services and what is to become of them.
#[derive(Debug, Default)]
pub struct Machine {
    entries: Entries,
    turns: Turns,
    reverse: Reverse,
    shutting_down: bool,
    /// In a shutdown: when what still lives is killed, whatever its turn.
    kill_all_at: Option<Time>,
    /// When timers run first, until they are loaded.
    recalled: HashMap<String, Time>,
    /// Spreads restarts.
    random: u64,
    /// What the wall clock is ahead of this machine's, in milliseconds.
    wall_offset: i64,
}

impl Machine {
    /// A machine without services.
    pub fn new() -> Self {
        Machine::default()
    }

    /// A machine without services whose restarts are spread by `seed`.
    pub fn seeded(seed: u64) -> Self {
        Machine {
            random: seed,
            ..Machine::default()
        }
    }

    /// Takes over the definitions found on the disk: what is newly enabled
    /// starts, what is no longer enabled stops, what runs goes on with the
    /// definition it was started with until its next start.
    pub fn load(&mut self, now: Time, loaded: Vec<Loaded>) -> Vec<Action> {
        let mut out = Vec::new();
        let loaded = refuse_cycles(loaded);
        let names: HashSet<&str> = loaded.iter().map(|found| found.name.as_str()).collect();
        let mut stopped = Vec::new();
        for (name, entry) in &mut self.entries {
            if !names.contains(&**name) {
                entry.gone = true;
                entry.enabled = false;
                entry.stop(name, now, &mut out);
                stopped.push(name.to_string());
            }
        }
        let mut starts = Vec::new();
        for found in loaded {
            let entry = self.entries.entry(found.name.as_str().into()).or_default();
            entry.wall_offset = self.wall_offset;
            let changed = entry.define(&found.name, found.definition, &mut out);
            let was_enabled = std::mem::replace(&mut entry.enabled, found.enabled);
            match (was_enabled, found.enabled) {
                (false, true) => starts.push(found.name),
                (true, false) => {
                    entry.stop(&found.name, now, &mut out);
                    stopped.push(found.name);
                }
                _ if changed && entry.is_to_try_changed() => starts.push(found.name),
                _ if changed => entry.wait_anew(now),
                _ => {}
            }
        }
        self.refer();
        // What goes down takes others along before anything that needs those starts.
        for name in stopped {
            self.take_note(&name, now, &mut out);
        }
        for name in starts {
            self.begin(&name, now, &mut out);
        }
        self.recalled = HashMap::new();
        self.touch_all();
        self.reconcile(now, &mut out);
        out
    }

    /// Does what an operator asks.
    ///
    /// # Errors
    /// [`Refusal`]; nothing has changed then.
    pub fn command(
        &mut self,
        now: Time,
        name: &str,
        command: Command,
    ) -> Result<Vec<Action>, Refusal> {
        if self.shutting_down {
            return Err(Refusal::ShuttingDown);
        }
        let entry = self.entries.get_mut(name).filter(|entry| !entry.gone);
        let entry = entry.ok_or(Refusal::Unknown)?;
        if command != Command::Stop
            && let Err(error) = &entry.definition
        {
            return Err(Refusal::Invalid(error.clone()));
        }
        let mut out = Vec::new();
        match command {
            Command::Start => self.begin(name, now, &mut out),
            Command::Stop => entry.stop(name, now, &mut out),
            Command::Restart => {
                entry.stop(name, now, &mut out);
                self.begin(name, now, &mut out);
            }
        }
        self.turns.touch(name);
        self.reconcile(now, &mut out);
        Ok(out)
    }

    /// Takes note of what happened to instance `generation` of `name`.
    /// Events of any other instance are ignored.
    pub fn event(
        &mut self,
        now: Time,
        name: &str,
        generation: Generation,
        event: Event,
    ) -> Vec<Action> {
        let mut out = Vec::new();
        if let Some(entry) = self.entries.get_mut(name)
            && entry.generation == generation
        {
            let random = backoff::next_random(&mut self.random);
            entry.event(name, now, event, random, &mut out);
            self.turns.touch(name);
        }
        self.reconcile(now, &mut out);
        out
    }

    /// Does what is due at `now`; see [`Machine::deadline`].
    pub fn tick(&mut self, now: Time) -> Vec<Action> {
        let mut out = Vec::new();
        if self.kill_all_at.is_some_and(|at| at <= now) {
            self.kill_all_at = Some(now.saturating_add(AGAIN));
            for (name, entry) in &mut self.entries {
                entry.kill(name, &mut out);
                self.turns.touch(name);
            }
        }
        while let Some(name) = self.turns.due(now) {
            if let Some(entry) = self.entries.get_mut(name.as_str()) {
                entry.tick(&name, now, &mut out);
            }
            self.turns.touch(&name);
        }
        self.reconcile(now, &mut out);
        out
    }

    /// When [`Machine::tick`] must be called next, if ever.
    pub fn deadline(&self) -> Option<Time> {
        let kill_all = self.kill_all_at.filter(|_| !self.is_quiet());
        self.turns.deadline().into_iter().chain(kill_all).min()
    }

    /// The wall clock shows `wall`, in milliseconds since 1970. To be called before
    /// [`Machine::load`], and whenever it may have been set.
    pub fn set_wall(&mut self, now: Time, wall: u64) {
        let offset = wall.wrapping_sub(now).cast_signed();
        if offset.abs_diff(self.wall_offset) <= clock::JUMP {
            return;
        }
        self.wall_offset = offset;
        for (name, entry) in &mut self.entries {
            entry.set_wall_offset(now, offset);
            self.turns.set_timer(name, entry.deadline());
        }
    }

    /// Stops everything, a service before those it is `after`; after 60 s
    /// whatever is left.
    pub fn shut_down(&mut self, now: Time) -> Vec<Action> {
        let mut out = Vec::new();
        self.shutting_down = true;
        let limit = now.saturating_add(SHUTDOWN);
        self.kill_all_at.get_or_insert(limit);
        self.touch_all();
        self.reconcile(now, &mut out);
        out
    }

    /// Whether no instance exists.
    pub fn is_quiet(&self) -> bool {
        self.turns.is_quiet()
    }

    /// The one copy of a service's name, for those that keep it for long.
    pub(crate) fn shared_name(&self, name: &str) -> Arc<str> {
        let known = self.entries.get_key_value(name);
        known.map_or_else(|| name.into(), |(name, _)| name.clone())
    }

    /// What to show of one service.
    pub fn view(&self, name: &str) -> Option<View> {
        self.entries.get(name).map(|entry| entry.view(name))
    }

    /// What to show of all services, in the order of their names.
    pub fn views(&self) -> Vec<View> {
        self.entries
            .iter()
            .map(|(name, entry)| entry.view(name))
            .collect()
    }

    /// The newest usable definition of `name`.
    pub fn service(&self, name: &str) -> Option<&Arc<Service>> {
        self.entries.get(name)?.usable.as_ref()
    }

    /// The definition that the instance of `name` runs with, if it has one.
    pub fn running(&self, name: &str) -> Option<&Arc<Service>> {
        let instance = self.entries.get(name)?.instance();
        instance.map(|instance| &instance.service)
    }

    /// Has everything looked at, after changes that may concern all.
    fn touch_all(&mut self) {
        self.turns.forget_waiting();
        for (name, entry) in &mut self.entries {
            entry.waits_for = None;
            self.turns.touch(name);
        }
        if self.shutting_down {
            let live = self.entries.iter();
            let live = live.filter(|(_, entry)| entry.told_live);
            let afters: Vec<String> = live
                .filter_map(|(_, entry)| entry.usable.as_ref())
                .flat_map(|service| relations::before(service).cloned())
                .collect();
            self.turns.hold(afters.iter());
        }
    }
}
