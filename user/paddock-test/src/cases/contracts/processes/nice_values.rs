//! getpriority(2), setpriority(2): whose, how far, and who may.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let set = |which: i32, who: i32, value: i32| raw!(SYS_setpriority, which, who, value).map(drop);
    // The call itself gives 20 less the value.
    let get = |which: i32, who: i32| raw!(SYS_getpriority, which, who).map(|it| 20 - it);
    t.refused("none of the three", get(3, 0), EINVAL);
    t.refused("to set", set(3, 0, 0), EINVAL);
    t.refused("nobody", get(0, 0x3fff_fff0), ESRCH);
    t.refused("no group", get(1, 0x3fff_fff0), ESRCH);
    t.refused("a negative one", get(0, -1), ESRCH);
    t.works("low", set(0, 0, 10));
    t.same("is told", get(0, 0), Ok(10));
    t.works("beyond the lowest", set(0, 0, 100));
    t.same("is the lowest", get(0, own_pid()), Ok(19));
    t.works("beyond the highest", set(0, 0, -100));
    t.same("is the highest", get(0, 0), Ok(-20));
    let child = sys::fork(|| {
        sys::sleep_ms(60_000);
        0
    })?;
    t.same("a child has it", get(0, child), Ok(-20));
    t.works("its own", set(0, child, 5));
    t.same("is its", (get(0, child), get(0, 0)), (Ok(5), Ok(-20)));
    apart(t, |t| {
        let group = own_pid();
        yes!(t; "a group": setpgid(0, 0););
        t.works("the group's", set(1, 0, 7));
        let lower = sys::in_child(|| unless(set(0, 0, 12).is_ok() && get(1, group) == Ok(7)));
        t.same("the best of all is told", lower, Ok(End::Exited(0)));
        t.same("by number", get(1, group), Ok(7));
        Ok(())
    })?;
    as_nobody(t, |t| {
        t.works("nobody is nicer", set(0, 0, 3));
        t.refused("not better again", set(0, 0, 2), EACCES);
        t.works("the same", set(0, 0, 3));
        t.refused("nor another's", set(0, child, 10), EPERM);
        Ok(())
    })?;
    sys::kill(child, SIGKILL)?;
    sys::wait(child)?;
    Ok(())
}
