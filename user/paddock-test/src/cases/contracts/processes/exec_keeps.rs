//! execve(2): which signals stay ignored, blocked, handled or pending.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let [input, feed] = sys::pipe()?;
    let child = sys::fork(|| {
        let done = (|| {
            ignore(SIGUSR1)?;
            noted(SIGUSR2, 0)?;
            sys::block_signals(&[SIGUSR2, SIGTERM])?;
            sys::kill(own_pid(), SIGTERM)?;
            call!(dup2(input, 0))?;
            // SAFETY: takes a number.
            unsafe { alarm(500) };
            // SAFETY: has no conditions.
            unsafe { umask(0o123) };
            call!(setpriority(PRIO_PROCESS as _, 0, 7))
        })();
        if done.is_ok() {
            sys::exec_self(&["hash-stream"]);
        }
        1
    })?;
    let place = format!("/proc/{child}/status");
    let field = |name: &str| u64::from_str_radix(&line_of(&place, name), 16).unwrap_or(0);
    let bit = |signal: i32| 1u64 << (signal - 1);
    // It is executed once the library's own handlers are there, or the old one's is not.
    let file = format!("/proc/{child}/cmdline");
    sys::until(|| text(&file).contains("hash-stream"))?;
    t.same("ignored", field("SigIgn:") & bit(SIGUSR1), bit(SIGUSR1));
    t.same("handled no longer", field("SigCgt:") & bit(SIGUSR2), 0);
    t.same("nor ignored", field("SigIgn:") & bit(SIGUSR2), 0);
    t.same(
        "blocked",
        field("SigBlk:") & (bit(SIGUSR2) | bit(SIGTERM)),
        bit(SIGUSR2) | bit(SIGTERM),
    );
    let pending = field("SigPnd:") | field("ShdPnd:");
    t.same("pending", pending & bit(SIGTERM), bit(SIGTERM));
    t.same("its umask", line_of(&place, "Umask:"), "0123".into());
    t.same(
        "how nice it is",
        call!(getpriority(PRIO_PROCESS as _, child as u32)),
        Ok(7),
    );
    sys::kill(child, SIGKILL)?;
    t.same("killed", sys::wait(child), Ok(End::Killed(SIGKILL)));
    sys::close(feed)?;
    Ok(())
}
