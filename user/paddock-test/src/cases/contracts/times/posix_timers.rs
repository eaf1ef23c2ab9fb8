//! timer_create(2) and timer_settime(2).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let mut id = -1i32;
    let at = &raw mut id;
    let event = |notify: i32, signal: i32| {
        let mut words = [0i32; 16];
        (words[2], words[3]) = (signal, notify);
        words
    };
    let create = |clock: i32, event: &[i32; 16]| raw!(SYS_timer_create, clock, event.as_ptr(), at);
    t.refused("no such clock", create(99, &event(0, SIGUSR1)), EINVAL);
    t.refused("no signal", create(CLOCK_MONOTONIC, &event(0, 65)), EINVAL);
    t.refused("signal 0", create(CLOCK_MONOTONIC, &event(0, 0)), EINVAL);
    t.refused(
        "no way to tell",
        create(CLOCK_MONOTONIC, &event(9, SIGUSR1)),
        EINVAL,
    );
    t.refused(
        "a thread that is none",
        create(CLOCK_MONOTONIC, &event(4, SIGUSR1)),
        EINVAL,
    );
    t.refused(
        "its number nowhere",
        raw!(SYS_timer_create, CLOCK_MONOTONIC, 0, 8),
        EFAULT,
    );
    t.works("a quiet one", create(CLOCK_MONOTONIC, &event(1, 0)));
    let mut spec = [0i64; 4];
    let to = spec.as_mut_ptr();
    for (what, id) in [("another's number", id + 1), ("a negative one", -1)] {
        t.refused(what, raw!(SYS_timer_gettime, id, to), EINVAL);
        t.refused(what, raw!(SYS_timer_getoverrun, id), EINVAL);
        t.refused(what, raw!(SYS_timer_delete, id), EINVAL);
    }
    let bad = [0i64, 0, 1, 1_000_000_000];
    t.refused(
        "too many nanoseconds",
        raw!(SYS_timer_settime, id, 0, bad.as_ptr(), 0),
        EINVAL,
    );
    t.refused(
        "nothing to set",
        raw!(SYS_timer_settime, id, 0, 0, 0),
        EINVAL,
    );
    t.same("no overrun", raw!(SYS_timer_getoverrun, id), Ok(0));
    t.works("deleted", raw!(SYS_timer_delete, id));
    t.refused("is gone", raw!(SYS_timer_gettime, id, to), EINVAL);
    Ok(())
}
