//! kill(2): who may send to whom.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let root = sleeper()?;
    let as_user = |real: u32, saved: u32| {
        sys::fork(|| {
            let changed = raw!(SYS_setresuid, real, real, saved);
            let _ = changed;
            loop {
                sys::sleep_ms(60_000);
            }
        })
    };
    let (same, saved) = (as_user(NOBODY, NOBODY)?, as_user(77, NOBODY)?);
    for child in [same, saved] {
        let path = format!("/proc/{child}/status");
        sys::until(|| !field(&path, "Uid").starts_with("0"))?;
    }
    as_nobody(t, |t| {
        no!(t; "another user's": kill(root, 0) => EPERM;
            "to kill": kill(root, SIGKILL) => EPERM;
            "process 1": kill(1, 0) => EPERM;
            "a thread": syscall(SYS_tkill, root, 0) => EPERM;
            "no signal comes first": kill(root, 65) => EINVAL;);
        yes!(t; "the same user's": kill(same, 0); "by its saved one": kill(saved, 0););
        Ok(())
    })?;
    apart(t, |t| {
        raw!(SYS_setresuid, 5, 77, 77)?;
        yes!(t; "the effective one is looked at": kill(saved, 0););
        no!(t; "of the sender alone": kill(same, 0) => EPERM;);
        Ok(())
    })?;
    let session = sys::fork(|| {
        let _ = become_nobody();
        sys::sleep_ms(60_000);
        0
    })?;
    let path = format!("/proc/{session}/status");
    sys::until(|| !field(&path, "Uid").starts_with("0"))?;
    as_nobody(t, |t| {
        yes!(t; "to go on, in a session": kill(session, SIGCONT););
        Ok(())
    })?;
    apart(t, |t| {
        raw!(SYS_setresuid, 5, 5, 5)?;
        yes!(t; "to go on, whoever": kill(session, SIGCONT););
        no!(t; "not another": kill(session, SIGUSR1) => EPERM;);
        let _ = call!(setsid());
        no!(t; "nor from another session": kill(session, SIGCONT) => EPERM;);
        Ok(())
    })?;
    for child in [root, same, saved, session] {
        end(child)?;
    }
    Ok(())
}
