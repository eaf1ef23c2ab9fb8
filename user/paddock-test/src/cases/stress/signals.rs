//! Processes with threads that are stopped, continued, signalled and killed.

use super::{Job, expect_end};
use crate::sys::{self, End, Noise, call};
use std::sync::atomic::{AtomicU32, Ordering};

static HANDLED: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_: i32) {
    HANDLED.fetch_add(1, Ordering::Relaxed);
}

pub fn run(job: &Job) -> Result<u64, String> {
    // Before there are children, which inherit it.
    let handler = count as extern "C" fn(i32);
    call!(libc::signal(libc::SIGUSR1, handler as *const () as libc::sighandler_t) as isize)?;
    let mut noise = Noise::new(9);
    let mut sent = 0;
    while job.goes_on() {
        let pid = sys::fork(target)?;
        for _ in 0..40 {
            let signal = match noise.next() % 4 {
                0 => libc::SIGSTOP,
                1 => libc::SIGUSR1,
                2 => libc::SIGTSTP,
                _ => libc::SIGCONT,
            };
            sys::kill(pid, signal)?;
            if noise.next().is_multiple_of(4) {
                sys::sleep_ms(1);
            }
            sent += 1;
        }
        sys::kill(pid, libc::SIGCONT)?;
        goes_on(pid)?;
        sys::kill(pid, libc::SIGKILL)?;
        expect_end(pid, End::Killed(libc::SIGKILL))?;
    }
    Ok(sent)
}

/// After a SIGCONT a process is not stopped, whatever came before it.
fn goes_on(pid: i32) -> Result<(), String> {
    for _ in 0..2000 {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
        let stat = stat.map_err(|error| error.to_string())?;
        let state = stat.rsplit_once(") ").map_or("?", |(_, rest)| rest);
        if !state.starts_with('T') {
            return Ok(());
        }
        sys::sleep_ms(1);
    }
    Err("a process stays stopped after SIGCONT".into())
}

fn target() -> i32 {
    let handler = count as extern "C" fn(i32);
    let set =
        call!(libc::signal(libc::SIGUSR1, handler as *const () as libc::sighandler_t) as isize);
    if set.is_err() {
        return 1;
    }
    for _ in 0..2 {
        std::thread::spawn(|| {
            loop {
                sys::sleep_ms(1);
            }
        });
    }
    loop {
        std::hint::spin_loop();
        if HANDLED.load(Ordering::Relaxed) % 2 == 1 {
            sys::sleep_ms(1);
        }
    }
}
