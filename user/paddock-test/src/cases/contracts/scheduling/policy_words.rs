//! sched_setparam(2), sched_getparam(2), sched_setattr(2), sched_getattr(2): their words.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let mut priority = 7i32;
    let at = &raw mut priority;
    let get = |pid: i32, at: *mut i32| raw!(SYS_sched_getparam, pid, at);
    let set = |pid: i32, at: *const i32| raw!(SYS_sched_setparam, pid, at);
    t.works("asked", get(0, at));
    t.same("none", priority, 0);
    t.refused("told to nobody", get(0, null_mut()), EINVAL);
    t.refused("a negative number's", get(-1, at), EINVAL);
    t.refused("nobody's", get(NOBODYS, at), ESRCH);
    t.refused("told nowhere", get(0, 8 as *mut i32), EFAULT);
    let zero = 0i32;
    t.works("set", set(0, &raw const zero));
    t.refused("from nobody", set(0, null()), EINVAL);
    t.refused("of a negative number", set(-1, &raw const zero), EINVAL);
    t.refused("of nobody", set(NOBODYS, &raw const zero), ESRCH);
    t.refused("from nowhere", set(0, 8 as *const i32), EFAULT);
    let five = 5i32;
    t.refused("one that there is not", set(0, &raw const five), EINVAL);
    let mut words = [0u32; 64];
    let place = words.as_mut_ptr();
    let attributes = |pid: i32, at: *mut u32, size: u32, flags: u32| {
        raw!(SYS_sched_getattr, pid, at, size, flags)
    };
    t.works("in full", attributes(0, place, 256, 0));
    t.check("how long it is", [48, 56].contains(&words[0]));
    t.refused("too short", attributes(0, place, 47, 0), EINVAL);
    t.refused("longer than a page", attributes(0, place, 4097, 0), EINVAL);
    t.refused("with a flag", attributes(0, place, 56, 1), EINVAL);
    t.refused("to nobody", attributes(0, null_mut(), 56, 0), EINVAL);
    t.refused("of nobody's", attributes(NOBODYS, place, 56, 0), ESRCH);
    t.refused("of a negative one's", attributes(-1, place, 56, 0), EINVAL);
    let change =
        |pid: i32, words: *const u32, flags: u32| raw!(SYS_sched_setattr, pid, words, flags);
    let mut wanted = [0u32; 64];
    wanted[0] = 48;
    t.works("changed to what it is", change(0, wanted.as_ptr(), 0));
    t.refused("by a flag", change(0, wanted.as_ptr(), 1), EINVAL);
    t.refused("of no one", change(NOBODYS, wanted.as_ptr(), 0), ESRCH);
    t.refused("of a negative one", change(-1, wanted.as_ptr(), 0), EINVAL);
    t.refused("from no one", change(0, null(), 0), EINVAL);
    wanted[0] = 40;
    t.refused(
        "shorter than the first",
        change(0, wanted.as_ptr(), 0),
        E2BIG,
    );
    (wanted[0], wanted[40]) = (200, 1);
    t.refused("longer, with more", change(0, wanted.as_ptr(), 0), E2BIG);
    wanted[40] = 0;
    t.works("longer, with zeros", change(0, wanted.as_ptr(), 0));
    as_nobody(t, |t| {
        t.refused("another user's", set(1, &raw const zero), EPERM);
        t.works("asked of another", get(1, at));
        Ok(())
    })
}
