//! timerfd_create(2).
use crate::cases::contracts::prelude::*;

fn set(fd: i32, flags: i32, value: timespec, interval: timespec) -> Result<i32, Errno> {
    let wanted = itimerspec {
        it_interval: interval,
        it_value: value,
    };
    call!(timerfd_settime(fd, flags, &raw const wanted, null_mut()))
}

pub fn run(t: &mut Report) -> Outcome {
    let zero = time(0, 0);
    no!(t; "no such clock": timerfd_create(99, 0) => EINVAL;
        "a CPU's clock": timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0) => EINVAL;
        "a flag": timerfd_create(CLOCK_MONOTONIC, 1) => EINVAL;);
    let fd = call!(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK))?;
    let mut bytes = [0u8; 8];
    t.refused("not set", sys::read(fd, &mut bytes), EAGAIN);
    t.refused("too short", sys::read(fd, &mut bytes[..4]), EINVAL);
    t.refused("written", sys::write(fd, &bytes), EINVAL);
    t.refused(
        "too many nanoseconds",
        set(fd, 0, time(0, 1_000_000_000), zero),
        EINVAL,
    );
    t.refused("a negative time", set(fd, 0, time(-1, 0), zero), EINVAL);
    t.refused("of the interval", set(fd, 0, zero, time(0, -1)), EINVAL);
    t.refused("a flag for it", set(fd, 8, time(1, 0), zero), EINVAL);
    t.refused("not one of these", set(1, 0, time(1, 0), zero), EINVAL);
    t.refused("closed", set(999, 0, time(1, 0), zero), EBADF);
    t.works("long ago", set(fd, TFD_TIMER_ABSTIME, time(0, 1), zero));
    t.same("is over", ready(fd, POLLIN), Ok(POLLIN));
    t.same("once", sys::read(fd, &mut bytes).map(|_| bytes[0]), Ok(1));
    t.works("later", set(fd, 0, time(1000, 0), time(5, 6)));
    let mut left = itimerspec {
        it_interval: zero,
        it_value: zero,
    };
    yes!(t; "asked": timerfd_gettime(fd, &raw mut left););
    t.same(
        "the interval",
        (left.it_interval.tv_sec, left.it_interval.tv_nsec),
        (5, 6),
    );
    t.check("what is left", (990..1000).contains(&left.it_value.tv_sec));
    t.works("off, whatever the interval", set(fd, 0, zero, time(5, 6)));
    yes!(t; "asked again": timerfd_gettime(fd, &raw mut left););
    t.same("nothing is left", left.it_value.tv_sec, 0);
    Ok(())
}
