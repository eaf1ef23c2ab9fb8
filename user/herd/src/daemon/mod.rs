//! The supervisor at work: one loop that sleeps in `poll` until a signal, an
//! output, a command or a deadline of the machine.
#![forbid(unsafe_code)]

mod commands;
mod control;
mod finish;
mod lock;
mod logs;
mod notes;
mod outputs;
mod reserve;
mod transport;

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::time::Instant;

use crate::config;
use crate::machine::{Action, End, Event, Generation, Machine, Time};
use crate::paths::Paths;
use crate::sys::{self, Interest, NotSpawned, OpenFiles, Power, Signals};
use control::Control;
use lock::{Lock, NoLock};
use logs::Logs;
use notes::Failed;
use outputs::Outputs;
use reserve::Reserve;

/// What herd does after everything has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// It leaves; the machine goes on.
    Leave,
    /// It ends the machine's run, as only process 1 does.
    Power(Power),
}

struct Daemon {
    paths: Paths,
    machine: Machine,
    begin: Instant,
    signals: Signals,
    control: Control,
    outputs: Outputs,
    logs: Logs,
    failed: Failed,
    reserve: Reserve,
    /// How many descriptors a service may have, if it is not what herd may.
    open_files: Option<OpenFiles>,
    _lock: Option<Lock>,
    /// The instances that run, by their first process.
    instances: HashMap<u32, (String, Generation)>,
    ending: Option<Ending>,
    is_first: bool,
}

/// Something that became ready.
#[derive(Clone, Copy)]
enum Ready {
    Signals,
    Listener,
    Client(usize),
    Output(usize),
}

/// Says a line on the console. A console that is gone is no reason to stop.
fn say(text: &str) {
    let mut console = io::stdout().lock();
    let _ = writeln!(console, "herd: {text}");
    let _ = console.flush();
}

/// Supervises until told to end.
///
/// # Errors
/// A text that says what is missing to begin with.
pub(crate) fn run(paths: Paths) -> Result<(), String> {
    let is_first = std::process::id() == 1;
    if is_first {
        let _ = std::env::set_current_dir("/");
    }
    for folder in [paths.run(), paths.logs()] {
        if let Err(error) = fs::create_dir_all(&folder) {
            say(&format!("warning: {}: {error}", folder.display()));
        }
    }
    let lock = take_lock(&paths)?;
    let open_files = OpenFiles::raise()
        .inspect_err(|error| say(&format!("warning: more descriptors: {error}")))
        .ok();
    let control = open_control(&paths);
    let mut caught = vec![Signals::CHLD, Signals::TERM, Signals::INT, Signals::HUP];
    if is_first {
        caught.extend([Signals::USR1, Signals::USR2]);
    }
    let signals = Signals::catch(&caught).map_err(|error| format!("catching signals: {error}"))?;
    let mut daemon = Daemon {
        paths,
        machine: Machine::seeded(RandomState::new().hash_one(std::process::id())),
        begin: Instant::now(),
        signals,
        control,
        outputs: Outputs::default(),
        logs: Logs::default(),
        failed: Failed::default(),
        reserve: Reserve::default(),
        open_files,
        _lock: lock,
        instances: HashMap::new(),
        ending: None,
        is_first,
    };
    daemon.supervise()
}

/// The only herd's lock. Where there can be none herd supervises all the same.
///
/// # Errors
/// Another herd lives.
fn take_lock(paths: &Paths) -> Result<Option<Lock>, String> {
    match Lock::take(paths) {
        Ok(lock) => Ok(Some(lock)),
        Err(NoLock::Held(holder)) => Err(format!(
            "another herd, process {holder}, supervises below {}; stop it first, or use --root",
            paths.root().display()
        )),
        Err(NoLock::Unusable(error)) => {
            say(&format!(
                "warning: no lock at {}: {error}; nothing stops a second herd",
                paths.lock().display()
            ));
            Ok(None)
        }
    }
}

/// The control socket. Without it herd supervises all the same.
fn open_control(paths: &Paths) -> Control {
    match Control::open(&paths.socket()) {
        Ok(control) => control,
        Err(error) => {
            say(&format!(
                "warning: no control socket at {}: {error}; services run, \
                 but `herd status` and the other commands do not work",
                paths.socket().display()
            ));
            Control::closed()
        }
    }
}

impl Daemon {
    fn supervise(&mut self) -> Result<(), String> {
        say(&format!(
            "version {}, process {}",
            env!("CARGO_PKG_VERSION"),
            std::process::id()
        ));
        match self.reload() {
            Ok(0) => say(&format!(
                "nothing is enabled in {}",
                self.paths.enabled().display()
            )),
            Ok(_) => {}
            Err(text) => say(&format!("warning: {text}")),
        }
        loop {
            self.collect_ended();
            if self.ending.is_some() && self.machine.is_quiet() {
                break;
            }
            self.answer_pending();
            self.control.forget_closed();
            self.make_room();
            self.tell_failed();
            self.wait().map_err(|error| format!("poll: {error}"))?;
            let actions = self.machine.tick(self.now());
            self.perform(actions);
        }
        self.finish()
    }

    fn now(&self) -> Time {
        u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(Time::MAX)
    }

    /// Sleeps until something is to be done, and does it.
    fn wait(&mut self) -> io::Result<()> {
        let timeout = self.deadline().map(|at| at.saturating_sub(self.now()));
        for ready in self.poll(timeout)? {
            match ready {
                Ready::Signals => self.take_signals(),
                Ready::Listener => {
                    let now = self.now();
                    self.control.accept(now, &mut self.reserve);
                }
                Ready::Client(index) => self.serve(index),
                Ready::Output(index) => self.read_output(index),
            }
        }
        let now = self.now();
        self.control.tick(now);
        self.forget_ended();
        Ok(())
    }

    fn deadline(&self) -> Option<Time> {
        let all = [
            self.machine.deadline(),
            self.control.deadline(),
            self.outputs.deadline(),
        ];
        all.into_iter().flatten().min()
    }

    fn forget_ended(&mut self) {
        for name in self.outputs.forget_ended(self.now()) {
            self.note(&name, "what it left running holds its output: closed");
        }
    }

    /// Fills the reserve of descriptors, with what can be done without if
    /// there are no others. Whether a start leaves enough for the rest.
    fn make_room(&mut self) -> bool {
        let clients = self.control.count();
        if self.reserve.fill(clients) {
            return true;
        }
        let now = self.now();
        self.logs.close_all();
        self.outputs.hurry(now);
        self.reserve.fill(clients)
    }

    fn poll(&self, timeout: Option<u64>) -> io::Result<Vec<Ready>> {
        let mut who = vec![Ready::Signals];
        let mut files = vec![Interest {
            fd: self.signals.fd(),
            read: true,
            write: false,
        }];
        if let Some(interest) = self.control.listener() {
            who.push(Ready::Listener);
            files.push(interest);
        }
        for (index, interest) in self.control.clients() {
            who.push(Ready::Client(index));
            files.push(interest);
        }
        for (index, interest) in self.outputs.interests() {
            who.push(Ready::Output(index));
            files.push(interest);
        }
        let ready = sys::poll(&files, timeout)?;
        let ready = who.into_iter().zip(ready);
        Ok(ready.filter(|(_, yes)| *yes).map(|(who, _)| who).collect())
    }

    fn take_signals(&mut self) {
        for signal in self.signals.take() {
            let ending = match (signal, self.is_first) {
                (Signals::TERM | Signals::INT, true) => Ending::Power(Power::Reboot),
                (Signals::USR1, true) => Ending::Power(Power::Halt),
                (Signals::USR2, true) => Ending::Power(Power::Off),
                (Signals::TERM | Signals::INT, false) => Ending::Leave,
                (Signals::HUP, _) => {
                    if let Err(text) = self.reload() {
                        say(&text);
                    }
                    continue;
                }
                _ => continue,
            };
            self.end(ending);
        }
    }

    /// Begins to stop everything. The first way to end that was chosen stays.
    fn end(&mut self, ending: Ending) {
        if self.ending.is_none() {
            say(match ending {
                Ending::Leave => "stopping all services, then leaving",
                Ending::Power(Power::Off) => "stopping all services, then powering off",
                Ending::Power(Power::Reboot) => "stopping all services, then rebooting",
                Ending::Power(Power::Halt) => "stopping all services, then halting",
            });
            self.ending = Some(ending);
        }
        let actions = self.machine.shut_down(self.now());
        self.perform(actions);
    }

    /// Reads the definitions again. Gives back how many are enabled.
    fn reload(&mut self) -> Result<usize, String> {
        let loaded = config::load(&self.paths).map_err(|error| {
            format!(
                "reading {} and {}: {error}",
                self.paths.available().display(),
                self.paths.enabled().display()
            )
        })?;
        let enabled = loaded.iter().filter(|found| found.enabled).count();
        let actions = self.machine.load(self.now(), loaded);
        self.perform(actions);
        self.failed.look_at_all(&self.machine);
        let machine = &self.machine;
        self.logs
            .set_limits(|name| machine.service(name).map(|service| service.log));
        Ok(enabled)
    }

    fn perform(&mut self, actions: Vec<Action>) {
        let mut queue = VecDeque::from(actions);
        while let Some(action) = queue.pop_front() {
            match action {
                Action::Note { name, text } => self.note(&name, &text),
                Action::Signal { name, pid, signal } => {
                    if let Err(error) = sys::signal_group(pid, signal) {
                        self.note(&name, &format!("{} to {pid}: {error}", signal.name()));
                    }
                }
                Action::Start {
                    name,
                    generation,
                    service,
                } => {
                    let event = self.start(&name, generation, &service);
                    queue.extend(self.machine.event(self.now(), &name, generation, event));
                }
            }
        }
    }

    fn start(&mut self, name: &str, generation: Generation, service: &config::Service) -> Event {
        self.failed.look_at(name);
        self.forget_ended();
        if !self.make_room() {
            return Event::NotStarted {
                error: "too few descriptors are left for another service; raise herd's limit \
                        (ulimit -Hn)"
                    .to_owned(),
                lasting: false,
            };
        }
        self.reserve.lend_to_start();
        match sys::spawn(name, service, self.open_files) {
            Ok(spawned) => {
                let pid = spawned.pid;
                self.instances.insert(pid, (name.to_owned(), generation));
                self.outputs.add(name, generation, spawned);
                Event::Started(pid)
            }
            Err(NotSpawned { error, lasting }) => Event::NotStarted { error, lasting },
        }
    }

    /// Takes note of every child that ended. The rest of a service's group
    /// is killed while its number cannot have been given to another.
    fn collect_ended(&mut self) {
        loop {
            let (pid, end) = match sys::next_ended() {
                Ok(Some(ended)) => ended,
                Ok(None) => return,
                Err(error) => return say(&format!("waiting for children: {error}")),
            };
            let instance = self.instances.remove(&pid);
            if instance.is_some() {
                let _ = sys::signal_group(pid, config::Signal::KILL);
            }
            let end = end.or_else(|| sys::reap(pid).ok().flatten());
            if let Some((name, generation)) = instance {
                self.drain(&name, generation);
                // Collected by someone else: there is no status to tell.
                let end = end.unwrap_or(End::Exited(255));
                let event = Event::Ended(end);
                let actions = self.machine.event(self.now(), &name, generation, event);
                self.perform(actions);
            }
        }
    }
}
