//! The supervisor at work: one loop that sleeps until a signal, an output, a
//! command or a deadline of the machine. Nothing in it waits for anything
//! else, and every step has a bound, so that an operator is heard at once
//! whatever the services do.
#![forbid(unsafe_code)]

mod adopt;
mod commands;
mod control;
mod events;
mod finish;
mod good;
mod jobs;
mod lock;
mod memory;
mod notes;
mod outputs;
mod reserve;
mod sides;
mod sockets;
mod starts;
mod timers;
mod transport;
mod upgrade;
mod watches;

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;

use crate::config;
use crate::console::{self, say};
use crate::log::{Lines, Writer};
use crate::machine::{Action, Machine, Time};
use crate::paths::Paths;
use crate::sys::{self, Groups, OpenFiles, Power, Signals};
use adopt::Strangers;
use control::Control;
use events::Pollers;
use jobs::Rests;
use lock::{Lock, NoLock};
use memory::{Left, Memory};
use notes::{Failed, Rates};
use outputs::Outputs;
use reserve::Reserve;
use sides::Sides;
use sockets::Sockets;
use starts::Instances;
use timers::Timers;
use watches::Watches;

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
    signals: Signals,
    pollers: Pollers,
    control: Control,
    outputs: Outputs,
    writer: Writer,
    /// Of logs that are in the middle of a line or have lost something.
    lines: HashMap<String, Lines>,
    rates: Rates,
    failed: Failed,
    reserve: Reserve,
    /// How many descriptors a service may have, if it is not what herd may.
    open_files: Option<OpenFiles>,
    _lock: Option<Lock>,
    instances: Instances,
    rests: Rests,
    /// The control groups of services, if there are any here.
    groups: Option<Groups>,
    sides: Sides,
    sockets: Sockets,
    watches: Watches,
    strangers: Strangers,
    memory: Memory,
    /// What is still to be done for the machine.
    actions: VecDeque<Action>,
    ending: Option<Ending>,
    /// The definitions that are kept for after a reboot, as a number.
    good: Option<u64>,
    timers: Timers,
    /// Definitions were read, which took more memory than is kept.
    has_read: bool,
    /// To run its own program anew, as soon as no process is being started.
    upgrade: bool,
    /// Where that is.
    program: PathBuf,
    is_first: bool,
}

/// Supervises until told to end.
///
/// # Errors
/// A text that says what is missing to begin with.
pub(crate) fn run(paths: Paths) -> Result<(), String> {
    let is_first = std::process::id() == 1;
    // As long as the file is the one that was started.
    let program = std::env::current_exe().unwrap_or_else(|_| "/proc/self/exe".into());
    if is_first {
        let _ = std::env::set_current_dir("/");
    }
    console::start();
    for folder in [paths.run(), paths.logs(), paths.state()] {
        if let Err(error) = fs::create_dir_all(&folder) {
            say(&format!("warning: {}: {error}", folder.display()));
        }
    }
    let lock = take_lock(&paths)?;
    let open_files = OpenFiles::raise(is_first)
        .inspect_err(|error| say(&format!("warning: more descriptors: {error}")))
        .ok();
    if let Err(error) = sys::adopt_orphans() {
        say(&format!(
            "warning: processes that leave their service cannot be found: {error}"
        ));
    }
    let control = open_control(&paths);
    let mut caught = vec![Signals::CHLD, Signals::TERM, Signals::INT, Signals::HUP];
    if is_first {
        caught.extend([Signals::USR1, Signals::USR2]);
    }
    let signals = Signals::catch(&caught).map_err(|error| format!("catching signals: {error}"))?;
    let writer = Writer::start(paths.clone(), open_logs())
        .map_err(|error| format!("a thread for the logs: {error}"))?;
    let pollers = Pollers::new(&signals, &writer)
        .and_then(|pollers| control.listen(&pollers).map(|()| pollers))
        .map_err(|error| format!("epoll: {error}"))?;
    let (memory, left) = Memory::open(paths.memory());
    let mut daemon = Daemon {
        paths,
        machine: Machine::seeded(RandomState::new().hash_one(std::process::id())),
        signals,
        pollers,
        control,
        outputs: Outputs::default(),
        writer,
        lines: HashMap::new(),
        rates: Rates::default(),
        failed: Failed::default(),
        reserve: Reserve::default(),
        open_files,
        _lock: lock,
        instances: Instances::default(),
        rests: Rests::default(),
        groups: None,
        sides: Sides::default(),
        sockets: Sockets::default(),
        watches: Watches::default(),
        strangers: Strangers::default(),
        memory,
        actions: VecDeque::new(),
        ending: None,
        good: None,
        timers: Timers::default(),
        has_read: false,
        upgrade: false,
        program,
        is_first,
    };
    daemon.supervise(left)
}

/// How many log files are open at once: few, but enough for those that are
/// written to all the time.
fn open_logs() -> usize {
    (OpenFiles::now() / 16).clamp(4, 64)
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
    fn supervise(&mut self, left: Left) -> Result<(), String> {
        say(&format!(
            "version {}, process {}",
            env!("CARGO_PKG_VERSION"),
            std::process::id()
        ));
        self.open_groups();
        self.machine.set_wall(self.now(), sys::wall());
        match self.load(Some(left)) {
            Ok(0) => say(&format!(
                "nothing is enabled in {}",
                self.paths.enabled().display()
            )),
            Ok(_) => {}
            Err(text) => say(&format!("warning: {text}")),
        }
        self.begin_memory();
        loop {
            self.collect_ended();
            self.act();
            let idle = self.actions.is_empty() && !self.instances.more_ended;
            if self.ending.is_some() && idle && self.machine.is_quiet() {
                break;
            }
            self.tidy_sockets();
            self.answer_pending();
            self.control.update_interest(&self.pollers);
            self.make_room(0);
            self.tell_failed();
            self.remember();
            self.upgrade_if_settled(idle);
            self.trim_memory(idle);
            self.wait(idle).map_err(|error| format!("epoll: {error}"))?;
            let now = self.now();
            self.machine.set_wall(now, sys::wall());
            let actions = self.machine.tick(now);
            self.actions.extend(actions);
        }
        self.finish()
    }

    #[allow(clippy::unused_self, reason = "it is this herd's")]
    fn now(&self) -> Time {
        sys::now()
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
        self.actions.extend(actions);
    }

    /// Gives back what reading definitions and starting their services has left free.
    fn trim_memory(&mut self, idle: bool) {
        if self.has_read && idle && self.instances.are_settled() {
            self.has_read = false;
            self.keep_good();
            sys::trim_memory();
        }
    }

    /// Reads the definitions again. Gives back how many are enabled.
    fn reload(&mut self) -> Result<usize, String> {
        self.load(None)
    }

    /// The same, after what the herd before left is taken over.
    fn load(&mut self, left: Option<Left>) -> Result<usize, String> {
        // Reading them takes descriptors, too.
        self.reserve.lend_to_start();
        let loaded = config::load(&self.paths).map_err(|error| {
            format!(
                "reading {} and {}: {error}",
                self.paths.available().display(),
                self.paths.enabled().display()
            )
        })?;
        self.has_read = true;
        let enabled = loaded.iter().filter(|found| found.enabled).count();
        if let Some(left) = left {
            let good = good::read(&self.paths.good(), &loaded);
            self.adopt(left, &loaded, &good);
            self.recall_timers();
            for (name, service) in good {
                let actions = self.machine.recall(&name, service);
                self.actions.extend(actions);
            }
        }
        let actions = self.machine.load(self.now(), loaded);
        self.actions.extend(actions);
        for view in self.machine.views() {
            self.memory.look_at(&view.name);
        }
        self.failed.look_at_all(&self.machine);
        self.sockets.look_at_all();
        Ok(enabled)
    }
}
