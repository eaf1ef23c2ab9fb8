//! timerfd_settime(2): TFD_TIMER_CANCEL_ON_SET.
use crate::cases::contracts::prelude::*;

const CANCEL: i32 = 2;
const ABSOLUTE: i32 = 1;

fn now() -> Result<timespec, Errno> {
    let mut now = time(0, 0);
    call!(clock_gettime(CLOCK_REALTIME, &raw mut now))?;
    Ok(now)
}

fn set(fd: i32, flags: i32, seconds: i64) -> Result<i64, Errno> {
    let words = [0, 0, seconds, 0];
    raw!(SYS_timerfd_settime, fd, flags, words.as_ptr(), 0)
}

/// The clock is set to what it shows.
fn set_clock() -> Result<i32, Errno> {
    let now = now()?;
    let later = time(now.tv_sec + 1, now.tv_nsec);
    call!(clock_settime(CLOCK_REALTIME, &raw const later))?;
    let back = time(now.tv_sec, now.tv_nsec + 1);
    call!(clock_settime(CLOCK_REALTIME, &raw const back))
}

pub fn run(t: &mut Report) -> Outcome {
    let day = now()?.tv_sec + 86_400;
    let made = |clock| call!(timerfd_create(clock, TFD_NONBLOCK));
    let (fd, other, steady) = (
        made(CLOCK_REALTIME)?,
        made(CLOCK_REALTIME)?,
        made(CLOCK_MONOTONIC)?,
    );
    let mut bytes = [0u8; 8];
    t.works("one that tells", set(fd, ABSOLUTE | CANCEL, day));
    t.works("one that does not", set(other, ABSOLUTE, day));
    t.works("of another clock", set(steady, ABSOLUTE | CANCEL, day));
    t.refused("quiet", sys::read(fd, &mut bytes), EAGAIN);
    t.works("the clock is set", set_clock());
    t.same("it is ready", ready(fd, POLLIN), Ok(POLLIN));
    t.refused("and says why", sys::read(fd, &mut bytes), ECANCELED);
    t.refused("once", sys::read(fd, &mut bytes), EAGAIN);
    for quiet in [other, steady] {
        t.refused("the others do not", sys::read(quiet, &mut bytes), EAGAIN);
    }
    t.works("set again", set_clock());
    t.same("and again", ready(fd, POLLIN), Ok(POLLIN));
    t.works("no longer told", set(fd, ABSOLUTE, day));
    t.works("set", set_clock());
    t.refused("so it is quiet", sys::read(fd, &mut bytes), EAGAIN);
    Ok(())
}
