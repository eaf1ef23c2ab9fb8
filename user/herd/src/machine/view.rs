//! What an operator sees of a service.

use serde::{Deserialize, Serialize};

use super::entry::{Entry, State};
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
    /// Its program is being started, or is not ready yet.
    Starting,
    /// Its program runs, and is ready.
    Running,
    /// It ran once, and ended well.
    Done,
    /// It ended and waits for its restart.
    Backoff,
    /// It waits for the time at which it runs.
    Scheduled,
    /// It is started when a client comes to its sockets.
    Listening,
    /// It was told to stop and has not ended yet.
    Stopping,
}

impl Phase {
    /// Whether it stays so until someone does something.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Phase::Stopped | Phase::Failed | Phase::Invalid | Phase::Done
        )
    }

    /// The word shown to an operator.
    pub fn word(self) -> &'static str {
        match self {
            Phase::Stopped => "stopped",
            Phase::Failed => "failed",
            Phase::Invalid => "invalid",
            Phase::Waiting => "waiting",
            Phase::Starting => "starting",
            Phase::Running => "running",
            Phase::Done => "done",
            Phase::Backoff => "backoff",
            Phase::Scheduled => "scheduled",
            Phase::Listening => "listening",
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
    /// When it is started, restarted or killed, if that is planned.
    pub due: Option<Time>,
    /// How often it was restarted after an end that nobody asked for.
    pub restarts: u64,
    /// It ended five times within 30 s by itself, and has not been well since.
    pub crash_loop: bool,
    /// The service that it waits for, if it waits for one.
    pub waits_for: Option<String>,
    /// How the last instance ended.
    pub last_end: Option<String>,
    /// Whether that was as it is meant to be.
    pub ended_well: bool,
    /// What is wrong with its definition.
    pub error: Option<String>,
    /// It runs with an older definition than the one on the disk.
    pub changed: bool,
}

impl Entry {
    fn phase(&self) -> Phase {
        match (&self.state, &self.last_end) {
            (State::Waiting, _) if self.usable.is_none() => Phase::Invalid,
            (State::Waiting, _) => Phase::Waiting,
            (State::Starting { .. }, _) => Phase::Starting,
            (State::Running(instance), _) if !instance.ready && !instance.runs_once() => {
                Phase::Starting
            }
            (State::Running(_), _) => Phase::Running,
            (State::Backoff(_), _) => Phase::Backoff,
            (State::Scheduled { .. }, _) => Phase::Scheduled,
            (State::Listening { open: true, .. }, _) => Phase::Listening,
            (State::Listening { .. }, _) => Phase::Starting,
            (State::Stopping { .. } | State::Cleaning(_), _) => Phase::Stopping,
            (State::Down, _) if self.definition.is_err() => Phase::Invalid,
            (State::Down, Some(Err(_))) => Phase::Failed,
            (State::Down, _) if self.failed => Phase::Failed,
            (State::Down, _) if self.done => Phase::Done,
            (State::Down, _) => Phase::Stopped,
        }
    }

    pub(super) fn view(&self, name: &str) -> View {
        let instance = self.instance();
        View {
            name: name.to_owned(),
            enabled: self.enabled,
            phase: self.phase(),
            wanted: self.wanted,
            generation: self.generation,
            pid: instance.map(|instance| instance.pid),
            since: instance.map(|instance| instance.since),
            due: match self.state {
                State::Scheduled { at, .. } => Some(at),
                _ => self.deadline(),
            },
            restarts: self.restarts,
            crash_loop: self.failures.are_a_loop(),
            waits_for: match self.state {
                State::Waiting => self.waits_for.clone(),
                _ => None,
            },
            last_end: self.last_end.as_ref().map(|end| match end {
                Ok(end) => end.to_string(),
                Err(error) => format!("could not start: {error}"),
            }),
            ended_well: self.ended_well,
            error: self.definition.as_ref().err().cloned(),
            changed: instance.is_some_and(|running| match &self.definition {
                Ok(newest) => *newest != running.service,
                Err(_) => false,
            }),
        }
    }
}
