//! Logging in when something is broken: root gets in with the keys that were
//! read last if the files cannot be had, and finds the monitor if there can be
//! no shell.

use super::authorize::{self, Denial, Permit, Verdict, judge};
use super::child::Child;
use super::door::{Visit, now_ms};
use super::environment::Ends;
use super::kept;
use super::monitor::{DiskWaits, System, disk_is_stalled};
use super::served::Served;
use super::settings;
use crate::async_fs;
use alloc::format;
use alloc::sync::Arc;
use core::fmt;
use core::future::Future;
use core::pin::{Pin, pin};
use embassy_time::{Duration, with_timeout};
use paddock_abi::{Errno, Result};
use paddock_ssh::monitor::Monitor;
use paddock_ssh::{AuthRequest, KeyOptions, Refusal, SpawnError, SpawnRequest};
use paddock_sync::try_box;

/// Who logs in to the monitor, with root's keys.
const MONITOR: &str = "monitor";
/// Who may fall back to it.
const ROOT: &str = "root";
/// How long (ms) file work may take before it is asked whether the disk does
/// not answer, and how often that is asked then.
const LOOK_MS: u64 = 1200;
const AGAIN_MS: u64 = 200;
/// How long (ms) it may take at most.
const LIMIT_MS: u64 = 4000;
/// How much (ms) of that is left for the shell when the login took all of it.
const LEAST_MS: u64 = 1500;
/// How long a command waits for the files: nothing can take its place.
const COMMAND: Duration = Duration::from_secs(30);
/// The status of a command that was not run.
const NOT_RUN: u8 = 254;

/// Waits for file work; `None` once that is hopeless, or `limit` milliseconds
/// have passed. The work may be waited for again.
async fn patiently<F: Future>(mut work: Pin<&mut F>, limit: u64) -> Option<F::Output> {
    let begun = now_ms();
    let mut next = LOOK_MS.min(limit);
    loop {
        let step = Duration::from_millis(next);
        if let Ok(output) = with_timeout(step, work.as_mut()).await {
            return Some(output);
        }
        if now_ms() - begun >= limit || disk_is_stalled() {
            return None;
        }
        next = AGAIN_MS;
    }
}

/// Decides about a key.
pub async fn decide(request: AuthRequest, visit: Arc<Visit>) -> Verdict<KeyOptions> {
    let address = visit.peer.ip();
    if request.user == MONITOR {
        return enter_monitor(&request, &visit).await;
    }
    let asked = request.clone();
    let mut judged = pin!(async_fs::run(move || judge(&asked, address)));
    if request.user == ROOT {
        let known = match visit.is_by_kept() {
            true => None,
            false => patiently(judged.as_mut(), LIMIT_MS).await,
        };
        match known {
            Some(known) if !is_unreadable(&known) => return conclude(known, &visit),
            known => {
                let by_kept =
                    authorize::by_lists(ROOT).and_then(|()| kept::judge(&request, address));
                if let Ok(options) = by_kept {
                    visit.set_by_kept(request);
                    visit.set_operators(true);
                    return Ok(options);
                }
                if let Some(known) = known {
                    return conclude(known, &visit);
                }
            }
        }
    }
    conclude(judged.await, &visit)
}

type Judged = Result<core::result::Result<Permit, Denial>>;

fn is_unreadable(judged: &Judged) -> bool {
    match judged {
        Ok(Ok(_)) => false,
        Ok(Err(denial)) => denial.is_unreadable,
        Err(_) => true,
    }
}

fn conclude(judged: Judged, visit: &Visit) -> Verdict<KeyOptions> {
    match judged {
        Ok(Ok(permit)) => {
            visit.set_operators(permit.uid == 0);
            Ok(permit.options)
        }
        Ok(Err(denial)) => Err(denial.refusal),
        Err(_) => Err("out of memory".into()),
    }
}

async fn enter_monitor(request: &AuthRequest, visit: &Visit) -> Verdict<KeyOptions> {
    kept::refresh().await;
    let options = kept::judge(request, visit.peer.ip())?;
    authorize::by_lists(ROOT)?;
    if settings::in_force().is_some_and(|in_force| in_force.settings.denies(MONITOR)) {
        return Err("the monitor is in deny_users of the settings".into());
    }
    if options.command.is_some() {
        return Err(Refusal::from(
            "the key is for one command (command=), not for the monitor",
        ));
    }
    visit.set_operators(true);
    Ok(options)
}

/// Starts what a client asks for.
pub async fn start(
    request: SpawnRequest,
    visit: Arc<Visit>,
) -> core::result::Result<Served, SpawnError> {
    if request.user == MONITOR {
        return monitor(&request, "");
    }
    let ends = Ends {
        peer: visit.peer,
        local: visit.local,
    };
    let wanted = request.clone();
    let started = visit.clone();
    let mut child = pin!(async_fs::run(move || start_child(wanted, &started, ends)));
    if request.user != ROOT {
        let child = child.await.and_then(|child| child);
        return child.map(Served::Child).map_err(spawn_error);
    }
    let outcome = match &request.command {
        Some(_) => with_timeout(COMMAND, child).await.ok(),
        None if visit.is_by_kept() => None,
        None => patiently(child.as_mut(), shell_limit(&visit)).await,
    };
    let reason = match outcome {
        Some(Ok(Ok(child))) => return Ok(Served::Child(child)),
        Some(Err(error) | Ok(Err(error))) => Reason::Failed(error),
        None => Reason::TooSlow,
    };
    log::warn!("ssh: {}: no shell for root: {reason}", visit.peer);
    instead(&request, &reason)
}

fn spawn_error(error: Errno) -> SpawnError {
    SpawnError(error.describe())
}

/// The time (ms) for the shell, so that it is no more than [`LIMIT_MS`] with
/// the login.
fn shell_limit(visit: &Visit) -> u64 {
    let login = visit.login_ms().min(LIMIT_MS - LEAST_MS);
    LIMIT_MS - login
}

/// On a worker: nobody who was let in by keys that were only kept gets more
/// than the monitor unless the files say that he may.
fn start_child(request: SpawnRequest, visit: &Visit, ends: Ends) -> Result<Child> {
    if let Some(login) = visit.by_kept() {
        judge(&login, visit.peer.ip()).map_err(|_| Errno::EACCES)?;
    }
    Child::start(request, ends)
}

/// Why there is no shell.
enum Reason {
    TooSlow,
    Failed(Errno),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::TooSlow => write!(f, "files are not read in time{DiskWaits}"),
            Reason::Failed(error) => {
                write!(f, "it cannot be started: {}{DiskWaits}", error.describe())
            }
        }
    }
}

/// The monitor in place of a shell; for a command, the reason.
fn instead(request: &SpawnRequest, reason: &Reason) -> core::result::Result<Served, SpawnError> {
    if request.command.is_none() {
        return monitor(request, &format!("There is no shell: {reason}.\n"));
    }
    let told = format!(
        "paddock: the command is not run: {reason}; \
         `ssh {MONITOR}@` this machine needs neither files nor a shell\n"
    );
    served(Monitor::refusing(System::new(), NOT_RUN, told))
}

fn monitor(request: &SpawnRequest, greeting: &str) -> core::result::Result<Served, SpawnError> {
    served(match &request.command {
        Some(line) => Monitor::once(System::new(), line),
        None => Monitor::new(System::new(), request.pty.is_some(), greeting),
    })
}

fn served(monitor: Monitor<System>) -> core::result::Result<Served, SpawnError> {
    match try_box(monitor) {
        Ok(monitor) => Ok(Served::Monitor(monitor)),
        Err(error) => Err(spawn_error(error)),
    }
}
