//! Contracts: one file is one call, or one rule, with what Linux's manual pages say of
//! it. Each runs in a process and a folder of its own.

#![allow(
    clippy::unnecessary_cast,
    clippy::manual_dangling_ptr,
    reason = "C libraries differ in these types, and addresses are nobody's on purpose"
)]

mod events;
mod fanotify;
mod files;
mod fuse;
mod identity;
mod ipc;
mod keys;
mod locks;
mod memory;
mod mounts;
mod names;
mod networks;
mod pipes;
mod prelude;
mod processes;
mod scheduling;
mod signals;
mod sockets;
mod system;
mod times;
mod transfers;
mod xattrs;

use super::Outcome;
use super::errors::raw;
use crate::report::Report;
use crate::sys::{self, End, Errno};

type Contract = fn(&mut Report) -> Outcome;

/// A contract, by the name of its file.
type Named = (&'static str, Contract);

/// The contracts of a folder, from its files.
macro_rules! contracts {
    ($($name:ident)*) => {
        pub const ALL: &[super::Named] = &[$((stringify!($name), $name::run)),*];
    };
}
use contracts;

/// All of them, folder by folder.
const FOLDERS: &[&[Named]] = &[
    events::ALL,
    fanotify::ALL,
    files::ALL,
    fuse::ALL,
    identity::ALL,
    ipc::ALL,
    keys::ALL,
    locks::ALL,
    memory::ALL,
    mounts::ALL,
    names::ALL,
    networks::ALL,
    pipes::ALL,
    processes::ALL,
    scheduling::ALL,
    signals::ALL,
    sockets::ALL,
    system::ALL,
    times::ALL,
    transfers::ALL,
    xattrs::ALL,
];

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
    for (name, contract) in FOLDERS.iter().copied().flatten() {
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
