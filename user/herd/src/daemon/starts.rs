//! What is done for the machine: instances are started and signalled, and
//! their ends noticed.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{ErrorKind, PipeReader};
use std::os::fd::AsFd;
use std::sync::Arc;

use super::events::Token;
use super::memory::Noted;
use super::{Daemon, say};
use crate::config::{Service, Signal};
use crate::machine::{Action, End, Event, Generation, Time};
use crate::sys::{self, NotSpawned, Setting, Teller};

/// Starts between two looks at everything else.
const STARTS: usize = 16;

/// Descriptors that what never ran leaves to those that start again.
const RESTARTS: usize = 8;

/// Other things done between two looks.
const STEPS: usize = 1_024;

/// Ended children that are collected between two looks.
const ENDS: usize = 256;

/// The most that are collected at a time while everything else waits: more than
/// there can be at once where herd is process 1.
const MOST_ENDS: usize = 64 * ENDS;

/// One that lives, by its first process.
pub(super) struct Instance {
    pub(super) name: Arc<str>,
    generation: Generation,
    /// Its outputs, for as long as they are open.
    outputs: u64,
    /// When it was started.
    since: Time,
    start: Option<Box<Start>>,
}

impl Instance {
    /// One that another herd has started.
    pub(super) fn adopted(name: &Arc<str>, generation: Generation, outputs: u64) -> Instance {
        Instance {
            name: name.clone(),
            generation,
            outputs,
            since: sys::now(),
            start: None,
        }
    }
}

/// It has not become its program yet.
struct Start {
    report: PipeReader,
    service: Arc<Service>,
    /// By what it tells of itself.
    teller: Option<Teller>,
    /// When it must have done so.
    late: Time,
    /// Why it is not to go on.
    ended: Option<String>,
}

impl Start {
    /// Kills it. Its end is reported with this reason.
    fn end(&mut self, pid: u32, reason: String) {
        self.ended.get_or_insert(reason);
        let _ = sys::signal_group(pid, Signal::KILL);
    }
}

#[derive(Default)]
pub(super) struct Instances {
    by_pid: HashMap<u32, Instance>,
    /// When those that start must have done so.
    late: BTreeSet<(Time, u32, Generation)>,
    /// There are more ends to collect.
    pub(super) more_ended: bool,
}

impl Instances {
    /// When [`Daemon::end_late_starts`] has something to do.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.late.first().map(|(at, ..)| *at)
    }

    /// Whether this is the first process of one that lives.
    pub(super) fn has(&self, pid: u32) -> bool {
        self.by_pid.contains_key(&pid)
    }

    pub(super) fn insert(&mut self, pid: u32, instance: Instance) {
        self.by_pid.insert(pid, instance);
    }

    pub(super) fn remove(&mut self, pid: u32) -> Option<Instance> {
        self.by_pid.remove(&pid)
    }

    /// Whether none is about to become its program.
    pub(super) fn are_settled(&self) -> bool {
        self.by_pid
            .values()
            .all(|instance| instance.start.is_none())
    }

    /// Them, as they note themselves.
    pub(super) fn noted(&self) -> impl Iterator<Item = (String, Noted)> + '_ {
        self.by_pid.iter().map(|(pid, instance)| {
            let noted = Noted {
                generation: instance.generation,
                pid: *pid,
                at: instance.since,
            };
            (instance.name.to_string(), noted)
        })
    }

    fn starts(&mut self, pid: u32) -> Option<&mut Start> {
        self.by_pid.get_mut(&pid)?.start.as_deref_mut()
    }
}

impl Daemon {
    /// Does what is to be done, as far as one turn goes.
    pub(super) fn act(&mut self) {
        let mut starts = 0;
        for _ in 0..STEPS {
            if starts == STARTS {
                return;
            }
            match self.actions.pop_front() {
                None => return,
                Some(Action::Note { name, text }) => self.note(&name, &text),
                // Its number may be another's when it has been collected.
                Some(Action::Signal { pid, .. }) if !self.instances.has(pid) => {}
                Some(Action::Signal { name, pid, signal }) => {
                    // One that has ended by itself is as good, and its end is told.
                    if let Err(error) = sys::signal_group(pid, signal)
                        && error.raw_os_error() != Some(libc::ESRCH)
                    {
                        self.note(&name, &format!("{} to {pid}: {error}", signal.name()));
                    }
                }
                Some(Action::Clean {
                    name,
                    generation,
                    service,
                }) => self.clean(&name, generation, &service),
                Some(Action::Listen {
                    name,
                    generation,
                    service,
                }) => self.listen(&name, generation, &service),
                Some(Action::Abort { name, generation }) => self.abort(&name, generation),
                Some(Action::Start {
                    name,
                    generation,
                    service,
                    again,
                }) => {
                    starts += 1;
                    let beside = if again { 0 } else { RESTARTS };
                    let started = self.start(&name, generation, service, beside);
                    if let Err(NotSpawned { error, lasting }) = started {
                        let event = Event::NotStarted { error, lasting };
                        self.happened(&name, generation, event);
                    }
                }
            }
        }
    }

    /// Fills the reserve of descriptors, with what can be done without if
    /// there are no others. Whether a start leaves enough for the rest, and
    /// `beside` more.
    pub(super) fn make_room(&mut self, beside: usize) -> bool {
        let clients = self.control.count();
        if self.reserve.fill(clients, beside) {
            return true;
        }
        self.outputs.hurry();
        self.forget_ended();
        self.reserve.fill(clients, beside)
    }

    pub(super) fn happened(&mut self, name: &str, generation: Generation, event: Event) {
        let actions = self.machine.event(self.now(), name, generation, event);
        self.failed.look_at(name);
        self.memory.look_at(name);
        self.sockets.look_at(name);
        self.actions.extend(actions);
    }

    fn start(
        &mut self,
        name: &str,
        generation: Generation,
        service: Arc<Service>,
        beside: usize,
    ) -> Result<(), NotSpawned> {
        self.forget_ended();
        if !self.make_room(beside) {
            return Err(NotSpawned {
                error: "too few descriptors are left for another service; raise herd's limit \
                        (ulimit -Hn)"
                    .to_owned(),
                lasting: false,
            });
        }
        self.reserve.lend_to_start();
        self.open_sockets(name, &service)
            .map_err(|error| format!("sockets: {error}"))?;
        let group = self.make_group(name, &service)?;
        let setting = Setting {
            name,
            generation,
            outlets: self.paths.outlets(name),
            notify: self.paths.notify(name),
            open_files: self.open_files,
            record: self.memory.file(),
            group: group.as_ref().map(AsFd::as_fd),
            sockets: self.sockets.of(name),
        };
        let spawned = sys::spawn(&service, &setting)?;
        let pid = spawned.pid;
        let report = spawned.report;
        let watched = self.pollers.add(report.as_fd(), Token::Report(pid));
        let shared = self.machine.shared_name(name);
        let outputs = self.outputs.add(
            &shared,
            [Some(spawned.out), Some(spawned.err)],
            &self.pollers.outputs,
        );
        let late = self.now().saturating_add(service.start_timeout.0);
        let instance = Instance {
            name: shared,
            generation,
            outputs,
            since: sys::now(),
            start: Some(Box::new(Start {
                report,
                service,
                teller: spawned.teller,
                late,
                ended: None,
            })),
        };
        self.instances.by_pid.insert(pid, instance);
        self.instances.late.insert((late, pid, generation));
        if let Err(error) = watched {
            // Its end is noticed all the same.
            say(&format!("{name}: its start cannot be followed: {error}"));
        }
        Ok(())
    }

    /// Makes the control group of a service that starts, if there are any.
    fn make_group(&mut self, name: &str, service: &Service) -> Result<Option<File>, NotSpawned> {
        let made = match &self.groups {
            Some(groups) => groups.make(name, service),
            None => return Ok(None),
        };
        match made {
            Ok((file, missing)) => {
                for text in missing {
                    self.note(name, &format!("warning: {text}"));
                }
                Ok(Some(file))
            }
            Err(error) => {
                let error = match error.kind() {
                    ErrorKind::ResourceBusy => {
                        "processes of another instance are in its control group".to_owned()
                    }
                    _ => format!("its control group: {error}"),
                };
                Err(error.into())
            }
        }
    }

    /// The start of `pid` has something to report.
    pub(super) fn reported(&mut self, pid: u32) {
        let Some(start) = self.instances.starts(pid) else {
            return;
        };
        let Some(report) = sys::report(&start.report, &start.service) else {
            return;
        };
        if start.ended.is_some() && report.is_ok() {
            // It is killed; its end says the rest.
            self.pollers.remove(start.report.as_fd());
            return;
        }
        let Some(instance) = self.instances.by_pid.get_mut(&pid) else {
            return;
        };
        let (name, generation) = (instance.name.clone(), instance.generation);
        let start = instance.start.take();
        if let Some(start) = &start {
            self.pollers.remove(start.report.as_fd());
            self.instances.late.remove(&(start.late, pid, generation));
        }
        let event = match report {
            Ok(()) => Event::Started(pid),
            Err(NotSpawned { error, lasting }) => {
                let outputs = instance.outputs;
                self.instances.by_pid.remove(&pid);
                self.outputs.close(outputs, &self.pollers.outputs);
                Event::NotStarted { error, lasting }
            }
        };
        let runs = matches!(event, Event::Started(_));
        self.happened(&name, generation, event);
        if let Some(start) = start.filter(|_| runs) {
            self.watch_instance(&name, generation, &start.service, start.teller, false);
        }
    }

    /// Kills those that take too long to become their program: a disk or a
    /// network may never answer.
    pub(super) fn end_late_starts(&mut self, now: Time) {
        while let Some((at, pid, generation)) = self.instances.late.first().copied() {
            let live = self.instances.by_pid.get_mut(&pid);
            let live = live.filter(|instance| instance.generation == generation);
            match live.and_then(|instance| instance.start.as_deref_mut()) {
                Some(start) if at <= now => {
                    let limit = start.service.start_timeout;
                    start.end(pid, format!("it did not start within {limit}"));
                }
                Some(_) => return,
                None => {}
            }
            self.instances.late.pop_first();
        }
    }

    /// Ends a start that an operator does not want any more.
    fn abort(&mut self, name: &str, generation: Generation) {
        let mut all = self.instances.by_pid.iter_mut();
        let found = all.find(|(_, live)| *live.name == *name && live.generation == generation);
        if let Some((pid, instance)) = found
            && let Some(start) = &mut instance.start
        {
            start.end(*pid, "it was stopped".to_owned());
        }
    }

    /// Takes note of children that ended. The rest of a service's group is
    /// killed while its number cannot have been given to another.
    pub(super) fn collect_ended(&mut self) {
        self.instances.more_ended = false;
        for _ in 0..ENDS {
            let (pid, end) = match sys::next_ended() {
                Ok(Some(ended)) => ended,
                Ok(None) => return,
                Err(error) => return say(&format!("waiting for children: {error}")),
            };
            // It may have ended before its start was looked at.
            self.reported(pid);
            let instance = self.instances.by_pid.remove(&pid);
            if instance.is_some() || self.sides.has(pid) {
                let _ = sys::signal_group(pid, Signal::KILL);
            }
            let end = end.or_else(|| sys::reap(pid).ok().flatten());
            match instance {
                Some(instance) => self.first_ended(instance, pid, end),
                None => self.orphan_ended(pid, end),
            }
        }
        self.instances.more_ended = true;
    }

    /// The same, until none is left or very many were: others wait meanwhile.
    pub(super) fn collect_all_ended(&mut self) {
        for _ in 0..MOST_ENDS / ENDS {
            self.collect_ended();
            if !self.instances.more_ended {
                return;
            }
        }
    }

    /// An instance is over.
    pub(super) fn ended(&mut self, instance: Instance, end: Option<End>) {
        self.forget_watch(&instance.name);
        self.drain(instance.outputs);
        let event = match instance.start {
            None => {
                // Collected by someone else: there is no status to tell.
                Event::Ended(end.unwrap_or(End::Unknown))
            }
            Some(start) => {
                self.pollers.remove(start.report.as_fd());
                Event::NotStarted {
                    error: start.ended.unwrap_or_default(),
                    lasting: false,
                }
            }
        };
        self.happened(&instance.name, instance.generation, event);
    }
}
