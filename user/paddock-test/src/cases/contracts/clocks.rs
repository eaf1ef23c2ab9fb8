//! clock_gettime(2), clock_nanosleep(2), clock_settime(2).
use super::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let mut now = time(0, 0);
    let at = &raw mut now;
    t.refused("no such clock", raw!(SYS_clock_gettime, 99, at), EINVAL);
    t.refused("nowhere", raw!(SYS_clock_gettime, 0, 8), EFAULT);
    t.same(
        "its grain, to nobody",
        raw!(SYS_clock_getres, CLOCK_MONOTONIC, 0),
        Ok(0),
    );
    t.refused("no such clock's", raw!(SYS_clock_getres, 99, at), EINVAL);
    for clock in [
        CLOCK_REALTIME,
        CLOCK_MONOTONIC,
        CLOCK_PROCESS_CPUTIME_ID,
        CLOCK_THREAD_CPUTIME_ID,
        CLOCK_MONOTONIC_RAW,
        CLOCK_REALTIME_COARSE,
        CLOCK_MONOTONIC_COARSE,
        CLOCK_BOOTTIME,
    ] {
        t.same("a clock", raw!(SYS_clock_gettime, clock, at), Ok(0));
    }
    t.same(
        "a nanosecond",
        raw!(SYS_clock_getres, CLOCK_MONOTONIC, at).map(|_| now.tv_nsec),
        Ok(1),
    );
    sleeps(t);
    set(t);
    Ok(())
}

fn sleeps(t: &mut Report) {
    let sleep = |clock: i32, flags: i32, until: timespec| {
        raw!(SYS_clock_nanosleep, clock, flags, &raw const until, 0)
    };
    t.refused(
        "too many nanoseconds",
        sleep(CLOCK_MONOTONIC, 0, time(0, 1_000_000_000)),
        EINVAL,
    );
    t.refused(
        "a negative time",
        sleep(CLOCK_MONOTONIC, 0, time(-1, 0)),
        EINVAL,
    );
    t.same("long ago", sleep(CLOCK_MONOTONIC, 1, time(0, 1)), Ok(0));
    t.refused(
        "the thread's own",
        sleep(CLOCK_THREAD_CPUTIME_ID, 0, time(0, 1)),
        EOPNOTSUPP,
    );
    t.refused(
        "a raw clock",
        sleep(CLOCK_MONOTONIC_RAW, 0, time(0, 1)),
        EOPNOTSUPP,
    );
    t.refused(
        "a coarse one",
        sleep(CLOCK_MONOTONIC_COARSE, 0, time(0, 1)),
        EOPNOTSUPP,
    );
    t.refused(
        "no such clock to sleep by",
        sleep(99, 0, time(0, 1)),
        EINVAL,
    );
}

/// What cannot be set, and interval timers that cannot be, nor asked.
fn set(t: &mut Report) {
    let set = |clock: i32, to: timespec| raw!(SYS_clock_settime, clock, &raw const to);
    t.refused(
        "one that cannot be set",
        set(CLOCK_MONOTONIC, time(1, 0)),
        EINVAL,
    );
    t.refused(
        "to too many nanoseconds",
        set(CLOCK_REALTIME, time(1, 1_000_000_000)),
        EINVAL,
    );
    t.refused(
        "to a negative time",
        set(CLOCK_REALTIME, time(-1, 0)),
        EINVAL,
    );
    let bad = [0i64, 0, 0, 1_000_000];
    t.refused(
        "an interval timer's microseconds",
        raw!(SYS_setitimer, 0, bad.as_ptr(), 0),
        EINVAL,
    );
    t.refused("no such one", raw!(SYS_setitimer, 3, 0, 0), EINVAL);
    t.refused(
        "asked of none",
        raw!(SYS_getitimer, 3, bad.as_ptr()),
        EINVAL,
    );
}
