//! What services are to each other: who waits for whom, who brings whom up,
//! and who goes down with whom.

use std::collections::{HashMap, HashSet};

use super::entry::{Entry, State, note};
use super::{Action, Entries, Machine, Time};
use crate::config::Service;

/// How a service refers to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    /// Waits while that is still to start.
    After,
    /// Brings that up, and waits while it is still to start.
    Wants,
    /// Brings that up, waits until it is ready, and goes down with it.
    Needs,
    /// Takes that down, and waits until it is.
    Conflicts,
}

/// All that `service` refers to.
pub(super) fn of(service: &Service) -> impl Iterator<Item = (Relation, &String)> + Clone {
    let lists = [
        (Relation::After, &service.after),
        (Relation::Wants, &service.wants),
        (Relation::Needs, &service.needs),
        (Relation::Conflicts, &service.conflicts),
    ];
    lists
        .into_iter()
        .flat_map(|(relation, names)| names.0.iter().map(move |name| (relation, name)))
}

/// Those that start before `service` and stop after it.
pub(super) fn before(service: &Service) -> impl Iterator<Item = &String> {
    of(service)
        .filter(|(relation, _)| *relation != Relation::Conflicts)
        .map(|(_, name)| name)
}

/// How a service stands, for those that refer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    /// It is still to start, or to become ready.
    comes: bool,
    /// It does, or has done, what it is for.
    is_up: bool,
    is_live: bool,
    /// Nobody and nothing will bring it up.
    has_fallen: bool,
}

impl Standing {
    /// Someone waits because it stands so `now`: let a change be told.
    pub(super) fn is_waited_for(&mut self, now: Standing) {
        self.comes |= now.comes;
        self.is_up &= now.is_up;
        self.is_live |= now.is_live;
    }
}

impl Default for Standing {
    fn default() -> Self {
        Standing {
            comes: false,
            is_up: false,
            is_live: false,
            has_fallen: true,
        }
    }
}

impl Entry {
    pub(super) fn standing(&self) -> Standing {
        let comes = match &self.state {
            State::Waiting | State::Starting { .. } => true,
            State::Running(instance) => !instance.ready,
            State::Listening { open, .. } => !open,
            _ => false,
        };
        // Clients of one that listens are served, even if not at once.
        let is_ready = match &self.state {
            State::Running(instance) => instance.ready,
            State::Listening { open, .. } => *open,
            _ => false,
        };
        Standing {
            comes: comes && self.usable.is_some(),
            is_up: is_ready || self.done,
            is_live: self.is_live(),
            has_fallen: !self.wanted && !self.done,
        }
    }
}

/// Whether one that refers to `entry` so has to wait.
fn blocks(relation: Relation, entry: Option<&Entry>) -> bool {
    let standing = entry.map(Entry::standing);
    match relation {
        Relation::After | Relation::Wants => standing.is_some_and(|it| it.comes),
        Relation::Needs => !standing.is_some_and(|it| it.is_up),
        Relation::Conflicts => standing.is_some_and(|it| it.is_live),
    }
}

/// The place in its lists of one that `entry` has to wait for, looking from
/// place `from` on and then from the front.
pub(super) fn blocker(entries: &Entries, entry: &Entry, from: usize) -> Option<(usize, String)> {
    let service = entry.usable.as_ref()?;
    let places = of(service).enumerate();
    let mut places = places.clone().skip(from).chain(places.take(from));
    let blocks = |(relation, name): (Relation, &String)| {
        blocks(relation, entries.get(name.as_str()).map(AsRef::as_ref))
    };
    places
        .find(|(_, other)| blocks(*other))
        .map(|(place, (_, name))| (place, name.clone()))
}

/// Who refers to whom, by the name that is referred to.
#[derive(Debug, Default)]
pub(super) struct Reverse {
    needed_by: HashMap<String, Vec<String>>,
    conflicts: HashMap<String, Vec<String>>,
}

impl Reverse {
    fn new(entries: &Entries) -> Reverse {
        let mut reverse = Reverse::default();
        for (name, entry) in entries {
            for (relation, other) in entry.usable.iter().flat_map(|service| of(service)) {
                let list = match relation {
                    Relation::Needs => &mut reverse.needed_by,
                    Relation::Conflicts => &mut reverse.conflicts,
                    _ => continue,
                };
                list.entry(other.clone())
                    .or_default()
                    .push(name.to_string());
            }
        }
        reverse
    }

    /// Those that may not run beside `name`, by their own word.
    pub(super) fn conflicting<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a String> {
        self.conflicts.get(name).into_iter().flatten()
    }
}

impl Machine {
    /// To be called when definitions have changed.
    pub(super) fn refer(&mut self) {
        self.reverse = Reverse::new(&self.entries);
    }

    /// Starts `name` with all that it brings up; what may not run beside them
    /// stops.
    pub(super) fn begin(&mut self, name: &str, now: Time, out: &mut Vec<Action>) {
        let mut seen = HashSet::new();
        let mut stack = vec![name.to_owned()];
        while let Some(next) = stack.pop() {
            let Some(entry) = self
                .entries
                .get_mut(next.as_str())
                .filter(|entry| !entry.gone)
            else {
                continue;
            };
            // One that is wanted has brought up its own.
            let is_new = next == name || !entry.wanted && !entry.done;
            if !is_new || !seen.insert(next.clone()) {
                continue;
            }
            entry.start(now);
            if let Some(at) = self.recalled.remove(next.as_str()) {
                entry.put_off(now, at);
            }
            let mut rivals: Vec<String> = self.reverse.conflicting(&next).cloned().collect();
            for (relation, other) in entry.usable.iter().flat_map(|service| of(service)) {
                match relation {
                    Relation::Wants | Relation::Needs => stack.push(other.clone()),
                    Relation::Conflicts => rivals.push(other.clone()),
                    Relation::After => {}
                }
            }
            for rival in rivals.into_iter().filter(|rival| *rival != next) {
                if let Some(entry) = self.entries.get_mut(rival.as_str()) {
                    entry.stop(&rival, now, out);
                    self.take_note(&rival, now, out);
                    self.turns.touch(&rival);
                }
            }
            self.turns.touch(&next);
        }
    }

    /// `name` will not be up again by itself: what needs it goes down, and
    /// comes back when it does.
    pub(super) fn fell(&mut self, name: &str, now: Time, out: &mut Vec<Action>) {
        let mut seen = HashSet::new();
        let mut stack = vec![name.to_owned()];
        while let Some(next) = stack.pop() {
            for other in self.reverse.needed_by.get(&next).into_iter().flatten() {
                let entry = self
                    .entries
                    .get_mut(other.as_str())
                    .filter(|entry| entry.wanted);
                if let Some(entry) = entry
                    && seen.insert(other.clone())
                {
                    if entry.instance().is_some() {
                        note(other, format!("it needs {next}, which is down"), out);
                    }
                    entry.end(other, now, out);
                    self.turns.touch(other);
                    stack.push(other.clone());
                }
            }
        }
    }
}

/// Whether `then` differs from `now` in what others wait for.
pub(super) fn wakes(then: Standing, now: Standing) -> bool {
    then.comes && !now.comes || !then.is_up && now.is_up || then.is_live && !now.is_live
}

/// Whether it has gone down for good since `then`.
pub(super) fn falls(then: Standing, now: Standing) -> bool {
    now.has_fallen && !then.has_fallen
}
