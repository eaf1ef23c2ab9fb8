//! waitid(2), wait4(2): stops and their ends, groups, SIGCHLD's siginfo.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let child = sleeper()?;
    let mut info = [0i32; 32];
    let at = info.as_mut_ptr();
    let wait = |kind: u32, id: i32, how: i32| raw!(SYS_waitid, kind, id, at, how, 0usize);
    sys::kill(child, SIGSTOP)?;
    t.works("stops", wait(P_PID, child, WSTOPPED));
    t.same(
        "by",
        (info[2], info[4], info[6]),
        (CLD_STOPPED, child, SIGSTOP),
    );
    t.same("told once", wait(P_PID, child, WSTOPPED | WNOHANG), Ok(0));
    t.same("and then nobody", info[4], 0);
    sys::kill(child, SIGCONT)?;
    t.works("goes on", wait(P_ALL, 0, WCONTINUED));
    t.same(
        "by that",
        (info[2], info[4], info[6]),
        (CLD_CONTINUED, child, SIGCONT),
    );
    yes!(t; "a group": setpgid(child, 0););
    t.refused(
        "not in this group",
        wait(P_PGID, 0, WEXITED | WNOHANG),
        ECHILD,
    );
    t.same("in its own", wait(P_PGID, child, WEXITED | WNOHANG), Ok(0));
    no!(t; "wait4 neither": waitpid(0, null_mut(), WNOHANG) => ECHILD;);
    sys::kill(child, SIGSTOP)?;
    t.same(
        "by wait4",
        sys::wait_with(-child, WUNTRACED),
        Ok((child, End::Stopped(SIGSTOP))),
    );
    sys::kill(child, SIGCONT)?;
    t.same(
        "and on",
        sys::wait_with(child, WCONTINUED),
        Ok((child, End::Continued)),
    );
    sys::kill(child, SIGTERM)?;
    t.works("killed", wait(P_PGID, child, WEXITED));
    t.same(
        "so",
        (info[0], info[2], info[6]),
        (SIGCHLD, CLD_KILLED, SIGTERM),
    );
    t.refused("no more", wait(P_PID, child, WEXITED), ECHILD);
    t.refused("negative", wait(P_PID, -1, WEXITED), EINVAL);
    t.refused("a negative group", wait(P_PGID, -1, WEXITED), EINVAL);
    let child = sys::fork(|| 0)?;
    let mut usage = [-1i64; 18];
    let nothing = raw!(SYS_waitid, P_PID, child, 0, WEXITED, usage.as_mut_ptr());
    t.same("told to nobody", nothing, Ok(0));
    t.check("its time", usage[0] >= 0 && usage[1] >= 0 && usage[4] >= 0);
    let child = sys::fork(|| 0)?;
    let nowhere = raw!(SYS_waitid, P_PID, child, 8, WEXITED, 0usize);
    t.refused("told nowhere", nowhere, EFAULT);
    Ok(())
}
