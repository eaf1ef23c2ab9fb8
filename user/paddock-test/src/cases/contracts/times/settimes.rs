//! settimeofday(2), gettimeofday(2), clock_settime(2): who may, and what is refused.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let set = |seconds: i64, micros: i64| {
        let wanted = [seconds, micros];
        raw!(SYS_settimeofday, wanted.as_ptr(), 0)
    };
    t.refused("too many microseconds", set(100, 1_000_000), EINVAL);
    t.refused("negative ones", set(100, -1), EINVAL);
    t.refused("negative seconds", set(-1, 0), EINVAL);
    t.refused("nowhere", raw!(SYS_settimeofday, 8, 0), EFAULT);
    t.refused("a zone nowhere", raw!(SYS_settimeofday, 0, 8), EFAULT);
    t.refused(
        "a zone beyond all",
        raw!(SYS_settimeofday, 0, [1000i32, 0].as_ptr()),
        EINVAL,
    );
    t.works("neither", raw!(SYS_settimeofday, 0, 0));
    t.refused("told nowhere", raw!(SYS_gettimeofday, 8, 0), EFAULT);
    t.refused("a zone told nowhere", raw!(SYS_gettimeofday, 0, 8), EFAULT);
    t.works("nothing told", raw!(SYS_gettimeofday, 0, 0));
    let (mut wall, mut clock) = ([0i64; 2], time(0, 0));
    call!(clock_gettime(CLOCK_REALTIME, &raw mut clock))?;
    t.works("the time", raw!(SYS_gettimeofday, wall.as_mut_ptr(), 0));
    let first = (clock.tv_sec, clock.tv_nsec / 1000);
    call!(clock_gettime(CLOCK_REALTIME, &raw mut clock))?;
    let last = (clock.tv_sec, clock.tv_nsec / 1000);
    t.check(
        "is the clock's",
        (first..=last).contains(&(wall[0], wall[1])),
    );
    as_nobody(t, |t| {
        t.refused("nobody sets it", set(100, 0), EPERM);
        t.refused(
            "nor a zone",
            raw!(SYS_settimeofday, 0, [0i32; 2].as_ptr()),
            EPERM,
        );
        t.refused("not even wrong", set(100, 1_000_000), EINVAL);
        let some = time(100, 0);
        t.refused(
            "nor by its number",
            raw!(SYS_clock_settime, 0, &raw const some),
            EPERM,
        );
        t.refused(
            "another clock",
            raw!(SYS_clock_settime, 1, &raw const some),
            EINVAL,
        );
        Ok(())
    })
}
