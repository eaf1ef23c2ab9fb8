//! What calls cost beside many other objects of their kind.

use super::{idle, repeat};
use crate::cases::Outcome;
use crate::sys::{self, call};
use std::os::fd::AsRawFd;

/// Runs `kind` beside `others` objects.
pub fn run(kind: &str, count: u64, others: u64) -> Outcome {
    match kind {
        "children" => children(count, others),
        "locks" => locks(count, others),
        _ => timers(count, others),
    }
}

/// A child that comes, ends and is waited for, beside others that sleep.
fn children(count: u64, others: u64) -> Outcome {
    let mut sleeping = Vec::new();
    for _ in 0..others {
        sleeping.push(sys::fork(|| {
            loop {
                sys::sleep_ms(1_000_000);
            }
        })?);
    }
    let outcome = repeat("children", count, || {
        sys::in_child(|| 0).map(drop).map_err(String::from)
    });
    for pid in sleeping {
        call!(libc::kill(pid, libc::SIGKILL))?;
        call!(libc::waitpid(pid, std::ptr::null_mut(), 0))?;
    }
    outcome
}

/// A byte of a file locked and unlocked (`F_SETLK`), with other bytes of it locked.
fn locks(count: u64, others: u64) -> Outcome {
    let name = format!("/tmp/bench-{}", std::process::id());
    let file = std::fs::File::create(&name).map_err(|error| error.to_string())?;
    let set = |kind: i32, at: u64| -> Outcome {
        let mut lock = libc::flock {
            l_type: kind as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: at as i64,
            l_len: 1,
            l_pid: 0,
        };
        call!(libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &raw mut lock))?;
        Ok(())
    };
    for at in 0..others {
        set(libc::F_WRLCK, 4 * at)?;
    }
    let middle = 4 * (others / 2) + 2;
    let outcome = repeat("locks", count, || {
        set(libc::F_WRLCK, middle)?;
        set(libc::F_UNLCK, middle)
    });
    std::fs::remove_file(&name).map_err(|error| error.to_string())?;
    outcome
}

/// A timer set and put off, beside others that are set.
fn timers(count: u64, others: u64) -> Outcome {
    // Raises the limit.
    for fd in idle(others)? {
        sys::close(fd)?;
        arm(
            call!(libc::timerfd_create(libc::CLOCK_MONOTONIC, 0))?,
            1_000_000,
        )?;
    }
    let own = call!(libc::timerfd_create(libc::CLOCK_MONOTONIC, 0))?;
    repeat("timers", count, || {
        arm(own, 500_000)?;
        arm(own, 0)
    })
}

fn arm(fd: i32, seconds: i64) -> Outcome {
    // SAFETY: all zeroes is a good value of it.
    let mut when: libc::itimerspec = unsafe { std::mem::zeroed() };
    when.it_value.tv_sec = seconds;
    call!(libc::timerfd_settime(fd, 0, &when, std::ptr::null_mut()))?;
    Ok(())
}
