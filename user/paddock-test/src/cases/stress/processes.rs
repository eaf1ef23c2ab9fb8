//! Processes that are born and die.

use super::{Job, expect_end};
use crate::sys::{self, End, Errno, call};
use std::time::Duration;

/// Children that end by themselves, are killed, become another program, or
/// leave orphans.
pub fn run(job: &Job) -> Result<u64, String> {
    let mut count = 0;
    while job.goes_on() {
        let quick = sys::fork(|| 5)?;
        let sleeper = sys::fork(|| {
            loop {
                std::thread::sleep(Duration::from_secs(100));
            }
        })?;
        let other = sys::fork(|| {
            sys::exec_self(&["exit", "7"]);
            127
        })?;
        let parent = sys::fork(leave_orphans)?;
        sys::kill(sleeper, libc::SIGKILL)?;
        expect_end(quick, End::Exited(5))?;
        expect_end(sleeper, End::Killed(libc::SIGKILL))?;
        expect_end(other, End::Exited(7))?;
        expect_end(parent, End::Exited(3))?;
        count += 6;
    }
    Ok(count)
}

/// Two children that outlive their parent, one of them in a session of its
/// own.
fn leave_orphans() -> i32 {
    let orphans = [
        sys::fork(|| 0),
        sys::fork(|| {
            let _ = call!(libc::setsid());
            sys::sleep_ms(5);
            0
        }),
    ];
    match orphans.iter().all(Result::is_ok) {
        true => 3,
        false => 4,
    }
}

/// Processes with several threads, one of which ends them all: by execve, by
/// exit, by a signal; or two of which call execve at once.
pub fn run_execs(job: &Job) -> Result<u64, String> {
    let mut count = 0;
    while job.goes_on() {
        expect_end(sys::fork(|| among_threads(exec_exit))?, End::Exited(0))?;
        expect_end(sys::fork(|| among_threads(exit_three))?, End::Exited(3))?;
        expect_end(
            sys::fork(|| among_threads(kill_own))?,
            End::Killed(libc::SIGKILL),
        )?;
        expect_end(sys::fork(two_execs)?, End::Exited(0))?;
        count += 4;
    }
    Ok(count)
}

fn exec_exit() -> Errno {
    sys::exec_self(&["exit", "0"])
}

fn exit_three() -> Errno {
    std::process::exit(3)
}

fn kill_own() -> Errno {
    let _ = sys::kill(std::process::id() as i32, libc::SIGKILL);
    Errno(libc::EIO)
}

/// Runs `last` in one of several threads that are busy.
fn among_threads(last: fn() -> Errno) -> i32 {
    for _ in 0..3 {
        std::thread::spawn(|| {
            loop {
                let page = sys::Map::memory(8192);
                if let Ok(page) = page {
                    page.write(4096, 1);
                }
            }
        });
    }
    std::thread::spawn(last);
    loop {
        std::thread::sleep(Duration::from_secs(100));
    }
}

fn two_execs() -> i32 {
    for _ in 0..2 {
        std::thread::spawn(exec_exit);
    }
    loop {
        std::thread::sleep(Duration::from_secs(100));
    }
}
