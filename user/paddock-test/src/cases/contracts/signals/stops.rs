//! kill(2): SIGSTOP, SIGCONT and SIGKILL of what is stopped.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let child = sys::fork(|| {
        let _ = noted(SIGCONT, 0);
        while NOTED.load(Relaxed) < 2 {
            sys::sleep_ms(1);
        }
        7
    })?;
    let state = || {
        line_of(&format!("/proc/{child}/status"), "State:")
            .chars()
            .next()
    };
    let place = format!("/proc/{child}/status");
    let handled = 1u64 << (SIGCONT - 1);
    sys::until(|| {
        u64::from_str_radix(&line_of(&place, "SigCgt:"), 16).unwrap_or(0) & handled != 0
    })?;
    sys::kill(child, SIGSTOP)?;
    t.same(
        "stopped",
        sys::wait_with(child, WUNTRACED),
        Ok((child, End::Stopped(SIGSTOP))),
    );
    t.same("as it is told", state(), Some('T'));
    t.same(
        "once",
        sys::wait_with(child, WUNTRACED | WNOHANG).map(|it| it.0),
        Ok(0),
    );
    sys::kill(child, SIGTSTP)?;
    t.same(
        "a second stop is none",
        sys::wait_with(child, WUNTRACED | WNOHANG).map(|it| it.0),
        Ok(0),
    );
    sys::kill(child, SIGCONT)?;
    t.same(
        "continued",
        sys::wait_with(child, WCONTINUED),
        Ok((child, End::Continued)),
    );
    t.same(
        "and not stopped by the other",
        sys::wait_with(child, WUNTRACED | WNOHANG).map(|it| it.0),
        Ok(0),
    );
    // Two that wait would be one.
    let waits = || u64::from_str_radix(&line_of(&place, "ShdPnd:"), 16).unwrap_or(0);
    sys::until(|| waits() == 0)?;
    sys::kill(child, SIGCONT)?;
    t.same("handled both times", sys::wait(child), Ok(End::Exited(7)));
    let child = sys::fork(|| {
        sys::sleep_ms(60_000);
        0
    })?;
    sys::kill(child, SIGSTOP)?;
    sys::wait_with(child, WUNTRACED)?;
    sys::kill(child, SIGTERM)?;
    t.same(
        "no other signal reaches it",
        sys::wait_with(child, WNOHANG).map(|it| it.0),
        Ok(0),
    );
    sys::kill(child, SIGCONT)?;
    t.same(
        "until it goes on",
        sys::wait(child),
        Ok(End::Killed(SIGTERM)),
    );
    let child = sys::fork(|| {
        sys::sleep_ms(60_000);
        0
    })?;
    sys::kill(child, SIGSTOP)?;
    sys::wait_with(child, WUNTRACED)?;
    sys::kill(child, SIGKILL)?;
    t.same("SIGKILL does", sys::wait(child), Ok(End::Killed(SIGKILL)));
    Ok(())
}
