//! What the command line and the daemon say to each other: one JSON object
//! on one line each way, one request on a connection. After the answer to
//! `follow` the log comes as it is, until either side closes.
#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};

use crate::machine::Phase;

/// Longest request; anything longer is no request.
pub(crate) const MAX_REQUEST: usize = 4096;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "do")]
pub(crate) enum Request {
    Status {
        name: Option<String>,
    },
    Start {
        name: String,
    },
    /// Starts one that was enabled: it may wait for its time or for clients.
    Enable {
        name: String,
    },
    Stop {
        name: String,
    },
    Restart {
        name: String,
    },
    Reload,
    /// Has one read its own configuration again.
    Refresh {
        name: String,
    },
    Upgrade,
    Follow {
        name: String,
    },
    /// What herd says of all services, from now on.
    Events,
    Poweroff,
    Reboot,
    Halt,
}

/// A service as `herd status` shows it. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Status {
    pub(crate) name: String,
    pub(crate) state: Phase,
    pub(crate) enabled: bool,
    pub(crate) pid: Option<u32>,
    /// How long its process has been running.
    pub(crate) running_ms: Option<u64>,
    /// How long until it is restarted or killed.
    pub(crate) due_ms: Option<u64>,
    pub(crate) restarts: u64,
    pub(crate) crash_loop: bool,
    pub(crate) waits_for: Option<String>,
    pub(crate) last_end: Option<String>,
    pub(crate) error: Option<String>,
    /// How many tasks (threads, and processes nobody has waited for) it has.
    pub(crate) tasks: Option<u64>,
    /// How much memory it has, in bytes.
    pub(crate) memory: Option<u64>,
    /// How much CPU time all its processes have used, in microseconds.
    pub(crate) cpu_us: Option<u64>,
    /// The control group that all its processes are in.
    pub(crate) group: Option<String>,
    /// It runs with an older definition than the one on the disk.
    pub(crate) changed: bool,
}

/// Why a request was not done; chooses the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Fault {
    Failed,
    Unknown,
    Invalid,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "answer")]
pub(crate) enum Answer {
    /// Done; a line to show, if there is something to say.
    Done {
        text: String,
    },
    Services {
        services: Vec<Status>,
    },
    /// The log follows from this place on.
    Following {
        inode: u64,
        position: u64,
    },
    Refused {
        fault: Fault,
        text: String,
    },
}

impl Answer {
    pub(crate) fn refused(fault: Fault, text: impl Into<String>) -> Answer {
        let text = text.into();
        Answer::Refused { fault, text }
    }

    /// The answer as it goes over the connection.
    pub(crate) fn to_line(&self) -> Vec<u8> {
        // These types have no map with keys that are not text, which is the
        // only thing that cannot be written.
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}
