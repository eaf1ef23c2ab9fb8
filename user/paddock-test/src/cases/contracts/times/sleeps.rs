//! nanosleep(2): what it refuses, and what is left.
use crate::cases::contracts::prelude::*;

extern "C" fn nothing(_: i32) {}

pub fn run(t: &mut Report) -> Outcome {
    let sleep = |seconds: i64, nanos: i64| {
        let wanted = time(seconds, nanos);
        raw!(SYS_nanosleep, &raw const wanted, 0)
    };
    t.refused("too many nanoseconds", sleep(0, 1_000_000_000), EINVAL);
    t.refused("negative ones", sleep(0, -1), EINVAL);
    t.refused("negative seconds", sleep(-1, 0), EINVAL);
    t.refused("nowhere", raw!(SYS_nanosleep, 8, 0), EFAULT);
    t.works("none", sleep(0, 0));
    let mut before = time(0, 0);
    call!(clock_gettime(CLOCK_MONOTONIC, &raw mut before))?;
    t.works("ten milliseconds", sleep(0, 10_000_000));
    let mut after = time(0, 0);
    call!(clock_gettime(CLOCK_MONOTONIC, &raw mut after))?;
    let nanos = (after.tv_sec - before.tv_sec) * 1_000_000_000 + after.tv_nsec - before.tv_nsec;
    t.check("never less", nanos >= 10_000_000);
    // SAFETY: plain numbers.
    let mut action: sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = nothing as extern "C" fn(i32) as usize;
    call!(sigaction(SIGALRM, &raw const action, null_mut()))?;
    let often = [0i64, 20_000, 0, 20_000];
    raw!(SYS_setitimer, 0, often.as_ptr(), 0)?;
    let (long, mut left) = (time(100, 0), time(0, 0));
    let slept = raw!(SYS_nanosleep, &raw const long, &raw mut left);
    let nowhere = raw!(SYS_nanosleep, &raw const long, 8);
    let mut same = time(0, 0);
    let clock = raw!(
        SYS_clock_nanosleep,
        CLOCK_MONOTONIC,
        0,
        &raw const long,
        &raw mut same
    );
    let whole = time(i64::from(i32::MAX) + before.tv_sec, 0);
    let mut kept = time(77, 0);
    let absolute = raw!(
        SYS_clock_nanosleep,
        CLOCK_MONOTONIC,
        1,
        &raw const whole,
        &raw mut kept
    );
    raw!(SYS_setitimer, 0, [0i64; 4].as_ptr(), 0)?;
    t.refused("interrupted", slept, EINTR);
    t.check("what is left", (80..100).contains(&left.tv_sec));
    t.refused("which goes nowhere", nowhere, EFAULT);
    t.refused("another clock", clock, EINTR);
    t.check("left too", (80..100).contains(&same.tv_sec));
    t.refused("until a time", absolute, EINTR);
    t.same("nothing is told", kept.tv_sec, 77);
    Ok(())
}
