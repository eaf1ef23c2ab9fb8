//! semctl(2): values, all of them, counts and errors.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    const GETPID: i32 = 11;
    const GETVAL: i32 = 12;
    const GETALL: i32 = 13;
    const GETNCNT: i32 = 14;
    const GETZCNT: i32 = 15;
    const SETVAL: i32 = 16;
    const SETALL: i32 = 17;
    t.works("objects of its own", raw!(SYS_unshare, CLONE_NEWIPC));
    let id = raw!(SYS_semget, 0, 3, 0o600)?;
    let go = |number: i32, what: i32, word: usize| raw!(SYS_semctl, id, number, what, word);
    t.refused("no such set", raw!(SYS_semctl, -1, 0, GETVAL, 0), EINVAL);
    t.refused(
        "nor such a number",
        raw!(SYS_semctl, 0x7fff_0000, 0, GETVAL, 0),
        EINVAL,
    );
    t.refused("no such word", go(0, 99, 0), EINVAL);
    t.refused("none of the set", go(3, GETVAL, 0), EINVAL);
    t.refused("a negative one", go(-1, GETVAL, 0), EINVAL);
    t.refused("too high", go(0, SETVAL, 32_768), ERANGE);
    t.refused("below zero", go(0, SETVAL, u32::MAX as usize), ERANGE);
    t.works("the highest", go(0, SETVAL, 32_767));
    t.same("is told", go(0, GETVAL, 0), Ok(32_767));
    let own = i64::from(sys::tid());
    t.same("who did it last", go(0, GETPID, 0), Ok(own));
    t.same("nobody yet", go(1, GETPID, 0), Ok(0));
    let values = [1u16, 2, 3];
    t.works("all", go(0, SETALL, values.as_ptr().addr()));
    let mut found = [9u16; 3];
    t.works("asked", go(0, GETALL, found.as_mut_ptr().addr()));
    t.same("as set", found, values);
    t.refused(
        "one too high",
        go(0, SETALL, [1u16, 40_000, 3].as_ptr().addr()),
        ERANGE,
    );
    t.same("changes none", go(1, GETVAL, 0), Ok(2));
    t.refused("from nowhere", go(0, SETALL, 8), EFAULT);
    t.refused("told nowhere", go(0, GETALL, 8), EFAULT);
    t.refused("its status nowhere", go(0, IPC_STAT, 8), EFAULT);
    t.same(
        "nobody waits",
        (go(0, GETNCNT, 0), go(0, GETZCNT, 0)),
        (Ok(0), Ok(0)),
    );
    let mut status = [0u64; 32];
    t.works("its status", go(0, IPC_STAT, status.as_mut_ptr().addr()));
    as_nobody(t, |t| {
        t.refused("another user's", go(0, GETVAL, 0), EACCES);
        t.refused("to set", go(0, SETVAL, 0), EACCES);
        t.refused("to remove", go(0, IPC_RMID, 0), EPERM);
        t.refused(
            "to change",
            go(0, IPC_SET, status.as_mut_ptr().addr()),
            EPERM,
        );
        t.refused(
            "its status",
            go(0, IPC_STAT, status.as_mut_ptr().addr()),
            EACCES,
        );
        Ok(())
    })?;
    t.works("removed", go(0, IPC_RMID, 0));
    t.refused("is gone", go(0, GETVAL, 0), EINVAL);
    Ok(())
}
