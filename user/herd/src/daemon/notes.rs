//! What the operator is told: each service's notes, and the list of those that
//! have failed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::SystemTime;

use super::control::ALL;
use super::{Daemon, say};
use crate::log::{Lines, Origin, Rate, stamp};
use crate::machine::{Machine, Phase, Time, View};

/// The services that have failed, as the file says that others read (the
/// greeting of a login). Only those of which there is news are looked at.
#[derive(Default)]
pub(super) struct Failed {
    news: BTreeSet<String>,
    known: BTreeMap<String, String>,
}

impl Failed {
    /// Something has happened to a service.
    pub(super) fn look_at(&mut self, name: &str) {
        if !self.news.contains(name) {
            self.news.insert(name.to_owned());
        }
    }

    /// There may be others than before.
    pub(super) fn look_at_all(&mut self, machine: &Machine) {
        self.news.extend(self.known.keys().cloned());
        self.news
            .extend(machine.views().into_iter().map(|view| view.name));
    }

    /// Looks; the new text if it has changed.
    fn update(&mut self, machine: &Machine) -> Option<String> {
        let mut changed = false;
        for name in std::mem::take(&mut self.news) {
            let reason = machine.view(&name).as_ref().and_then(reason);
            changed |= self.known.get(&name) != reason.as_ref();
            match reason {
                Some(reason) => self.known.insert(name, reason),
                None => self.known.remove(&name),
            };
        }
        let lines = self.known.iter();
        changed.then(|| {
            lines
                .map(|(name, reason)| format!("{name}: {reason}\n"))
                .collect()
        })
    }
}

/// Services whose lines are counted, as their definitions bound them.
#[derive(Default)]
pub(super) struct Rates {
    by_name: HashMap<String, Rate>,
    /// When it is to be told what was left out.
    tell_at: BTreeSet<(Time, String)>,
}

impl Rates {
    /// When [`Daemon::tell_left_out_in_time`] has something to do.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.tell_at.first().map(|(at, _)| *at)
    }
}

/// Why a service counts as failed; `None` if it does not.
fn reason(view: &View) -> Option<String> {
    let why = match view.phase {
        Phase::Invalid => view.error.as_deref(),
        Phase::Failed | Phase::Backoff => view.last_end.as_deref().or(view.error.as_deref()),
        _ => return None,
    };
    let why = why.and_then(|why| why.lines().next()).unwrap_or_default();
    Some(format!("{} {why}", view.phase.word()).trim_end().to_owned())
}

impl Daemon {
    /// Keeps the file of failed services as it should be.
    pub(super) fn tell_failed(&mut self) {
        if let Some(text) = self.failed.update(&self.machine) {
            self.writer.replace(self.paths.failed(), text.into_bytes());
        }
    }

    /// Writes what a service wrote to an output, as far as its definition has that in
    /// the log.
    pub(super) fn write_output(&mut self, name: &str, origin: Origin, bytes: &[u8]) {
        let most = self.machine.service(name).and_then(|it| it.log.rate);
        let Some(most) = most else {
            self.tell_left_out(name);
            self.rates.by_name.remove(name);
            return self.write_log(name, origin, bytes);
        };
        let now = self.now();
        let rate = self.rates.by_name.entry(name.to_owned()).or_default();
        if now >= rate.end() {
            self.tell_left_out(name);
        }
        let rate = self.rates.by_name.entry(name.to_owned()).or_default();
        let passed = rate.pass(now, most, usize::from(origin == Origin::Err), bytes);
        if rate.leaves_out() {
            self.rates.tell_at.insert((rate.end(), name.to_owned()));
        }
        if !passed.is_empty() {
            self.write_log(name, origin, &passed);
        }
    }

    /// Says in a service's log how much was left out since this was said last.
    fn tell_left_out(&mut self, name: &str) {
        let rate = self.rates.by_name.get_mut(name);
        let count = rate.map_or(0, Rate::take_left_out);
        if count > 0 {
            let text = format!("{count} lines were left out: too many in a second\n");
            self.write_log(name, Origin::Herd, text.as_bytes());
        }
    }

    /// Says so of all that have been quiet since.
    pub(super) fn tell_left_out_in_time(&mut self, now: Time) {
        while let Some((at, _)) = self.rates.tell_at.first()
            && *at <= now
            && let Some((_, name)) = self.rates.tell_at.pop_first()
        {
            self.tell_left_out(&name);
        }
    }

    /// Writes to a service's log and to those who follow it. What there is no
    /// room for is lost, and the log says later how much that was.
    pub(super) fn write_log(&mut self, name: &str, origin: Origin, bytes: &[u8]) {
        let limits = self.machine.service(name).map(|service| service.log);
        let mut lines = self.lines.remove(name).unwrap_or_default();
        let mut shown = lines.clone();
        let text = shown.show(origin, bytes, &stamp(SystemTime::now()));
        self.control.feed_followers(name, &text);
        let limits = limits.unwrap_or_default();
        if self.writer.append(name, limits, text) {
            lines = shown;
        } else {
            lines.lose(bytes.len());
        }
        if lines != Lines::default() {
            self.lines.insert(name.to_owned(), lines);
        }
    }

    /// Tells the operator about a service, in its log and on the console.
    pub(super) fn note(&mut self, name: &str, text: &str) {
        self.tell_left_out(name);
        say(&format!("{name}: {text}"));
        self.failed.look_at(name);
        self.memory.look_at(name);
        self.sockets.look_at(name);
        let time = stamp(SystemTime::now());
        let event = format!("{time} {name} herd | {text}\n");
        self.control.feed_followers(ALL, event.as_bytes());
        self.write_log(name, Origin::Herd, format!("{text}\n").as_bytes());
    }
}
