//! semop(2): who waits, the order, removal, and SEM_UNDO.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    const GETVAL: i32 = 12;
    const GETNCNT: i32 = 14;
    const GETZCNT: i32 = 15;
    const SETVAL: i32 = 16;
    const UNDO: i16 = 0x1000;
    t.works("objects of its own", raw!(SYS_unshare, CLONE_NEWIPC));
    let id = raw!(SYS_semget, 0, 1, 0o600)?;
    let go = |change: i16, flags: i16| {
        let step = sembuf {
            sem_num: 0,
            sem_op: change,
            sem_flg: flags,
        };
        raw!(SYS_semtimedop, id, &raw const step, 1, 0)
    };
    let ask = |what: i32| raw!(SYS_semctl, id, 0, what, 0);
    let waiter = sys::fork(|| go(-2, 0).map_or_else(|error| error.0, |_| 0))?;
    sys::until(|| ask(GETNCNT) == Ok(1))?;
    t.works("one is not enough", go(1, 0));
    t.same("for who waits", ask(GETNCNT), Ok(1));
    t.works("two are", go(1, 0));
    t.same("it goes on", sys::wait(waiter), Ok(End::Exited(0)));
    t.same("and takes both", ask(GETVAL), Ok(0));
    t.works("one", go(1, 0));
    let waiter = sys::fork(|| go(0, 0).map_or_else(|error| error.0, |_| 0))?;
    sys::until(|| ask(GETZCNT) == Ok(1))?;
    t.works("set to zero", raw!(SYS_semctl, id, 0, SETVAL, 0));
    t.same(
        "wakes who waits for it",
        sys::wait(waiter),
        Ok(End::Exited(0)),
    );
    let child = sys::in_child(|| i32::from(go(5, UNDO).is_err() || ask(GETVAL) != Ok(5)))?;
    t.same("a child adds", child, End::Exited(0));
    t.same("what is undone with it", ask(GETVAL), Ok(0));
    t.works("some", go(4, 0));
    let child = sys::in_child(|| i32::from(go(-3, UNDO).is_err()))?;
    t.same("a child takes", child, End::Exited(0));
    t.same("what comes back", ask(GETVAL), Ok(4));
    let child = sys::in_child(|| {
        let taken = go(-3, UNDO);
        let set = raw!(SYS_semctl, id, 0, SETVAL, 1);
        i32::from(taken.and(set).is_err())
    })?;
    t.same("a value is set meanwhile", child, End::Exited(0));
    t.same("and nothing undone", ask(GETVAL), Ok(1));
    let waiter = sys::fork(|| go(-9, 0).map_or_else(|error| error.0, |_| 0))?;
    sys::until(|| ask(GETNCNT) == Ok(1))?;
    t.works("removed", ask(IPC_RMID));
    t.same("wakes all", sys::wait(waiter), Ok(End::Exited(EIDRM)));
    Ok(())
}
