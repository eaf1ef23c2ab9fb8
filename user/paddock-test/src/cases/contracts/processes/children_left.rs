//! wait(2): zombies, SIGCHLD ignored, and __WNOTHREAD's kin.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    t.refused("no child", sys::wait(-1), ECHILD);
    let child = sys::fork(|| 3)?;
    let state = format!("/proc/{child}/stat");
    sys::until(|| text(&state).contains(") Z "))?;
    t.same(
        "a zombie has no words",
        text(&format!("/proc/{child}/cmdline")),
        String::new(),
    );
    t.check(
        "nor descriptors",
        std::fs::read_dir(format!("/proc/{child}/fd")).map_or(true, |all| all.count() == 0),
    );
    // SAFETY: plain numbers.
    let mut info: siginfo_t = unsafe { std::mem::zeroed() };
    yes!(t; "looked at": waitid(P_PID, child as u32, &raw mut info, WEXITED | WNOWAIT););
    t.same("how it ended", info.si_code, CLD_EXITED);
    t.same("it stays", sys::wait(child), Ok(End::Exited(3)));
    t.refused("once", sys::wait(child), ECHILD);
    t.check("gone", text(&state).is_empty());
    no!(t; "no flags": waitid(P_ALL, 0, &raw mut info, 0) => EINVAL;
        "unknown ones": waitid(P_ALL, 0, &raw mut info, 0x100 | WEXITED) => EINVAL;
        "no kind": waitid(9, 0, &raw mut info, WEXITED) => EINVAL;
        "an unknown option": waitpid(-1, null_mut(), 0x1000) => EINVAL;);
    let group = sys::fork(|| unless(call!(setpgid(0, 0)).is_ok()))?;
    let _ = call!(setpgid(group, group));
    t.same("by its group", sys::wait(-group), Ok(End::Exited(0)));
    apart(t, |t| {
        ignore(SIGCHLD)?;
        let child = sys::fork(|| 4)?;
        t.refused("ignored children leave nothing", sys::wait(child), ECHILD);
        t.check("no zombie", text(&format!("/proc/{child}/stat")).is_empty());
        Ok(())
    })?;
    apart(t, |t| {
        noted(SIGCHLD, SA_NOCLDSTOP)?;
        let child = sys::fork(|| {
            sys::sleep_ms(60_000);
            0
        })?;
        sys::kill(child, SIGSTOP)?;
        sys::wait_with(child, WUNTRACED)?;
        t.same("SA_NOCLDSTOP: a stop is not told", NOTED.load(Relaxed), 0);
        sys::kill(child, SIGKILL)?;
        sys::wait(child)?;
        t.same("an end is", NOTED.load(Relaxed), 1);
        Ok(())
    })
}
