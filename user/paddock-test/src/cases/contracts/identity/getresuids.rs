//! getresuid(2), getresgid(2), getgroups(2): where they tell.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let mut ids = [9u32; 3];
    let at = ids.as_mut_ptr();
    let (second, third) = (at.wrapping_add(1), at.wrapping_add(2));
    t.refused(
        "the real nowhere",
        raw!(SYS_getresuid, 8, second, third),
        EFAULT,
    );
    t.refused(
        "the effective nowhere",
        raw!(SYS_getresuid, at, 8, third),
        EFAULT,
    );
    t.refused(
        "the saved nowhere",
        raw!(SYS_getresuid, at, second, 8),
        EFAULT,
    );
    t.refused(
        "a group nowhere",
        raw!(SYS_getresgid, 8, second, third),
        EFAULT,
    );
    apart(t, |t| {
        raw!(SYS_setresgid, 4, 5, 6)?;
        raw!(SYS_setresuid, 1, 2, 3)?;
        let mut ids = [9u32; 3];
        let at = ids.as_mut_ptr();
        let (second, third) = (at.wrapping_add(1), at.wrapping_add(2));
        t.works("users", raw!(SYS_getresuid, at, second, third));
        t.same("three", ids, [1, 2, 3]);
        let at = ids.as_mut_ptr();
        let (second, third) = (at.wrapping_add(1), at.wrapping_add(2));
        t.works("groups", raw!(SYS_getresgid, at, second, third));
        t.same("three too", ids, [4, 5, 6]);
        let single = [SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid];
        let single = single.map(|call| call!(syscall(call)));
        t.same("and one by one", single, [1, 2, 4, 5].map(Ok));
        Ok(())
    })?;
    t.refused("a list nowhere", raw!(SYS_setgroups, 1, 8), EFAULT);
    t.refused("a negative room", raw!(SYS_getgroups, -1, at), EINVAL);
    apart(t, |t| {
        raw!(SYS_setgroups, 3, [3u32, 2, 1].as_ptr())?;
        t.refused("told nowhere", raw!(SYS_getgroups, 3, 8), EFAULT);
        t.same(
            "in /proc",
            field("/proc/self/status", "Groups"),
            "1 2 3".into(),
        );
        t.works("none", raw!(SYS_setgroups, 0, 0));
        t.same("are none", raw!(SYS_getgroups, 3, at), Ok(0));
        t.refused(
            "-1 is no group",
            raw!(SYS_setgroups, 1, [u32::MAX].as_ptr()),
            EINVAL,
        );
        Ok(())
    })
}
