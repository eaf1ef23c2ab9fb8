//! Contracts: one file is one call, or one rule, with what Linux's manual pages say of
//! it. Each runs in a process and a folder of its own.

mod clones;
mod close_ranges;
mod dups;
mod epoll_rules;
mod execs;
mod faccessat;
mod flocks;
mod ids;
mod inotify_rules;
mod kill_rules;
mod links;
mod memfds;
mod mprotects;
mod mremaps;
mod open_append;
mod open_folder;
mod open_slash;
mod open_symlinks;
mod open_tmpfile;
mod pipe_poll;
mod pipe_sizes;
mod poll_rules;
mod posix_timers;
mod pread;
mod prelude;
mod ptys;
mod randoms;
mod record_locks;
mod rename_rules;
mod rlimits;
mod rmdir_rules;
mod sigactions;
mod signalfds;
mod signals_taken;
mod status_flags;
mod statx;
mod timerfds;
mod truncate;
mod udp_rules;
mod unix_rules;
mod vectors;
mod waits;
mod xattrs;

use super::Outcome;
use super::errors::raw;
use crate::report::Report;
use crate::sys::{self, End, Errno};

type Contract = fn(&mut Report) -> Outcome;

macro_rules! contracts {
    ($($name:ident)*) => {
        const ALL: &[(&str, Contract)] = &[$((stringify!($name), $name::run)),*];
    };
}

contracts! {
    clones
    close_ranges
    dups
    epoll_rules
    execs
    faccessat
    flocks
    ids
    inotify_rules
    kill_rules
    links
    memfds
    mprotects
    mremaps
    open_append
    open_folder
    open_slash
    open_symlinks
    open_tmpfile
    pipe_poll
    pipe_sizes
    poll_rules
    posix_timers
    pread
    ptys
    randoms
    record_locks
    rename_rules
    rlimits
    rmdir_rules
    sigactions
    signalfds
    signals_taken
    status_flags
    statx
    timerfds
    truncate
    udp_rules
    unix_rules
    vectors
    waits
    xattrs
}

/// Whoever waits for what never comes is killed.
fn killed_after_a_while() -> Result<(), Errno> {
    const SECONDS: i64 = 120;
    // SAFETY: plain numbers.
    let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
    (event.sigev_notify, event.sigev_signo) = (libc::SIGEV_SIGNAL, libc::SIGKILL);
    let mut timer = 0i32;
    let clock = libc::CLOCK_MONOTONIC;
    raw!(SYS_timer_create, clock, &raw mut event, &raw mut timer)?;
    let spec = [0, 0, SECONDS, 0];
    raw!(SYS_timer_settime, timer, 0, spec.as_ptr(), 0)?;
    Ok(())
}

/// All of them, or those that are named; root's.
pub fn run(report: &mut Report, words: &[String]) -> Outcome {
    // SAFETY: has no conditions.
    if unsafe { libc::geteuid() } != 0 {
        println!("only root's calls are looked at");
        return Ok(());
    }
    let base = std::env::temp_dir().join(format!("contracts-{}", std::process::id()));
    for (name, contract) in ALL {
        if !words.is_empty() && !words.iter().any(|word| word == name) {
            continue;
        }
        println!("== case {name}");
        let folder = base.join(name);
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let end = sys::in_child(|| {
            let mut report = Report::new();
            if std::env::set_current_dir(&folder).is_err() || killed_after_a_while().is_err() {
                return 2;
            }
            if let Err(error) = contract(&mut report) {
                report.fail(name, &error);
            }
            i32::from(report.has_failed())
        })?;
        if end != End::Exited(0) {
            report.fail(name, &format!("{end:?}"));
        }
    }
    std::fs::remove_dir_all(&base).map_err(|error| error.to_string())
}
