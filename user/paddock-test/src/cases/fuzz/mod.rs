//! Much at once for every part of the kernel in which threads meet, each with
//! a check of what came out: the workload of the fuzzing of schedules. Every
//! actor is a process of its own, and says only what it finds wrong.

mod disk;
mod events;
mod files;
mod memory;
mod processes;
mod signals;
mod sockets;
mod threads;

use super::{Outcome, number};
use crate::report::Report;
use crate::sys::{self, End};

/// What an actor finds: the first thing that is wrong.
type Found = Result<(), String>;

/// What an actor does.
type Act = fn() -> Found;

const ACTORS: &[(&str, Act)] = &[
    ("locks", threads::locks),
    ("meetings", threads::meetings),
    ("thread ends", threads::ends),
    ("pipes", events::pipes),
    ("epoll", events::epoll),
    ("timers", events::timers),
    ("unix sockets", sockets::unix),
    ("tcp", sockets::tcp),
    ("files of two", files::two_writers),
    ("names", files::names),
    ("files of two on a disk", disk::two_writers),
    ("names on a disk", disk::names),
    ("lengths on a disk", disk::lengths),
    ("files without a name", disk::unnamed),
    ("mapped files", disk::mapped),
    ("replaced files", disk::replaced),
    ("synced files", disk::synced),
    ("kept files", disk::kept),
    ("children", processes::children),
    ("programs", processes::programs),
    ("orphans", processes::orphans),
    ("shared memory", memory::shared),
    ("copies on write", memory::copies),
    ("mappings", memory::mappings),
    ("signals", signals::counted),
    ("stops", signals::stops),
    ("killed", signals::killed),
];

/// Argument 0: how often all of it is done.
pub fn run(report: &mut Report, words: &[String]) -> Outcome {
    for round in 0..number(words, 0, 1u32)? {
        let actors = ACTORS
            .iter()
            .map(|(name, act)| sys::fork(|| play(name, *act)).map(|pid| (*name, pid)))
            .collect::<Result<Vec<_>, _>>()?;
        for (name, pid) in actors {
            let end = sys::wait(pid)?;
            report.same(&format!("{name}, round {round}"), end, End::Exited(0));
        }
        nothing_is_left(report);
    }
    Ok(())
}

fn play(name: &str, act: Act) -> i32 {
    match act() {
        Ok(()) => 0,
        Err(why) => {
            println!("FAIL {name}: {why}");
            1
        }
    }
}

/// Process 1 inherits orphans; anybody else has no children by now.
fn nothing_is_left(report: &mut Report) {
    if std::process::id() == 1 {
        while sys::wait(-1).is_ok() {}
    }
    report.refused("no child is left", sys::wait(-1), libc::ECHILD);
}

/// A value that must be as expected.
fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: T) -> Found {
    match found == expected {
        true => Ok(()),
        false => Err(format!("{what}: found {found:?}, expected {expected:?}")),
    }
}

/// A condition that must be true.
fn check(what: &str, good: bool) -> Found {
    same(what, good, true)
}
