//! When timers run next that run so often, kept across reboots: one that runs each day
//! does not run with each boot.

use std::collections::BTreeMap;

use super::Daemon;
use crate::config::Schedule;
use crate::files;
use crate::machine::{Phase, Time};
use crate::sys;

/// More than this is no such file, in bytes.
const LIMIT: u64 = 4 << 20;

/// Timers that run more often begin anew with each boot, in milliseconds: nobody misses
/// one of their runs, and the disk has its peace.
const OFTEN: Time = 60_000;

/// A time that differs by no more is the same, in milliseconds.
const SAME: u64 = 1_000;

/// By name, when each runs next, in milliseconds since 1970.
#[derive(Default)]
pub(super) struct Timers {
    next: BTreeMap<String, u64>,
    changed: bool,
}

impl Timers {
    fn set(&mut self, name: &str, at: Option<u64>) {
        let old = self.next.get(name).copied();
        self.changed |= match (old, at) {
            (Some(old), Some(at)) => old.abs_diff(at) > SAME,
            (old, at) => old.is_some() || at.is_some(),
        };
        match at {
            Some(at) => self.next.insert(name.to_owned(), at),
            None => self.next.remove(name),
        };
    }

    /// What a line of the file says.
    fn read(line: &str) -> Option<(&str, u64)> {
        let (name, at) = line.split_once(' ')?;
        Some((name, at.parse().ok()?))
    }

    fn text(&self) -> String {
        let lines = self.next.iter();
        lines.map(|(name, at)| format!("{name} {at}\n")).collect()
    }
}

impl Daemon {
    /// Has timers wait for the time that they had before the machine was booted.
    pub(super) fn recall_timers(&mut self) {
        let text = files::read_text(&self.paths.timers(), LIMIT).unwrap_or_default();
        let (now, wall) = (self.now(), sys::wall());
        for (name, at) in text.lines().filter_map(Timers::read) {
            let at = now.saturating_add(at.saturating_sub(wall));
            self.machine.recall_timer(name, at);
        }
        let lines = text.lines().filter_map(Timers::read);
        self.timers.next = lines.map(|(name, at)| (name.to_owned(), at)).collect();
    }

    /// Takes note of when a service runs next, if it is such a timer.
    pub(super) fn note_timer(&mut self, name: &str) {
        // What is stopped with everything is to run again.
        if self.ending.is_some() {
            return;
        }
        let schedule = self.machine.service(name).and_then(|it| it.schedule);
        let at = match schedule {
            Some(Schedule::Every(every)) if every.0 >= OFTEN => self.next_run(name, every.0),
            _ => None,
        };
        self.timers.set(name, at);
    }

    /// When that is by the wall clock; `None` if it is not to run.
    fn next_run(&self, name: &str, every: Time) -> Option<u64> {
        let view = self.machine.view(name)?;
        let at = match (view.phase, view.since) {
            (Phase::Scheduled, _) => view.due?,
            (_, Some(since)) => since.saturating_add(every),
            (Phase::Starting, None) => self.now().saturating_add(every),
            _ => return None,
        };
        let ahead = sys::wall().saturating_sub(self.now());
        Some(at.saturating_add(ahead))
    }

    /// Has it written, if something has changed.
    pub(super) fn keep_timers(&mut self) {
        if std::mem::take(&mut self.timers.changed) {
            let machine = &self.machine;
            let is_known = |name: &String| machine.service(name).is_some();
            self.timers.next.retain(|name, _| is_known(name));
            let text = self.timers.text().into_bytes();
            self.writer.replace(self.paths.timers(), text);
        }
    }
}
