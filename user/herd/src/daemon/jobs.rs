//! The end of an instance: it is over when none of its processes is left, so
//! that a new one never meets the old one's.

use std::collections::{HashMap, HashSet};

use super::Daemon;
use super::starts::Instance;
use crate::machine::End;
use crate::sys;

/// An instance whose first process has ended, but not all others.
struct Rest {
    instance: Instance,
    first: u32,
    end: Option<End>,
    /// Killed, and not collected yet.
    left: HashSet<u32>,
}

#[derive(Default)]
pub(super) struct Rests {
    by_name: HashMap<String, Rest>,
    /// Whose those are that were killed.
    name_of: HashMap<u32, String>,
}

impl Daemon {
    /// The first process of an instance, `first`, has ended.
    pub(super) fn first_ended(&mut self, instance: Instance, first: u32, end: Option<End>) {
        let left = HashSet::new();
        self.end_rest(Rest {
            instance,
            first,
            end,
            left,
        });
    }

    /// Another child has ended.
    pub(super) fn orphan_ended(&mut self, pid: u32, end: Option<End>) {
        self.side_ended(pid, end);
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
        for pid in self.orphans() {
            if sys::is_of(pid, &name, rest.first) {
                sys::kill(pid);
                rest.left.insert(pid);
                self.rests.name_of.insert(pid, name.clone());
            }
        }
        if rest.left.is_empty() {
            self.ended(rest.instance, rest.end);
        } else {
            self.rests.by_name.insert(name, rest);
        }
    }

    /// Children that are no instance's first process.
    fn orphans(&self) -> Vec<u32> {
        // Where there is no such list, only process groups are known.
        let mut children = sys::children().unwrap_or_default();
        children.retain(|pid| !self.instances.has(*pid));
        children
    }
}
