//! The end of an instance: it is over when none of its processes is left, so
//! that a new one never meets the old one's.
//!
//! What belongs to it is what is in its control group. Where there are no such
//! groups, it is known by its session and its environment.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::starts::Instance;
use super::{Daemon, say};
use crate::config::Signal;
use crate::machine::{End, Time};
use crate::sys::{self, Belongs};

/// An instance whose first process has ended, but not all others.
struct Rest {
    instance: Instance,
    first: u32,
    end: Option<End>,
    /// Killed, and not collected yet.
    left: HashSet<u32>,
    /// Of some process it cannot be told whether it is one of these: until when that is
    /// waited for.
    unsure_until: Option<Time>,
}

/// How long a process may take to become a program, in which it cannot be told whose it
/// is, and how often it is looked at meanwhile, in milliseconds.
const UNSURE: Time = 1_000;
const LOOK: Time = 2;

#[derive(Default)]
pub(super) struct Rests {
    by_name: HashMap<Arc<str>, Rest>,
    /// Whose those are that were killed.
    name_of: HashMap<u32, Arc<str>>,
    /// When to look again at those of which something cannot be told yet.
    unsure: BTreeSet<(Time, Arc<str>)>,
}

impl Rests {
    /// When [`Daemon::look_again`] has something to do.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.unsure.first().map(|(at, _)| *at)
    }
}

impl Daemon {
    /// The first process of an instance, `first`, has ended.
    pub(super) fn first_ended(&mut self, instance: Instance, first: u32, mut end: Option<End>) {
        if end == Some(End::Killed(Signal::KILL))
            && let Some(groups) = &self.groups
            && groups.lacked_memory(&instance.name)
        {
            end = Some(End::OutOfMemory);
        }
        let left = HashSet::new();
        let rest = Rest {
            instance,
            first,
            end,
            left,
            unsure_until: None,
        };
        match &self.groups {
            Some(groups) if groups.has(&rest.instance.name) => self.end_group(rest),
            _ => self.end_rest(rest),
        }
    }

    /// Kills what is left in its group; if nothing is, it is over.
    fn end_group(&mut self, rest: Rest) {
        let name = rest.instance.name.clone();
        let Some(groups) = &mut self.groups else {
            return self.end_rest(rest);
        };
        // First, so that its end is not missed.
        let is_told = groups.watch(&name).and_then(|()| groups.kill(&name));
        if !groups.is_populated(&name) {
            groups.remove(&name);
            return self.ended(rest.instance, rest.end);
        }
        match is_told {
            Ok(()) => {
                self.rests.by_name.insert(name, rest);
            }
            Err(error) => {
                say(&format!("{name}: its control group: {error}"));
                self.end_rest(rest);
            }
        }
    }

    /// Something has happened in groups.
    pub(super) fn groups_changed(&mut self) {
        let Some(groups) = &mut self.groups else {
            return;
        };
        let mut over = Vec::new();
        for name in groups.changed() {
            if self.rests.by_name.contains_key(name.as_str()) && !groups.is_populated(&name) {
                groups.remove(&name);
                over.extend(self.rests.by_name.remove(name.as_str()));
            }
        }
        if !over.is_empty() {
            // Of an instance that is over nobody finds a process.
            self.collect_all_ended();
        }
        for rest in over {
            self.ended(rest.instance, rest.end);
        }
    }

    /// Another child has ended.
    pub(super) fn orphan_ended(&mut self, pid: u32, end: Option<End>) {
        if self.side_ended(pid, end) || self.keeper_ended(pid) {
            return;
        }
        let Some(name) = self.rests.name_of.remove(&pid) else {
            return;
        };
        let Some(rest) = self.rests.by_name.get_mut(&name) else {
            return;
        };
        rest.left.remove(&pid);
        if rest.left.is_empty()
            && let Some(rest) = self.rests.by_name.remove(&name)
        {
            // Its children have come to herd by its end.
            self.end_rest(rest);
        }
    }

    /// Kills what is left of it; if nothing is, it is over.
    fn end_rest(&mut self, mut rest: Rest) {
        let name = rest.instance.name.clone();
        let mut is_unsure = false;
        for pid in self.orphans() {
            match sys::belongs(pid, &name, rest.first) {
                Belongs::No => {}
                Belongs::Unsure => is_unsure = true,
                Belongs::Yes => {
                    sys::kill(pid);
                    rest.left.insert(pid);
                    self.rests.name_of.insert(pid, name.clone());
                }
            }
        }
        // What was killed is waited for, and then all are looked at again.
        if !rest.left.is_empty() {
            self.rests.by_name.insert(name, rest);
            return;
        }
        let now = self.now();
        let until = rest.unsure_until.get_or_insert(now.saturating_add(UNSURE));
        if is_unsure && now < *until {
            let at = now.saturating_add(LOOK);
            self.rests.unsure.insert((at, name.clone()));
            self.rests.by_name.insert(name, rest);
        } else {
            self.ended(rest.instance, rest.end);
        }
    }

    /// Looks again at what could not be told.
    pub(super) fn look_again(&mut self, now: Time) {
        while let Some((at, _)) = self.rests.unsure.first()
            && *at <= now
            && let Some((_, name)) = self.rests.unsure.pop_first()
        {
            let rest = self.rests.by_name.get(&name);
            if rest.is_some_and(|rest| rest.unsure_until.is_some() && rest.left.is_empty())
                && let Some(rest) = self.rests.by_name.remove(&name)
            {
                self.end_rest(rest);
            }
        }
    }

    /// Children that are no instance's first process.
    fn orphans(&self) -> Vec<u32> {
        // Where there is no such list, only process groups are known.
        let mut children = sys::children().unwrap_or_default();
        children.retain(|pid| !self.instances.has(*pid) && !self.is_keeper(*pid));
        children
    }

    /// Makes the groups of services, if there can be any.
    pub(super) fn open_groups(&mut self) {
        match sys::Groups::find(self.paths.root()) {
            Ok(Some(groups)) => {
                let added = self.pollers.add(groups.fd(), super::events::Token::Groups);
                match added {
                    Ok(()) => {
                        let top = groups.top().display();
                        say(&format!("services are in control groups below {top}"));
                        self.groups = Some(groups);
                    }
                    Err(error) => say(&format!("warning: control groups: {error}")),
                }
            }
            Ok(None) => {}
            Err(error) => say(&format!(
                "no control groups: {error}; processes are known by session and environment"
            )),
        }
    }
}
