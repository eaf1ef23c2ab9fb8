//! clock_gettime(2), clock_getres(2), clock_settime(2): which clocks there are, and whose.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let mut now = time(0, 0);
    let at = &raw mut now;
    let get = |clock: i32| raw!(SYS_clock_gettime, clock, at).map(drop);
    t.refused("no number", get(-1), EINVAL);
    t.refused("above all", get(16), EINVAL);
    t.refused("far above", get(i32::MAX), EINVAL);
    for clock in 0..=7 {
        t.refused("to nowhere", raw!(SYS_clock_gettime, clock, 8), EFAULT);
    }
    let cpu_of = |pid: i32| (!pid) << 3 | 2;
    t.works("a process's clock", get(cpu_of(own_pid())));
    t.works("the caller's", get(cpu_of(0)));
    t.refused("nobody's", get(cpu_of(0x03ff_fff0)), EINVAL);
    t.works("its grain", raw!(SYS_clock_getres, cpu_of(0), at));
    t.refused("set", raw!(SYS_clock_settime, cpu_of(0), at), EPERM);
    let set =
        |clock: i32, time: timespec| raw!(SYS_clock_settime, clock, &raw const time).map(drop);
    t.refused("the steady clock", set(CLOCK_MONOTONIC, time(1, 0)), EINVAL);
    t.refused("that of boot", set(CLOCK_BOOTTIME, time(1, 0)), EINVAL);
    t.refused(
        "the coarse one",
        set(CLOCK_REALTIME_COARSE, time(1, 0)),
        EINVAL,
    );
    t.refused("no clock", set(99, time(1, 0)), EINVAL);
    t.refused("negative", set(CLOCK_REALTIME, time(-1, 0)), EINVAL);
    t.refused("negative parts", set(CLOCK_REALTIME, time(1, -1)), EINVAL);
    t.refused(
        "too many",
        set(CLOCK_REALTIME, time(1, 1_000_000_000)),
        EINVAL,
    );
    t.refused(
        "nowhere",
        raw!(SYS_clock_settime, CLOCK_REALTIME, 8),
        EFAULT,
    );
    as_nobody(t, |t| {
        let mut now = time(0, 0);
        yes!(t; "the time": clock_gettime(CLOCK_REALTIME, &raw mut now););
        t.refused(
            "nobody sets it",
            raw!(SYS_clock_settime, CLOCK_REALTIME, &raw const now),
            EPERM,
        );
        t.refused(
            "nor by the old call",
            raw!(SYS_settimeofday, [1i64, 0].as_ptr(), 0),
            EPERM,
        );
        Ok(())
    })?;
    let mut old = [0i64; 2];
    t.works("gettimeofday", raw!(SYS_gettimeofday, old.as_mut_ptr(), 0));
    t.works("no time", raw!(SYS_gettimeofday, 0, 0));
    t.refused("to no place", raw!(SYS_gettimeofday, -1, 0), EFAULT);
    t.refused(
        "too many micros",
        raw!(SYS_settimeofday, [1i64, 1_000_000].as_ptr(), 0),
        EINVAL,
    );
    Ok(())
}
