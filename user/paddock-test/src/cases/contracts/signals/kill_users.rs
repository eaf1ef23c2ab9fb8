//! kill(2): whom a user may signal, and whom a group.
use crate::cases::contracts::prelude::*;

fn sleeper(user: u32) -> Result<i32, Errno> {
    let child = sys::fork(|| {
        let _ = become_user(user, user);
        sys::sleep_ms(60_000);
        0
    })?;
    let place = format!("/proc/{child}/status");
    sys::until(|| line_of(&place, "Uid:").starts_with(&user.to_string()))?;
    sys::until_asleep(child)?;
    Ok(child)
}

pub fn run(t: &mut Report) -> Outcome {
    let (mine, theirs) = (sleeper(NOBODY)?, sleeper(700)?);
    let group = sys::fork(|| {
        let _ = call!(setpgid(0, 0));
        sys::sleep_ms(60_000);
        0
    })?;
    let member = sys::fork(|| {
        let _ = become_user(NOBODY, NOBODY);
        sys::sleep_ms(60_000);
        0
    })?;
    call!(setpgid(group, group))?;
    call!(setpgid(member, group))?;
    sys::until(|| line_of(&format!("/proc/{member}/status"), "Uid:").starts_with("65534"))?;
    as_nobody(t, |t| {
        no!(t; "another's": kill(theirs, SIGTERM) => EPERM; "is it there": kill(theirs, 0) => EPERM;
            "root's": kill(1, SIGCONT) => EPERM; "no signal, another's": kill(theirs, 65) => EINVAL;
            "only one's leader": kill(group, SIGTERM) => EPERM;
            "a thread's": syscall(SYS_tgkill, theirs, theirs, SIGTERM) => EPERM;);
        yes!(t; "one's own": kill(mine, 0); "SIGCONT in one's session": kill(group, SIGCONT);
            "any of a group": kill(-group, 0););
        Ok(())
    })?;
    apart(t, |t| {
        raw!(SYS_setresuid, NOBODY, 700, 700)?;
        yes!(t; "by the real user": kill(mine, 0); "by the effective": kill(theirs, 0););
        Ok(())
    })?;
    yes!(t; "a group": kill(-group, SIGTERM););
    t.same("its leader", sys::wait(group), Ok(End::Killed(SIGTERM)));
    t.same(
        "and its member",
        sys::wait(member),
        Ok(End::Killed(SIGTERM)),
    );
    no!(t; "a group that is gone": kill(-group, 0) => ESRCH;);
    for child in [mine, theirs] {
        sys::kill(child, SIGKILL)?;
        sys::until(|| line_of(&format!("/proc/{child}/status"), "State:").starts_with('Z'))?;
        yes!(t; "one that has ended is there": kill(child, SIGTERM););
        sys::wait(child)?;
        no!(t; "until it was waited for": kill(child, 0) => ESRCH;);
    }
    Ok(())
}
