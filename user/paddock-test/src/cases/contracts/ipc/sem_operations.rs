//! semop(2), semtimedop(2): all or none, and what does not wait.
use crate::cases::contracts::prelude::*;

fn step(number: u16, change: i16, flags: i16) -> sembuf {
    sembuf {
        sem_num: number,
        sem_op: change,
        sem_flg: flags,
    }
}

pub fn run(t: &mut Report) -> Outcome {
    const GETVAL: i32 = 12;
    const NOWAIT: i16 = IPC_NOWAIT as i16;
    t.works("objects of its own", raw!(SYS_unshare, CLONE_NEWIPC));
    let id = raw!(SYS_semget, 0, 2, 0o600)?;
    let go = |steps: &[sembuf]| raw!(SYS_semtimedop, id, steps.as_ptr(), steps.len(), 0);
    let value = |number: i32| raw!(SYS_semctl, id, number, GETVAL, 0);
    t.refused("none", go(&[]), EINVAL);
    t.refused("too many", go(&[step(0, 0, 0); 501]), E2BIG);
    t.refused("nowhere", raw!(SYS_semtimedop, id, 8, 1, 0), EFAULT);
    t.refused(
        "no such set",
        raw!(SYS_semtimedop, -1, [step(0, 1, 0)].as_ptr(), 1, 0),
        EINVAL,
    );
    t.refused("none of the set", go(&[step(2, 1, 0)]), EFBIG);
    t.works("up", go(&[step(0, 5, 0)]));
    t.refused("too high", go(&[step(0, 32_767, 0)]), ERANGE);
    t.refused("would wait", go(&[step(0, -6, NOWAIT)]), EAGAIN);
    t.refused("for zero", go(&[step(0, 0, NOWAIT)]), EAGAIN);
    t.refused(
        "the second would",
        go(&[step(0, -5, 0), step(1, -1, NOWAIT)]),
        EAGAIN,
    );
    t.same("so the first is not done", value(0), Ok(5));
    t.works(
        "both",
        go(&[step(0, -5, NOWAIT), step(0, 0, NOWAIT), step(1, 2, 0)]),
    );
    t.same("are", (value(0), value(1)), (Ok(0), Ok(2)));
    let steps = [step(0, -1, 0)];
    let timed = |seconds: i64, nanos: i64| {
        let wait = time(seconds, nanos);
        raw!(SYS_semtimedop, id, steps.as_ptr(), 1, &raw const wait)
    };
    t.refused("its time is over", timed(0, 1_000_000), EAGAIN);
    t.refused("too many nanoseconds", timed(0, 1_000_000_000), EINVAL);
    t.refused("a negative time", timed(-1, 0), EINVAL);
    t.refused(
        "a time nowhere",
        raw!(SYS_semtimedop, id, steps.as_ptr(), 1, 8),
        EFAULT,
    );
    as_nobody(t, |t| {
        t.refused("another user's", go(&[step(0, 1, 0)]), EACCES);
        t.refused("only looked at", go(&[step(0, 0, 0)]), EACCES);
        Ok(())
    })?;
    t.works("removed", raw!(SYS_semctl, id, 0, IPC_RMID, 0));
    Ok(())
}
