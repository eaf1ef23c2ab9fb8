//! msgsnd(2), msgrcv(2): who waits, what wakes, and what ends it.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let id = call!(msgget(IPC_PRIVATE, 0o600))?;
    let send = |kind: i64, flags: i32| {
        let mut words = [0i64; 17];
        words[0] = kind;
        call!(msgsnd(id, words.as_ptr().cast(), 128, flags))
    };
    let get = |kind: i64, flags: i32| {
        let mut words = [0i64; 17];
        call!(msgrcv(id, words.as_mut_ptr().cast(), 128, kind as _, flags))
            .map(|count| (count, words[0]))
    };
    let child = sys::fork(|| unless(get(5, 0) == Ok((128, 5))))?;
    sys::until_asleep(child)?;
    send(4, 0)?;
    send(5, 0)?;
    t.same(
        "who waits for a kind has it",
        sys::wait(child),
        Ok(End::Exited(0)),
    );
    t.same("the other stays", get(0, IPC_NOWAIT), Ok((128, 4)));
    while send(1, IPC_NOWAIT).is_ok() {}
    t.refused("full", send(1, IPC_NOWAIT), EAGAIN);
    let child = sys::fork(|| unless(send(9, 0).is_ok()))?;
    sys::until_asleep(child)?;
    t.same("room", get(1, 0), Ok((128, 1)));
    t.same(
        "who waits to send goes on",
        sys::wait(child),
        Ok(End::Exited(0)),
    );
    t.same("its own is there", get(9, IPC_NOWAIT), Ok((128, 9)));
    let interrupted = |sends: bool| {
        let child = sys::fork(|| {
            let caught = noted(SIGUSR1, SA_RESTART).is_ok();
            let end = if sends {
                (0..9).find_map(|_| send(1, 0).err())
            } else {
                get(77, 0).err()
            };
            unless(caught && end == Some(Errno(EINTR)))
        })?;
        sys::until_asleep(child)?;
        sys::kill(child, SIGUSR1)?;
        sys::wait(child)
    };
    t.same(
        "a signal ends a wait to send",
        interrupted(true),
        Ok(End::Exited(0)),
    );
    t.same("and to receive", interrupted(false), Ok(End::Exited(0)));
    let sender = sys::fork(|| unless((0..9).find_map(|_| send(1, 0).err()) == Some(Errno(EIDRM))))?;
    sys::until_asleep(sender)?;
    let receiver = sys::fork(|| unless(get(77, 0) == Err(Errno(EIDRM))))?;
    sys::until_asleep(receiver)?;
    yes!(t; "removed": msgctl(id, IPC_RMID, null_mut()););
    t.same("who sends is told", sys::wait(sender), Ok(End::Exited(0)));
    t.same("and who receives", sys::wait(receiver), Ok(End::Exited(0)));
    t.refused("there is none", send(1, 0), EINVAL);
    Ok(())
}
