//! timerfd_create(2): intervals, the old setting, the wall clock.
use crate::cases::contracts::prelude::*;

fn set(fd: i32, flags: i32, words: [i64; 4]) -> Result<[i64; 4], Errno> {
    let mut old = [-1i64; 4];
    raw!(
        SYS_timerfd_settime,
        fd,
        flags,
        words.as_ptr(),
        old.as_mut_ptr()
    )?;
    Ok(old)
}

fn count(fd: i32) -> Result<u64, Errno> {
    let mut bytes = [0; 8];
    sys::read(fd, &mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}

pub fn run(t: &mut Report) -> Outcome {
    let fd = call!(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC))?;
    t.same("closes on exec", call!(fcntl(fd, F_GETFD)), Ok(FD_CLOEXEC));
    t.same(
        "waits",
        call!(fcntl(fd, F_GETFL)).map(|it| it & O_NONBLOCK),
        Ok(0),
    );
    t.same(
        "not set before",
        set(fd, 0, [0, 1_000_000, 0, 1]),
        Ok([0; 4]),
    );
    sys::sleep_ms(10);
    t.check("several at once", count(fd).is_ok_and(|it| it > 3));
    t.check("and again", count(fd).is_ok_and(|it| it >= 1));
    let old = set(fd, 0, [0, 0, 500, 0])?;
    t.same("its interval", old[1], 1_000_000);
    t.same("nothing waits", ready(fd, POLLIN), Ok(0));
    let old = set(fd, 0, [0; 4])?;
    t.check(
        "what was left",
        (490..=500).contains(&old[2]) && old[..2] == [0, 0],
    );
    t.refused("told nowhere", raw!(SYS_timerfd_gettime, fd, 8), EFAULT);
    t.refused(
        "set from nowhere",
        raw!(SYS_timerfd_settime, fd, 0, 8, 0),
        EFAULT,
    );
    t.refused(
        "asked of another",
        raw!(SYS_timerfd_gettime, 0, [0i64; 4].as_mut_ptr()),
        EINVAL,
    );
    t.refused(
        "asked of nothing",
        raw!(SYS_timerfd_gettime, 999, [0i64; 4].as_mut_ptr()),
        EBADF,
    );
    t.same(
        "a place in it is none",
        call!(lseek(fd, 7, SEEK_SET)),
        Ok(0),
    );
    for clock in [CLOCK_REALTIME, CLOCK_BOOTTIME] {
        t.works("another clock", call!(timerfd_create(clock, TFD_NONBLOCK)));
    }
    let wall = call!(timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK))?;
    let mut now = time(0, 0);
    call!(clock_gettime(CLOCK_REALTIME, &raw mut now))?;
    t.works("a day later", set(wall, 1, [0, 0, now.tv_sec + 86_400, 0]));
    t.refused("not yet", count(wall), EAGAIN);
    let mut left = [0i64; 4];
    t.works("asked", raw!(SYS_timerfd_gettime, wall, left.as_mut_ptr()));
    t.check("as a time from now", (86_000..=86_400).contains(&left[2]));
    Ok(())
}
