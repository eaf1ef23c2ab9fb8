//! wait4(2) and waitid(2).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let mut info = [0u32; 32];
    let at = info.as_mut_ptr();
    no!(t;
        "no child": waitpid(-1, null_mut(), 0) => ECHILD;
        "at once": waitpid(-1, null_mut(), WNOHANG) => ECHILD;
        "somebody else's": waitpid(1, null_mut(), 0) => ECHILD;
        "an option": waitpid(-1, null_mut(), 0x100) => EINVAL;
        "the lowest number": waitpid(i32::MIN, null_mut(), 0) => ESRCH;
    );
    t.refused(
        "nothing to wait for",
        raw!(SYS_waitid, P_ALL, 0, at, 0, 0),
        EINVAL,
    );
    t.refused(
        "an option of it",
        raw!(SYS_waitid, P_ALL, 0, at, WEXITED | 0x100, 0),
        EINVAL,
    );
    t.refused("no kind", raw!(SYS_waitid, 9, 0, at, WEXITED, 0), EINVAL);
    t.refused(
        "process 0",
        raw!(SYS_waitid, P_PID, 0, at, WEXITED, 0),
        EINVAL,
    );
    t.refused(
        "a descriptor that is none",
        raw!(SYS_waitid, P_PIDFD, 999, at, WEXITED, 0),
        EBADF,
    );
    let [reader, writer] = sys::pipe()?;
    let child = sys::fork(|| {
        let _ = sys::close(writer);
        let _ = sys::read(reader, &mut [0]);
        0x1_07
    })?;
    t.same(
        "not yet",
        sys::wait_with(child, WNOHANG).map(|it| it.0),
        Ok(0),
    );
    info[2] = 77;
    let at = info.as_mut_ptr();
    t.same(
        "nor by waitid",
        raw!(SYS_waitid, P_PID, child, at, WEXITED | WNOHANG, 0),
        Ok(0),
    );
    t.same("which says so", (info[0], info[4]), (0, 0));
    no!(t; "its group": waitpid(-child, null_mut(), WNOHANG) => ECHILD;);
    sys::close(writer)?;
    let at = info.as_mut_ptr();
    t.same(
        "looked at",
        raw!(SYS_waitid, P_PID, child, at, WEXITED | WNOWAIT, 0),
        Ok(0),
    );
    t.same(
        "how it ended",
        (info[0], info[2], info[4], info[6]),
        (SIGCHLD as u32, CLD_EXITED as u32, child as u32, 7),
    );
    t.same(
        "eight bits of its status",
        sys::wait(child),
        Ok(End::Exited(7)),
    );
    t.works("SIGCHLD is ignored", ignore(SIGCHLD));
    let child = sys::fork(|| 0)?;
    t.refused("nobody is to be waited for", sys::wait(child), ECHILD);
    Ok(())
}
