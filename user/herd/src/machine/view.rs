//! What an operator sees of a service.

use serde::{Deserialize, Serialize};

use super::{Generation, Time};

/// Where a service is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// It does not run and is not to run.
    Stopped,
    /// It could not be started, or gave up, and is not tried again.
    Failed,
    /// Its definition has a mistake, so it cannot run.
    Invalid,
    /// It waits for the services it is `after`.
    Waiting,
    /// Its program is being started.
    Starting,
    /// Its program runs.
    Running,
    /// It ended and waits for its restart.
    Backoff,
    /// It was told to stop and has not ended yet.
    Stopping,
}

impl Phase {
    /// The word shown to an operator.
    pub fn word(self) -> &'static str {
        match self {
            Phase::Stopped => "stopped",
            Phase::Failed => "failed",
            Phase::Invalid => "invalid",
            Phase::Waiting => "waiting",
            Phase::Starting => "starting",
            Phase::Running => "running",
            Phase::Backoff => "backoff",
            Phase::Stopping => "stopping",
        }
    }
}

/// A service as it is at one moment. Times are of the machine's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Its name.
    pub name: String,
    /// Whether it is started when herd starts.
    pub enabled: bool,
    /// Where it is in its life.
    pub phase: Phase,
    /// Whether it is meant to run.
    pub wanted: bool,
    /// How many instances there have been.
    pub generation: Generation,
    /// Process id of its first process, if it has one.
    pub pid: Option<u32>,
    /// When that process was started.
    pub since: Option<Time>,
    /// When it is restarted or killed, if either is planned.
    pub due: Option<Time>,
    /// How often it was restarted after an end that nobody asked for.
    pub restarts: u64,
    /// How the last instance ended.
    pub last_end: Option<String>,
    /// What is wrong with its definition.
    pub error: Option<String>,
    /// It runs with an older definition than the one on the disk.
    pub changed: bool,
}
