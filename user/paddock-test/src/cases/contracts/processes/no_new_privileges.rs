//! prctl(2): PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, PR_GET_TSC and other words.
use crate::cases::contracts::prelude::*;

fn control(what: i32, words: [usize; 4]) -> Result<i64, Errno> {
    raw!(SYS_prctl, what, words[0], words[1], words[2], words[3])
}

pub fn run(t: &mut Report) -> Outcome {
    let get = || control(PR_GET_NO_NEW_PRIVS, [0; 4]);
    let status = || field("/proc/self/status", "NoNewPrivs");
    t.same("not yet", (get(), status()), (Ok(0), "0".into()));
    t.refused(
        "another value",
        control(PR_SET_NO_NEW_PRIVS, [2, 0, 0, 0]),
        EINVAL,
    );
    t.refused(
        "a third word",
        control(PR_SET_NO_NEW_PRIVS, [1, 0, 1, 0]),
        EINVAL,
    );
    t.refused(
        "a fourth",
        control(PR_SET_NO_NEW_PRIVS, [1, 0, 0, 1]),
        EINVAL,
    );
    t.refused(
        "asked with one",
        control(PR_GET_NO_NEW_PRIVS, [0, 0, 0, 1]),
        EINVAL,
    );
    t.same("nothing changed", get(), Ok(0));
    t.works("for good", control(PR_SET_NO_NEW_PRIVS, [1, 0, 0, 0]));
    t.same("is told", (get(), status()), (Ok(1), "1".into()));
    let child = sys::in_child(|| i32::from(get() != Ok(1)))?;
    t.same("for a child", child, End::Exited(0));
    t.same("no filter", control(PR_GET_SECCOMP, [0; 4]), Ok(0));
    t.refused(
        "an unknown mode",
        control(PR_SET_SECCOMP, [9, 0, 0, 0]),
        EINVAL,
    );
    t.refused(
        "a filter nowhere",
        control(PR_SET_SECCOMP, [2, 8, 0, 0]),
        EFAULT,
    );
    let end = sys::in_child(|| {
        let strict = control(PR_SET_SECCOMP, [1, 0, 0, 0]);
        let _ = raw!(SYS_getpid);
        i32::from(strict.is_ok())
    })?;
    t.same("the strict mode", end, End::Killed(SIGKILL));
    let end = sys::in_child(|| {
        let strict = control(PR_SET_SECCOMP, [1, 0, 0, 0]);
        let written = sys::write(1, b"");
        // SAFETY: ends this thread, the only one.
        unsafe { syscall(SYS_exit, i32::from(strict.is_err() || written != Ok(0))) };
        9
    })?;
    t.same("in which it writes and ends", end, End::Exited(0));
    t.refused(
        "kept rights, unknown",
        control(PR_SET_KEEPCAPS, [9, 0, 0, 0]),
        EINVAL,
    );
    t.refused(
        "how it is killed for memory",
        control(PR_MCE_KILL, [9, 0, 0, 0]),
        EINVAL,
    );
    t.refused(
        "with a word",
        control(PR_MCE_KILL_GET, [1, 0, 0, 0]),
        EINVAL,
    );
    Ok(())
}
