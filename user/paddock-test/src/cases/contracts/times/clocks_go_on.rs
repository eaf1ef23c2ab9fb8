//! clock_gettime(2): clocks go on, one way, and alike.
use crate::cases::contracts::prelude::*;

fn now(clock: i32) -> Result<i128, Errno> {
    let mut now = time(0, 0);
    raw!(SYS_clock_gettime, clock, &raw mut now)?;
    Ok(i128::from(now.tv_sec) * 1_000_000_000 + i128::from(now.tv_nsec))
}

pub fn run(t: &mut Report) -> Outcome {
    for clock in [
        CLOCK_MONOTONIC,
        CLOCK_MONOTONIC_RAW,
        CLOCK_MONOTONIC_COARSE,
        CLOCK_BOOTTIME,
    ] {
        let mut last = now(clock)?;
        let mut back = 0;
        for _ in 0..2000 {
            let next = now(clock)?;
            back += i32::from(next < last);
            last = next;
        }
        t.same("never back", back, 0);
    }
    let (coarse, fine, later) = (
        now(CLOCK_REALTIME_COARSE)?,
        now(CLOCK_REALTIME)?,
        now(CLOCK_REALTIME_COARSE)?,
    );
    t.check(
        "a coarse one is behind",
        coarse <= fine && fine - coarse < 1_000_000_000 && later >= coarse,
    );
    let (steady, boot) = (now(CLOCK_MONOTONIC)?, now(CLOCK_BOOTTIME)?);
    t.check("that of boot is not behind", boot >= steady);
    let mut old = [0i64; 2];
    let before = now(CLOCK_REALTIME)? / 1000;
    t.works("the old call", raw!(SYS_gettimeofday, old.as_mut_ptr(), 0));
    let between = i128::from(old[0]) * 1_000_000 + i128::from(old[1]);
    t.check(
        "is the same clock",
        (before..=now(CLOCK_REALTIME)? / 1000).contains(&between),
    );
    let (thread, process) = (
        now(CLOCK_THREAD_CPUTIME_ID)?,
        now(CLOCK_PROCESS_CPUTIME_ID)?,
    );
    t.check("a process has used what its thread has", process >= thread);
    let end =
        sys::in_child(|| unless(now(CLOCK_PROCESS_CPUTIME_ID).is_ok_and(|it| it < 1_000_000_000)));
    t.same("a child's begins anew", end, Ok(End::Exited(0)));
    let begun = now(CLOCK_PROCESS_CPUTIME_ID)?;
    sys::sleep_ms(30);
    t.check(
        "sleep uses none",
        now(CLOCK_PROCESS_CPUTIME_ID)? - begun < 25_000_000,
    );
    Ok(())
}
