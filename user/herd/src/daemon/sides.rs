//! Commands that herd runs beside the instances: `post_stop`, `reload`, and
//! those that tell how a service is. Each leads a session, has a limit of
//! time, and is killed when that is over.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::Daemon;
use crate::config::{Command, Service, Signal};
use crate::machine::{End, Event, Generation, Time};
use crate::sys;

/// What a command is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Clean,
    Reload,
    /// A question of the watch with this number.
    Ask(u32),
}

struct Side {
    name: String,
    generation: Generation,
    purpose: Purpose,
    outputs: Option<u64>,
    kill_at: Time,
}

#[derive(Default)]
pub(super) struct Sides {
    by_pid: HashMap<u32, Side>,
    late: BTreeSet<(Time, u32)>,
}

impl Sides {
    /// When [`Daemon::end_late_sides`] has something to do.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.late.first().map(|(at, _)| *at)
    }

    pub(super) fn has(&self, pid: u32) -> bool {
        self.by_pid.contains_key(&pid)
    }
}

impl Daemon {
    /// Runs `command` of a service for at most `limit` milliseconds; its
    /// process.
    pub(super) fn run_side(
        &mut self,
        name: &str,
        generation: Generation,
        service: &Service,
        command: &Command,
        purpose: Purpose,
        limit: Time,
    ) -> Result<u32, String> {
        self.make_room(0);
        self.reserve.lend_to_start();
        let is_quiet = matches!(purpose, Purpose::Ask(_));
        let outlets = (!is_quiet).then(|| self.paths.outlets(name));
        let started = sys::spawn_side(name, service, command, outlets, self.open_files);
        let (pid, outputs) = started.map_err(|not| not.error)?;
        // Those of a running instance are read already.
        let outputs = match (purpose, outputs) {
            (Purpose::Clean, Some(outputs)) => {
                let outputs = outputs.map(Some);
                Some(
                    self.outputs
                        .add(&name.into(), outputs, &self.pollers.outputs),
                )
            }
            _ => None,
        };
        let kill_at = self.now().saturating_add(limit);
        let side = Side {
            name: name.to_owned(),
            generation,
            purpose,
            outputs,
            kill_at,
        };
        self.sides.by_pid.insert(pid, side);
        self.sides.late.insert((kill_at, pid));
        Ok(pid)
    }

    /// Does what is to be done after an instance's end.
    pub(super) fn clean(&mut self, name: &str, generation: Generation, service: &Arc<Service>) {
        let limit = service.stop_timeout.0;
        let started = match &service.post_stop {
            Some(command) => {
                self.run_side(name, generation, service, command, Purpose::Clean, limit)
            }
            None => Err("there is none".to_owned()),
        };
        if let Err(error) = started {
            self.note(name, &format!("post_stop: {error}"));
            self.happened(name, generation, Event::Cleaned);
        }
    }

    /// Whether the child that ended was one of these.
    pub(super) fn side_ended(&mut self, pid: u32, end: Option<End>) -> bool {
        let Some(side) = self.sides.by_pid.remove(&pid) else {
            return false;
        };
        self.sides.late.remove(&(side.kill_at, pid));
        if let Some(outputs) = side.outputs {
            self.drain(outputs);
        }
        let end = end.unwrap_or(End::Unknown);
        let well = end == End::Exited(0);
        match side.purpose {
            Purpose::Clean => {
                if !well {
                    self.note(&side.name, &format!("post_stop {end}"));
                }
                self.happened(&side.name, side.generation, Event::Cleaned);
            }
            Purpose::Reload => self.note(&side.name, &format!("reload {end}")),
            Purpose::Ask(id) => {
                let answer = if well {
                    Ok(())
                } else {
                    Err(format!("it {end}"))
                };
                self.answered(id, pid, answer);
            }
        }
        true
    }

    /// Kills those that take too long.
    pub(super) fn end_late_sides(&mut self, now: Time) {
        while let Some((at, pid)) = self.sides.late.first().copied()
            && at <= now
        {
            self.sides.late.pop_first();
            self.end_side(pid);
        }
    }

    /// Kills one that is not wanted any more.
    pub(super) fn end_side(&mut self, pid: u32) {
        if self.sides.has(pid) {
            let _ = sys::signal_group(pid, Signal::KILL);
        }
    }
}
