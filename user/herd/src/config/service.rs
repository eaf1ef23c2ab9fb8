//! A definition with every default filled in.

use std::collections::{BTreeMap, HashSet};
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::sockets::{FIRST as FIRST_SOCKET, MOST as MOST_SOCKETS};
use super::{
    Backoff, Command, Health, Mask, Millis, Names, Ready, Restart, Schedule, Signal, Size, Socket,
    Success,
};
use crate::machine::End;

/// One service as it is to be run, with every default filled in. All keys are fields
/// of [`Keys`], which those of many services share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Keys", into = "Keys")]
pub struct Service {
    /// The program and its arguments.
    pub command: Command,
    keys: Arc<Keys>,
}

impl Deref for Service {
    type Target = Keys;

    fn deref(&self) -> &Keys {
        &self.keys
    }
}

impl From<Keys> for Service {
    fn from(mut keys: Keys) -> Service {
        let command = std::mem::replace(&mut keys.command, Command(Vec::new()));
        Service {
            command,
            keys: Arc::new(keys),
        }
    }
}

impl From<Service> for Keys {
    fn from(service: Service) -> Keys {
        let command = service.command;
        let keys = Arc::unwrap_or_clone(service.keys);
        Keys { command, ..keys }
    }
}

/// Definitions of which parts are shared.
#[derive(Debug, Default)]
pub(crate) struct Shared(HashSet<Arc<Keys>>);

impl Shared {
    /// The same service, with the keys of one before it that had the same.
    pub(crate) fn share(&mut self, service: Service) -> Service {
        let Service { command, keys } = service;
        let keys = match self.0.get(&keys) {
            Some(known) => known.clone(),
            None => {
                self.0.insert(keys.clone());
                keys
            }
        };
        Service { command, keys }
    }
}

/// All keys of a definition.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// The program and its arguments. Empty in a [`Service`], which has its own.
    command: Command,
    /// Whether it is to go on running, or to do something once.
    #[serde(default, rename = "type")]
    pub kind: Kind,
    /// When a timer runs.
    #[serde(default)]
    pub schedule: Option<Schedule>,
    /// Variables added to the small environment that herd gives a service.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// A file of more variables, read at each start; `env` comes before it.
    #[serde(default)]
    pub env_file: Option<PathBuf>,
    /// The folder the program starts in.
    #[serde(default = "root_folder")]
    pub cwd: PathBuf,
    /// User name or number to run as; herd's own user if absent.
    #[serde(default)]
    pub user: Option<String>,
    /// Group name or number to run as; the user's if absent.
    #[serde(default)]
    pub group: Option<String>,
    /// More groups, by name or number. Only used if `user` or `group` is.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Permissions that new files do not get.
    #[serde(default)]
    pub umask: Option<Mask>,
    /// How many descriptors it may have; what herd was given if absent.
    #[serde(default)]
    pub nofile: Option<u32>,
    /// How much memory it and all that it starts may have.
    #[serde(default)]
    pub memory_max: Option<Size>,
    /// How many tasks (threads, and processes nobody has waited for) it and all
    /// that it starts may be.
    #[serde(default)]
    pub pids_max: Option<u64>,
    /// Its share of the CPU, where one that does not say has 100.
    #[serde(default)]
    pub cpu_weight: Option<u32>,
    /// Neither set-user-ID programs nor file capabilities give it more.
    #[serde(default)]
    pub no_new_privs: bool,
    /// Sockets that herd opens and keeps for it.
    #[serde(default)]
    pub sockets: Vec<Socket>,
    /// Runs before the program, as it will run; if it fails, that does not
    /// start.
    #[serde(default)]
    pub pre_start: Option<Command>,
    /// Runs after it has ended, before anything else happens.
    #[serde(default)]
    pub post_stop: Option<Command>,
    /// How it is known that it does what it is for; as soon as its program
    /// runs if absent.
    #[serde(default)]
    pub ready: Option<Box<Ready>>,
    /// How it is known that it still does.
    #[serde(default)]
    pub health: Option<Box<Health>>,
    /// How often it sends `WATCHDOG=1`.
    #[serde(default)]
    pub watchdog: Option<Millis>,
    /// How it is told to read its configuration again.
    #[serde(default)]
    pub reload: Option<Reload>,
    /// How long it may take to start, in all.
    #[serde(default = "start_timeout")]
    pub start_timeout: Millis,
    /// When to start it again after it ended by itself.
    #[serde(default)]
    pub restart: Restart,
    /// How long restarts wait that are not at once.
    #[serde(default)]
    pub backoff: Backoff,
    /// So many restarts in a row, then it has failed; 0 for no limit.
    #[serde(default)]
    pub max_retries: u32,
    /// Ends that count as meant, beside status 0.
    #[serde(default)]
    pub success_exit: Vec<Success>,
    /// A run of at least this length makes the next restart the first again.
    #[serde(default = "healthy_after")]
    pub healthy_after: Millis,
    /// Signal that asks the service to stop.
    #[serde(default)]
    pub stop_signal: Signal,
    /// How long it may take to stop before it is killed.
    #[serde(default = "stop_timeout")]
    pub stop_timeout: Millis,
    /// Services that are started before this one, if they are to run at all.
    #[serde(default)]
    pub after: Names,
    /// The same, and they are started with it.
    #[serde(default)]
    pub wants: Names,
    /// The same, and it only runs while they do.
    #[serde(default)]
    pub needs: Names,
    /// Services that do not run while it does.
    #[serde(default)]
    pub conflicts: Names,
    /// Limits of the log.
    #[serde(default)]
    pub log: LogLimits,
}

/// What a service is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It goes on running.
    #[default]
    Daemon,
    /// It does something and ends; then it is done.
    Oneshot,
    /// The same, again and again, as its schedule says.
    Timer,
    /// It is started when the first client comes to one of its sockets.
    Socket,
}

impl Kind {
    /// Whether it does something and ends.
    pub fn runs_once(self) -> bool {
        matches!(self, Kind::Oneshot | Kind::Timer)
    }
}

/// How a service is told to read its configuration again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "a signal like \"HUP\", or a command as a list of strings"
)]
pub enum Reload {
    /// Its first process is sent this signal.
    Signal(Signal),
    /// This command runs, as the service does.
    Command(Command),
}

/// How much log is kept for one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogLimits {
    /// No log file grows beyond this many bytes.
    pub max_size: Size,
    /// How many full log files (`NAME.log.1` and on) are kept.
    pub keep: u8,
    /// No more lines of its outputs come into the log in a second; all if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
}

impl Default for LogLimits {
    fn default() -> Self {
        LogLimits {
            max_size: Size(1 << 20),
            keep: 4,
            rate: None,
        }
    }
}

fn root_folder() -> PathBuf {
    PathBuf::from("/")
}

fn start_timeout() -> Millis {
    Millis(60_000)
}

fn healthy_after() -> Millis {
    Millis(60_000)
}

fn stop_timeout() -> Millis {
    Millis(10_000)
}

/// The longest `stop_timeout`: a shutdown waits no longer than that anyway.
const LONGEST_STOP: Millis = Millis(5 * 60_000);

/// No program runs with less `memory_max`, in bytes.
const LEAST_MEMORY: u64 = 1 << 20;

/// The largest `nofile`: as many as Linux lets a process have by default.
const MOST_FILES: u32 = 1 << 20;

impl Service {
    /// A definition that only names its program.
    fn plain(command: Command) -> Keys {
        Keys {
            command,
            env: BTreeMap::new(),
            env_file: None,
            cwd: root_folder(),
            user: None,
            group: None,
            groups: Vec::new(),
            umask: None,
            nofile: None,
            memory_max: None,
            pids_max: None,
            cpu_weight: None,
            no_new_privs: false,
            sockets: Vec::new(),
            pre_start: None,
            kind: Kind::Daemon,
            schedule: None,
            post_stop: None,
            ready: None,
            health: None,
            watchdog: None,
            reload: None,
            wants: Names::default(),
            needs: Names::default(),
            conflicts: Names::default(),
            start_timeout: start_timeout(),
            restart: Restart::default(),
            backoff: Backoff::default(),
            max_retries: 0,
            success_exit: Vec::new(),
            healthy_after: healthy_after(),
            stop_signal: Signal::TERM,
            stop_timeout: stop_timeout(),
            after: Names::default(),
            log: LogLimits::default(),
        }
    }

    /// A definition for an instance that runs and has none any more.
    pub(crate) fn gone() -> Service {
        let keys = Keys {
            restart: Restart::Never,
            ..Service::plain(Command(vec!["gone".to_owned()]))
        };
        keys.into()
    }

    /// Whether `end` is one that `restart = "on-failure"` accepts.
    pub fn is_success(&self, end: End) -> bool {
        end == End::Exited(0) || self.success_exit.iter().any(|success| success.is(end))
    }

    /// Breaches of rules that join several keys, or that the types do not
    /// carry, each with its key.
    pub(super) fn mistakes(&self) -> Vec<(&'static str, String)> {
        let mut mistakes = Vec::new();
        let mut wrong = |key: &'static str, message: String| mistakes.push((key, message));
        for (key, value) in &self.env {
            if key.is_empty() || key.contains(['=', '\0']) || value.contains('\0') {
                wrong("env", format!("env: {key:?} is not a usable variable"));
            }
        }
        let paths = [
            ("cwd", Some(&self.cwd)),
            ("env_file", self.env_file.as_ref()),
        ];
        for (key, path) in paths {
            if let Some(path) = path.filter(|path| !path.is_absolute()) {
                wrong(key, format!("{key}: {path:?} is not an absolute path"));
            }
        }
        if self.stop_timeout > LONGEST_STOP {
            wrong(
                "stop_timeout",
                format!("stop_timeout is longer than {LONGEST_STOP}"),
            );
        }
        if self.start_timeout.0 == 0 {
            wrong(
                "start_timeout",
                "start_timeout: no start takes no time".to_owned(),
            );
        }
        self.mistakes_of_limits(&mut wrong);
        if self.log.rate == Some(0) {
            wrong("log", "log: rate: one line a second at least".to_owned());
        }
        if !self.groups.is_empty() && self.user.is_none() && self.group.is_none() {
            wrong(
                "groups",
                "groups are only given with a user or a group".to_owned(),
            );
        }
        if self.max_retries > 0 && self.restart == Restart::Never {
            wrong(
                "max_retries",
                "max_retries has no use: restart is \"never\"".to_owned(),
            );
        }
        if !self.success_exit.is_empty() && self.restart != Restart::OnFailure {
            wrong(
                "success_exit",
                "success_exit has no use: restart is not \"on-failure\"".to_owned(),
            );
        }
        self.mistakes_of_kind(&mut wrong);
        self.mistakes_of_sockets(&mut wrong);
        if let Some(health) = &self.health
            && (health.failures == 0 || health.period.0 == 0 || health.timeout.0 == 0)
        {
            let text = "health: failures, period and timeout are more than 0";
            wrong("health", text.to_owned());
        }
        if self.watchdog.is_some_and(|period| period.0 == 0) {
            wrong("watchdog", "watchdog: more than 0".to_owned());
        }
        mistakes
    }

    /// Those of keys that do not go with its type.
    fn mistakes_of_kind(&self, wrong: &mut impl FnMut(&'static str, String)) {
        match (self.kind == Kind::Timer, self.schedule) {
            (true, None) => wrong("type", "a timer has a schedule".to_owned()),
            (false, Some(_)) => {
                let text = "schedule has no use: the type is not \"timer\"";
                wrong("schedule", text.to_owned());
            }
            _ => {}
        }
        if self.kind == Kind::Timer && self.max_retries > 0 {
            let text = "max_retries has no use: a timer waits for its next time";
            wrong("max_retries", text.to_owned());
        }
        if self.kind == Kind::Socket && self.sockets.is_empty() {
            let text = "type: one that waits for clients has sockets";
            wrong("type", text.to_owned());
        }
        if self.kind.runs_once() {
            for (key, is_there) in [
                ("ready", self.ready.is_some()),
                ("health", self.health.is_some()),
                ("watchdog", self.watchdog.is_some()),
                ("reload", self.reload.is_some()),
                ("sockets", !self.sockets.is_empty()),
            ] {
                if is_there {
                    wrong(key, format!("{key} has no use: what runs once ends"));
                }
            }
        }
    }

    fn mistakes_of_sockets(&self, wrong: &mut impl FnMut(&'static str, String)) {
        let count = self.sockets.len();
        if count > MOST_SOCKETS {
            wrong("sockets", format!("sockets: {MOST_SOCKETS} at most"));
        }
        for (place, socket) in self.sockets.iter().enumerate() {
            let others = self.sockets.iter().take(place);
            if others
                .into_iter()
                .any(|other| other.listen == socket.listen)
            {
                wrong("sockets", format!("sockets: {} twice", socket.listen));
            }
        }
        if let Some(Ready::Fd(number)) = self.ready.as_deref()
            && usize::from(*number) < usize::from(FIRST_SOCKET) + count
        {
            let text = format!("ready: descriptor {number} is one of its sockets");
            wrong("ready", text);
        }
    }

    /// Those of how much it may have.
    fn mistakes_of_limits(&self, wrong: &mut impl FnMut(&'static str, String)) {
        if self
            .nofile
            .is_some_and(|most| !(16..=MOST_FILES).contains(&most))
        {
            wrong(
                "nofile",
                format!("nofile is a number from 16 to {MOST_FILES}"),
            );
        }
        if self.pids_max == Some(0) {
            wrong("pids_max", "pids_max: it is at least one".to_owned());
        }
        if self.memory_max.is_some_and(|most| most.0 < LEAST_MEMORY) {
            wrong("memory_max", "memory_max is at least 1M".to_owned());
        }
        if self
            .cpu_weight
            .is_some_and(|weight| !(1..=10_000).contains(&weight))
        {
            wrong(
                "cpu_weight",
                "cpu_weight is a number from 1 to 10000".to_owned(),
            );
        }
    }
}
