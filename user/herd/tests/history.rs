//! The history of `common/history.rs`, told to the state machine and to a herd.

mod common;
#[path = "common/history.rs"]
mod history;

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

use common::{Herd, eventually, kill};
use herd::config::{Loaded, Service, Signal};
use herd::machine::{Action, Command, End, Event, Found, Generation, Machine, Phase, Time};
use history::{DEATH, Definition, Do, HISTORY, Program, World, tell};

/// A file: what is in it, and whether that is whole.
#[derive(Clone, Copy)]
struct File {
    definition: Definition,
    is_torn: bool,
    enabled: bool,
}

/// A process, as the machine was told of it.
struct Process {
    generation: Generation,
    pid: u32,
    since: Time,
    program: Program,
}

/// The machine, with processes that are nothing but their ends.
#[derive(Default)]
struct Alone {
    machine: Machine,
    now: Time,
    files: BTreeMap<&'static str, File>,
    processes: BTreeMap<String, Process>,
    /// What is to be told, when.
    news: VecDeque<(Time, String, Generation, Event)>,
    next_pid: u32,
    /// herd is no more the parent of these.
    strangers: bool,
    events: Vec<(String, String)>,
}

impl Alone {
    fn loaded(&self) -> Vec<Loaded> {
        let loaded = self.files.iter().map(|(name, file)| {
            let text = match file.is_torn {
                true => "torn\n".to_owned(),
                false => file.definition.text(),
            };
            let path = format!("{name}.conf");
            Loaded {
                name: (*name).to_owned(),
                enabled: file.enabled,
                definition: Service::parse(Path::new(&path), &text).map(Arc::new),
            }
        });
        loaded.collect()
    }

    fn load(&mut self) {
        let actions = self.machine.load(self.now, self.loaded());
        self.act(actions);
    }

    fn herd(&mut self, words: &[&'static str]) {
        let name = words.get(1).copied().unwrap_or_default();
        let enabled = words[0] == "enable";
        let command = match words[0] {
            "reload" => None,
            "start" => Some(Command::Start),
            "stop" => Some(Command::Stop),
            "restart" => Some(Command::Restart),
            _ => {
                self.files.get_mut(name).unwrap().enabled = enabled;
                self.load();
                let phase = self.machine.view(name).unwrap().phase;
                let to_start = matches!(phase, Phase::Stopped | Phase::Failed);
                (!enabled || to_start).then_some(match enabled {
                    true => Command::Start,
                    false => Command::Stop,
                })
            }
        };
        // A definition that was written just now is read.
        if matches!(words[0], "reload" | "start") {
            self.load();
        }
        if let Some(command) = command {
            let actions = self.machine.command(self.now, name, command).unwrap();
            self.act(actions);
        }
    }

    fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Note { name, text } => self.events.push((name, text)),
                Action::Start {
                    name, generation, ..
                } => self.start(name, generation),
                Action::Signal { name, signal, .. } => self.signal(&name, signal),
                other => panic!("not in this history: {other:?}"),
            }
        }
    }

    fn start(&mut self, name: String, generation: Generation) {
        self.next_pid += 1;
        let program = self.files[name.as_str()].definition.program;
        let process = Process {
            generation,
            pid: self.next_pid,
            since: self.now,
            program,
        };
        self.tell(0, &name, generation, Event::Started(process.pid));
        match program {
            Program::Mute => {}
            Program::Ends(status) => {
                self.tell(0, &name, generation, Event::Ended(End::Exited(status)));
                return;
            }
            _ => self.tell(0, &name, generation, Event::Ready),
        }
        self.processes.insert(name, process);
    }

    fn tell(&mut self, after: Time, name: &str, generation: Generation, event: Event) {
        let at = self.now + after;
        self.news
            .push_back((at, name.to_owned(), generation, event));
    }

    fn signal(&mut self, name: &str, signal: Signal) {
        let Some(process) = self.processes.get(name) else {
            return;
        };
        let (after, end) = match (signal.name().as_str(), process.program) {
            ("SIGCONT", _) | ("SIGTERM", Program::Deaf) => return,
            ("SIGUSR1", _) => (0, End::Exited(3)),
            ("SIGUSR2", _) => (0, End::Exited(0)),
            ("SIGTERM", Program::Lingers) => (1_000, End::Exited(0)),
            _ => (0, End::Killed(signal)),
        };
        let end = if self.strangers { End::Unknown } else { end };
        let generation = process.generation;
        self.processes.remove(name);
        self.tell(after, name, generation, Event::Ended(end));
    }

    /// Another machine takes over what lives.
    fn replace(&mut self) {
        let old = std::mem::take(&mut self.machine);
        for (name, process) in &self.processes {
            let kept = old.kept(name).unwrap();
            let service = old.service(name).cloned();
            let found = Found {
                pid: process.pid,
                since: process.since,
                lives: true,
            };
            let actions = self
                .machine
                .adopt(self.now, name, kept, service, Some(found));
            for action in actions {
                if let Action::Note { name, text } = action {
                    self.events.push((name, text));
                }
            }
        }
        for view in old.views() {
            if !self.processes.contains_key(&view.name) {
                let kept = old.kept(&view.name).unwrap();
                let service = old.service(&view.name).cloned();
                self.machine
                    .adopt(self.now, &view.name, kept, service, None);
            }
        }
        self.load();
    }
}

impl World for Alone {
    fn perform(&mut self, what: Do) {
        let whole = |definition| File {
            definition,
            is_torn: false,
            enabled: false,
        };
        match what {
            Do::Write(name, definition) => {
                let old = self.files.insert(name, whole(definition));
                let enabled = old.is_some_and(|old| old.enabled);
                self.files.get_mut(name).unwrap().enabled = enabled;
            }
            Do::Tear(name) => self.files.get_mut(name).unwrap().is_torn = true,
            Do::Remove(name) => {
                self.files.remove(name);
            }
            Do::Herd(words) => self.herd(words),
            Do::Kill(name, signal) => {
                self.signal(name, Signal::try_from(signal.to_owned()).unwrap());
            }
            Do::Pass(ms) => self.now += ms,
            Do::Upgrade => self.replace(),
            Do::Die => {
                self.strangers = true;
                self.replace();
            }
        }
    }

    /// Time goes on to the next thing that happens, if more is expected.
    fn events(&mut self, count: usize) -> Vec<(String, String)> {
        loop {
            let next = self.news.iter().map(|(at, ..)| *at).min();
            let due = next.filter(|at| *at <= self.now);
            if due.is_none() && self.events.len() >= count {
                return self.events.clone();
            }
            let place = self.news.iter().position(|(at, ..)| next == Some(*at));
            let deadline = self.machine.deadline();
            let (time, told) = match (next, deadline) {
                (Some(at), deadline) if deadline.is_none_or(|other| at <= other) => (at, place),
                (_, Some(deadline)) => (deadline, None),
                _ => return self.events.clone(),
            };
            self.now = self.now.max(time);
            let told = told.and_then(|place| self.news.remove(place));
            let actions = match told {
                Some((_, name, generation, event)) => {
                    // What herd has started itself is its child.
                    self.strangers &= !matches!(event, Event::Started(_));
                    self.machine.event(self.now, &name, generation, event)
                }
                None => self.machine.tick(self.now),
            };
            self.act(actions);
        }
    }
}

#[test]
fn the_machine_alone_has_the_events_of_the_history() {
    tell(&mut Alone::default(), &[HISTORY, DEATH]);
}

impl World for Herd {
    fn perform(&mut self, what: Do) {
        match what {
            Do::Write(name, definition) => self.define(name, &definition.text()),
            Do::Tear(name) => self.define(name, "torn\n"),
            Do::Remove(name) => {
                for folder in ["enabled", "available"] {
                    let file = self.root.join(format!("etc/herd/{folder}/{name}.conf"));
                    std::fs::remove_file(file).unwrap();
                }
            }
            Do::Herd(words) => {
                if words[0] == "start" {
                    self.ok(&["reload"]);
                }
                self.run(words);
            }
            Do::Kill(name, signal) => {
                let signal = match signal {
                    "KILL" => libc::SIGKILL,
                    "USR1" => libc::SIGUSR1,
                    "USR2" => libc::SIGUSR2,
                    other => panic!("no signal {other}"),
                };
                kill(self.pid(name), signal);
            }
            Do::Pass(ms) => std::thread::sleep(std::time::Duration::from_millis(ms)),
            Do::Upgrade => {
                self.ok(&["upgrade"]);
            }
            Do::Die => {
                self.signal(libc::SIGKILL);
                self.left();
                self.start();
            }
        }
    }

    fn events(&mut self, count: usize) -> Vec<(String, String)> {
        let mut events = Vec::new();
        let begin = std::time::Instant::now();
        eventually("events", || {
            let text = self.ok(&["events", "--json", "-n", "all"]);
            events = text
                .lines()
                .map(|line| {
                    let event: serde_json::Value = serde_json::from_str(line).unwrap();
                    let get = |key: &str| event[key].as_str().unwrap().to_owned();
                    (get("service"), get("text"))
                })
                .collect();
            let is_late = begin.elapsed().as_secs() > 30;
            (events.len() >= count || is_late).then_some(())
        });
        events
    }
}

#[test]
fn a_herd_has_the_events_of_the_history() {
    let mut herd = Herd::new();
    herd.start();
    tell(&mut herd, &[HISTORY, DEATH]);
}
