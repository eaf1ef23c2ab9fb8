//! prlimit64(2) and getrusage(2).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let mut found = rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    let at = &raw mut found;
    let set = |what: u32, soft: u64, hard: u64| {
        let wanted = [soft, hard];
        raw!(SYS_prlimit64, 0, what, wanted.as_ptr(), 0)
    };
    t.refused("soft above hard", set(7, 100, 99), EINVAL);
    t.refused("no such limit", set(16, 1, 1), EINVAL);
    t.refused(
        "more descriptors than there may be",
        set(7, 1 << 40, 1 << 40),
        EPERM,
    );
    t.refused(
        "nobody's",
        raw!(SYS_prlimit64, 0x3fff_fff0, 7, 0, at),
        ESRCH,
    );
    t.refused("nowhere", raw!(SYS_prlimit64, 0, 7, 8, 0), EFAULT);
    t.works("lower", set(7, 50, 60));
    t.works("asked", raw!(SYS_prlimit64, 0, 7, 0, at));
    t.same("as told", (found.rlim_cur, found.rlim_max), (50, 60));
    let end = sys::in_child(|| {
        // SAFETY: have no conditions.
        let gone = unsafe { setgid(1000) == 0 && setuid(1000) == 0 };
        let raised = set(7, 50, 61) != Err(Errno(EPERM));
        i32::from(!gone || raised || set(7, 60, 60).is_err())
    });
    t.same("who is not root lowers only", end, Ok(End::Exited(0)));
    let mut usage = [0u64; 32];
    t.refused(
        "nobody's usage",
        raw!(SYS_getrusage, 5, usage.as_mut_ptr()),
        EINVAL,
    );
    t.refused("usage nowhere", raw!(SYS_getrusage, 0, 8), EFAULT);
    Ok(())
}
