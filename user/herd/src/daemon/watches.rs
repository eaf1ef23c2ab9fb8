//! How services are: what they tell of themselves, and what they are asked.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::Daemon;
use super::events::{Pollers, Token};
use super::sides::Purpose;
use crate::config::{Probe, Ready, Service};
use crate::machine::{Event, Generation, Time};
use crate::sys::{self, Interest, Progress, Question, Teller};

/// How long an answer to whether it is ready may take, and the first and the
/// longest wait between two questions, in milliseconds.
const READY_TIMEOUT: Time = 1_000;
const READY_FIRST: Time = 20;
const READY_MOST: Time = 1_000;

enum Attempt {
    Stream(Question, Time),
    Process(u32),
}

/// What is watched of one instance.
struct Watch {
    name: String,
    generation: Generation,
    service: Arc<Service>,
    is_ready: bool,
    teller: Option<Teller>,
    attempt: Option<Attempt>,
    /// When it is asked next.
    ask_at: Option<Time>,
    /// Bad answers in a row.
    bad: u32,
    /// When it must have shown that it lives.
    watchdog_at: Option<Time>,
    /// The time that is set.
    timer: Option<Time>,
}

impl Watch {
    /// What it is asked now, and how long an answer may take.
    fn question(&self) -> Option<(Probe, Time)> {
        match (self.service.ready.as_deref(), &self.service.health) {
            (Some(Ready::Probe(probe)), _) if !self.is_ready => {
                Some((probe.clone(), READY_TIMEOUT))
            }
            (_, Some(health)) if self.is_ready => Some((health.probe.clone(), health.timeout.0)),
            _ => None,
        }
    }

    fn deadline(&self) -> Option<Time> {
        let attempt = match &self.attempt {
            Some(Attempt::Stream(_, until)) => Some(*until),
            _ => None,
        };
        let all = [attempt, self.ask_at, self.watchdog_at];
        all.into_iter().flatten().min()
    }

    /// It has become ready: from now on it is asked whether it is well.
    fn becomes_ready(&mut self, now: Time) {
        self.is_ready = true;
        self.bad = 0;
        let period = self.service.health.as_ref().map(|health| health.period.0);
        self.ask_at = period.map(|period| now.saturating_add(period));
        self.lives(now);
    }

    fn lives(&mut self, now: Time) {
        let period = self.service.watchdog.filter(|_| self.is_ready);
        self.watchdog_at = period.map(|period| now.saturating_add(period.0));
    }
}

#[derive(Default)]
pub(super) struct Watches {
    by_id: HashMap<u32, Watch>,
    id_of: HashMap<String, u32>,
    timers: BTreeSet<(Time, u32)>,
    next: u32,
}

impl Watches {
    /// When [`Daemon::tick_watches`] has something to do.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.timers.first().map(|(at, _)| *at)
    }

    fn set_timer(&mut self, id: u32) {
        if let Some(watch) = self.by_id.get_mut(&id) {
            let at = watch.deadline();
            if at != watch.timer {
                if let Some(old) = watch.timer {
                    self.timers.remove(&(old, id));
                }
                self.timers.extend(at.map(|at| (at, id)));
                watch.timer = at;
            }
        }
    }

    fn drop_attempt(&mut self, id: u32, pollers: &Pollers) -> Option<Attempt> {
        let attempt = self.by_id.get_mut(&id)?.attempt.take();
        if let Some(Attempt::Stream(question, _)) = &attempt {
            pollers.remove(question.fd());
        }
        attempt
    }
}

impl Daemon {
    /// Begins to watch an instance that runs now.
    pub(super) fn watch_instance(
        &mut self,
        name: &str,
        generation: Generation,
        service: &Arc<Service>,
        teller: Option<Teller>,
        is_ready: bool,
    ) {
        let (ready, health) = (&service.ready, &service.health);
        if ready.is_none() && health.is_none() && service.watchdog.is_none() {
            return;
        }
        self.forget_watch(name);
        let now = self.now();
        let id = self.watches.next;
        self.watches.next = id.wrapping_add(1);
        if let Some(teller) = &teller
            && let Err(error) = self.pollers.add(teller.fd(), Token::Teller(id))
        {
            self.note(name, &format!("what it tells cannot be heard: {error}"));
        }
        let mut watch = Watch {
            name: name.to_owned(),
            generation,
            service: service.clone(),
            is_ready: false,
            teller,
            attempt: None,
            ask_at: matches!(ready.as_deref(), Some(Ready::Probe(_))).then_some(now),
            bad: 0,
            watchdog_at: None,
            timer: None,
        };
        if is_ready || ready.is_none() {
            watch.becomes_ready(now);
        }
        self.watches.by_id.insert(id, watch);
        self.watches.id_of.insert(name.to_owned(), id);
        self.watches.set_timer(id);
    }

    /// Its instance has ended.
    pub(super) fn forget_watch(&mut self, name: &str) {
        let Some(id) = self.watches.id_of.remove(name) else {
            return;
        };
        if let Some(Attempt::Process(pid)) = self.watches.drop_attempt(id, &self.pollers) {
            self.end_side(pid);
        }
        if let Some(watch) = self.watches.by_id.remove(&id) {
            if let Some(teller) = &watch.teller {
                self.pollers.remove(teller.fd());
            }
            if let Some(at) = watch.timer {
                self.watches.timers.remove(&(at, id));
            }
        }
    }

    /// An instance has told something.
    pub(super) fn told(&mut self, id: u32) {
        let now = self.now();
        let Some(watch) = self.watches.by_id.get_mut(&id) else {
            return;
        };
        let Some(teller) = &mut watch.teller else {
            return;
        };
        let told = teller.listen();
        if told.has_ended || told.is_ready && matches!(teller, Teller::Pipe(_)) {
            self.pollers.remove(teller.fd());
            watch.teller = None;
        }
        if told.lives {
            watch.lives(now);
        }
        let waits = matches!(
            watch.service.ready.as_deref(),
            Some(Ready::Fd(_) | Ready::Notify)
        );
        if told.is_ready && waits {
            self.is_ready(id, now);
        }
        self.watches.set_timer(id);
    }

    fn is_ready(&mut self, id: u32, now: Time) {
        if let Some(watch) = self.watches.by_id.get_mut(&id)
            && !watch.is_ready
        {
            watch.becomes_ready(now);
            let (name, generation) = (watch.name.clone(), watch.generation);
            self.happened(&name, generation, Event::Ready);
        }
    }

    /// Does what is due.
    pub(super) fn tick_watches(&mut self, now: Time) {
        while let Some((at, id)) = self.watches.timers.first().copied()
            && at <= now
        {
            self.watches.timers.pop_first();
            let Some(watch) = self.watches.by_id.get_mut(&id) else {
                continue;
            };
            watch.timer = None;
            if watch.watchdog_at.is_some_and(|at| at <= now) {
                watch.watchdog_at = None;
                let period = watch.service.watchdog.unwrap_or(crate::config::Millis(0));
                let why = format!("the watchdog has heard nothing for {period}");
                let (name, generation) = (watch.name.clone(), watch.generation);
                self.happened(&name, generation, Event::Unwell(why));
            } else if matches!(&watch.attempt, Some(Attempt::Stream(_, until)) if *until <= now) {
                self.judge(id, Err("there is no answer".to_owned()));
            } else if watch.ask_at.is_some_and(|at| at <= now) {
                watch.ask_at = None;
                self.ask(id, now);
            }
            self.watches.set_timer(id);
        }
    }

    fn ask(&mut self, id: u32, now: Time) {
        let Some(watch) = self.watches.by_id.get(&id) else {
            return;
        };
        let Some((probe, limit)) = watch.question() else {
            return;
        };
        let question = match &probe {
            Probe::Tcp(at) => Question::tcp(*at, None),
            Probe::Http(at, page) => Question::tcp(*at, Some(page)),
            Probe::Unix(path) => Question::unix(path),
            Probe::Exec(command) => {
                let (name, service) = (watch.name.clone(), watch.service.clone());
                let (generation, purpose) = (watch.generation, Purpose::Ask(id));
                match self.run_side(&name, generation, &service, command, purpose, limit) {
                    Ok(pid) => self.attempt(id, Attempt::Process(pid)),
                    Err(error) => self.judge(id, Err(error)),
                }
                return;
            }
        };
        let begun = question.and_then(|question| {
            self.pollers.add(question.fd(), Token::Asked(id))?;
            Ok(question)
        });
        match begun {
            Ok(question) => {
                let until = now.saturating_add(limit);
                self.attempt(id, Attempt::Stream(question, until));
                self.wait_for(id, Progress::Writing);
            }
            // This says nothing of the service.
            Err(error) if sys::is_out_of_files(&error) => {
                if let Some(watch) = self.watches.by_id.get_mut(&id) {
                    watch.ask_at = Some(now.saturating_add(READY_MOST));
                }
            }
            Err(error) => self.judge(id, Err(error.to_string())),
        }
    }

    fn attempt(&mut self, id: u32, attempt: Attempt) {
        if let Some(watch) = self.watches.by_id.get_mut(&id) {
            watch.attempt = Some(attempt);
        }
    }

    fn wait_for(&mut self, id: u32, progress: Progress) {
        let watch = self.watches.by_id.get(&id);
        if let Some(Attempt::Stream(question, _)) = watch.and_then(|watch| watch.attempt.as_ref()) {
            let interest = Interest {
                read: progress == Progress::Reading,
                write: progress == Progress::Writing,
            };
            self.pollers
                .change(question.fd(), Token::Asked(id), interest);
        }
    }

    /// A connection to a service can go on.
    pub(super) fn asked(&mut self, id: u32) {
        let watch = self.watches.by_id.get_mut(&id);
        let Some(Attempt::Stream(question, _)) = watch.and_then(|watch| watch.attempt.as_mut())
        else {
            return;
        };
        match question.go_on() {
            Ok(Progress::Good) => self.judge(id, Ok(())),
            Ok(progress) => self.wait_for(id, progress),
            Err(error) => self.judge(id, Err(error.to_string())),
        }
        self.watches.set_timer(id);
    }

    /// The command that asks has ended.
    pub(super) fn answered(&mut self, id: u32, pid: u32, answer: Result<(), String>) {
        let watch = self.watches.by_id.get(&id);
        let attempt = watch.and_then(|watch| watch.attempt.as_ref());
        if matches!(attempt, Some(Attempt::Process(asked)) if *asked == pid) {
            self.judge(id, answer);
            self.watches.set_timer(id);
        }
    }

    /// There is an answer, or there is none.
    fn judge(&mut self, id: u32, answer: Result<(), String>) {
        self.watches.drop_attempt(id, &self.pollers);
        let now = self.now();
        let Some(watch) = self.watches.by_id.get_mut(&id) else {
            return;
        };
        if !watch.is_ready {
            if answer.is_ok() {
                return self.is_ready(id, now);
            }
            let factor = 1 << watch.bad.min(8);
            watch.bad = watch.bad.saturating_add(1);
            let wait = READY_FIRST.saturating_mul(factor).min(READY_MOST);
            watch.ask_at = Some(now.saturating_add(wait));
            return;
        }
        let Some(health) = &watch.service.health else {
            return;
        };
        watch.ask_at = Some(now.saturating_add(health.period.0));
        let (name, generation) = (watch.name.clone(), watch.generation);
        let most = u32::from(health.failures);
        match answer {
            Ok(()) => {
                if std::mem::take(&mut watch.bad) > 0 {
                    self.note(&name, "health: well again");
                }
            }
            Err(why) => {
                watch.bad += 1;
                let bad = watch.bad;
                if bad >= most {
                    watch.ask_at = None;
                }
                self.note(&name, &format!("health: {why} ({bad} of {most})"));
                if bad == most {
                    let why = "it is not well any more".to_owned();
                    self.happened(&name, generation, Event::Unwell(why));
                }
            }
        }
    }
}
