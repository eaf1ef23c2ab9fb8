//! ioprio_set(2), ioprio_get(2): classes, levels and whose.
use crate::cases::contracts::prelude::*;

const PROCESS: i32 = 1;
const GROUP: i32 = 2;
const USER: i32 = 3;

fn priority(class: i32, level: i32) -> i32 {
    class << 13 | level
}

pub fn run(t: &mut Report) -> Outcome {
    let set = |which: i32, who: i32, value: i32| raw!(SYS_ioprio_set, which, who, value).map(drop);
    let get = |which: i32, who: i32| raw!(SYS_ioprio_get, which, who).map(|it| it as i32);
    let (real, best, idle) = (1, 2, 3);
    for level in 0..8 {
        t.works("a level", set(PROCESS, 0, priority(best, level)));
        t.same("is told", get(PROCESS, 0), Ok(priority(best, level)));
    }
    t.works(
        "only when nobody else",
        set(PROCESS, own_pid(), priority(idle, 0)),
    );
    t.same(
        "told by number",
        get(PROCESS, own_pid()),
        Ok(priority(idle, 0)),
    );
    t.works("before all", set(PROCESS, 0, priority(real, 3)));
    t.same("told too", get(PROCESS, 0), Ok(priority(real, 3)));
    t.refused(
        "no class has a level",
        set(PROCESS, 0, priority(0, 4)),
        EINVAL,
    );
    t.works("none", set(PROCESS, 0, 0));
    t.refused("no such class", set(PROCESS, 0, priority(4, 0)), EINVAL);
    t.refused("a class far above", set(PROCESS, 0, priority(7, 0)), EINVAL);
    t.refused("neither of the three", set(4, 0, priority(best, 4)), EINVAL);
    t.refused("asked for none", get(0, 0), EINVAL);
    t.refused(
        "nobody",
        set(PROCESS, 0x3fff_fff0, priority(best, 4)),
        ESRCH,
    );
    t.refused("nobody's", get(PROCESS, 0x3fff_fff0), ESRCH);
    t.refused("no group's", get(GROUP, 0x3fff_fff0), ESRCH);
    t.works("one's group", set(GROUP, 0, priority(best, 2)));
    t.same("the group's", get(GROUP, 0), Ok(priority(best, 2)));
    let end = sys::in_child(|| unless(get(PROCESS, 0) == Ok(priority(best, 2))));
    t.same("a child has it", end, Ok(End::Exited(0)));
    as_nobody(t, |t| {
        t.refused(
            "others do not come before all",
            set(PROCESS, 0, priority(real, 3)),
            EPERM,
        );
        t.works("but behind", set(PROCESS, 0, priority(idle, 0)));
        t.refused("another's", set(PROCESS, 1, priority(best, 4)), EPERM);
        t.works("one's user", get(USER, NOBODY as i32));
        Ok(())
    })
}
