//! Contracts: one file is one call, or one rule, with what Linux's manual pages say of
//! it. Each runs in a process and a folder of its own.

mod clocks;
mod clones;
mod close_ranges;
mod copy_range;
mod datagram_info;
mod dups;
mod epoll_rules;
mod eventfds;
mod execs;
mod faccessat;
mod fallocates;
mod flocks;
mod futex_rules;
mod getdents;
mod groups;
mod ids;
mod inotify_rules;
mod ioctls;
mod kill_rules;
mod links;
mod lseek;
mod memfds;
mod messages;
mod mmaps;
mod modes;
mod mprotects;
mod mremaps;
mod ofd_locks;
mod open_append;
mod open_folder;
mod open_path;
mod open_slash;
mod open_symlinks;
mod open_tmpfile;
mod path_mtus;
mod pi_futexes;
mod pipe_packets;
mod pipe_pages;
mod pipe_poll;
mod pipe_rules;
mod pipe_sizes;
mod poll_rules;
mod posix_timers;
mod prctls;
mod pread;
mod prelude;
mod ptys;
mod randoms;
mod record_locks;
mod removed_folder;
mod rename_flags;
mod rename_rules;
mod rlimits;
mod rmdir_rules;
mod scheds;
mod sigactions;
mod signalfds;
mod signals_taken;
mod socket_options;
mod sockets;
mod status_flags;
mod statx;
mod tcp_rules;
mod timerfds;
mod truncate;
mod udp_rules;
mod unix_rules;
mod utimens;
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
    clocks
    clones
    close_ranges
    copy_range
    datagram_info
    dups
    epoll_rules
    eventfds
    execs
    faccessat
    fallocates
    flocks
    futex_rules
    getdents
    groups
    ids
    inotify_rules
    ioctls
    kill_rules
    links
    lseek
    memfds
    messages
    mmaps
    modes
    mprotects
    mremaps
    ofd_locks
    open_append
    open_folder
    open_path
    open_slash
    open_symlinks
    open_tmpfile
    path_mtus
    pi_futexes
    pipe_packets
    pipe_pages
    pipe_poll
    pipe_rules
    pipe_sizes
    poll_rules
    posix_timers
    prctls
    pread
    ptys
    randoms
    record_locks
    removed_folder
    rename_flags
    rename_rules
    rlimits
    rmdir_rules
    scheds
    sigactions
    signalfds
    signals_taken
    socket_options
    sockets
    status_flags
    statx
    tcp_rules
    timerfds
    truncate
    udp_rules
    unix_rules
    utimens
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
