//! fcntl(2): F_SETOWN, F_SETOWN_EX and what F_GETOWN tells of them.
use crate::cases::contracts::prelude::*;

const F_SETOWN_EX: i32 = 15;
const F_GETOWN_EX: i32 = 16;
const F_GETOWNER_UIDS: i32 = 17;

pub fn run(t: &mut Report) -> Outcome {
    let [fd, _] = sys::pipe()?;
    let set = |kind: i32, id: i32| {
        let it = [kind, id];
        call!(fcntl(fd, F_SETOWN_EX, it.as_ptr())).map(drop)
    };
    let get = || {
        let mut it = [9, 9];
        call!(fcntl(fd, F_GETOWN_EX, it.as_mut_ptr())).map(|_| it)
    };
    let own = own_pid();
    // SAFETY: takes nothing.
    let group = unsafe { getpgrp() };
    t.same("nobody", get(), Ok([0, 0]));
    t.works("a thread", set(0, sys::tid()));
    t.same("is told", get(), Ok([0, own]));
    t.works("a process", set(1, own));
    t.same("is told as well", get(), Ok([1, own]));
    t.works("a group", set(2, group));
    t.same("is a group", get(), Ok([2, group]));
    t.same("with its sign", call!(fcntl(fd, F_GETOWN)), Ok(-group));
    t.refused("no kind", set(3, own), EINVAL);
    t.refused("no process", set(1, 0x3fff_fff0), ESRCH);
    t.refused("no group", set(2, 0x3fff_fff0), ESRCH);
    no!(t; "nowhere": fcntl(fd, F_SETOWN_EX, 8) => EFAULT; "to nowhere": fcntl(fd, F_GETOWN_EX, 8) => EFAULT;);
    t.works("nobody again", set(1, 0));
    t.same("nobody is left", get().map(|it| it[1]), Ok(0));
    yes!(t; "a group by its sign": fcntl(fd, F_SETOWN, -group););
    t.same("is one", get(), Ok([2, group]));
    no!(t; "the lowest number": fcntl(fd, F_SETOWN, i32::MIN) => EINVAL;);
    let mut users = [7u32, 7];
    yes!(t; "a user": fcntl(fd, F_SETOWN, own););
    match call!(fcntl(fd, F_GETOWNER_UIDS, users.as_mut_ptr())) {
        // Without CONFIG_CHECKPOINT_RESTORE there is no such command.
        Err(Errno(EINVAL)) => (),
        got => t.same("is root", got.map(|_| users), Ok([0, 0])),
    }
    t.same("SIGIO by itself", call!(fcntl(fd, F_GETSIG)), Ok(0));
    yes!(t; "any signal": fcntl(fd, F_SETSIG, SIGRTMAX()););
    t.same("is a signal", call!(fcntl(fd, F_GETSIG)), Ok(SIGRTMAX()));
    no!(t; "none": fcntl(fd, F_SETSIG, 65) => EINVAL;);
    let twin = call!(dup(fd))?;
    t.same(
        "a copy has the same",
        call!(fcntl(twin, F_GETSIG)),
        Ok(SIGRTMAX()),
    );
    Ok(())
}
