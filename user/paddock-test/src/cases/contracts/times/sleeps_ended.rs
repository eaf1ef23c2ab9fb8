//! clock_nanosleep(2): what a signal leaves, absolute times, and clocks without sleep.
use crate::cases::contracts::prelude::*;

fn sleep(clock: i32, flags: i32, time: timespec, left: *mut timespec) -> Result<(), Errno> {
    raw!(SYS_clock_nanosleep, clock, flags, &raw const time, left).map(drop)
}

/// How a child ends that sleeps and has a signal: well, if it is told what it should be.
fn left_of(flags: i32, until: timespec) -> Result<End, Errno> {
    let child = sys::fork(|| {
        let mut left = time(7, 7);
        let caught = noted(SIGUSR1, SA_RESTART).is_ok();
        let end = sleep(CLOCK_MONOTONIC, flags, until, &raw mut left);
        let told = if flags == 0 {
            (90..=100).contains(&left.tv_sec)
        } else {
            left.tv_sec == 7
        };
        unless(caught && end == Err(Errno(EINTR)) && told)
    })?;
    sys::until_asleep(child)?;
    sys::kill(child, SIGUSR1)?;
    sys::wait(child)
}

/// A sleeper that is stopped meanwhile.
fn continued(t: &mut Report) -> Outcome {
    let child =
        sys::fork(|| unless(sleep(CLOCK_MONOTONIC, 0, time(0, 200_000_000), null_mut()).is_ok()))?;
    sys::until_asleep(child)?;
    sys::kill(child, SIGSTOP)?;
    t.same(
        "stopped",
        sys::wait_with(child, WUNTRACED).map(|it| it.1),
        Ok(End::Stopped(SIGSTOP)),
    );
    sys::kill(child, SIGCONT)?;
    t.same(
        "and continued, it sleeps on",
        sys::wait(child),
        Ok(End::Exited(0)),
    );
    Ok(())
}

pub fn run(t: &mut Report) -> Outcome {
    let none = null_mut();
    t.refused("no clock", sleep(99, 0, time(0, 1), none), EINVAL);
    t.refused(
        "a thread's",
        sleep(CLOCK_THREAD_CPUTIME_ID, 0, time(0, 1), none),
        EOPNOTSUPP,
    );
    t.refused(
        "a coarse one",
        sleep(CLOCK_MONOTONIC_COARSE, 0, time(0, 1), none),
        EOPNOTSUPP,
    );
    t.refused(
        "the raw one",
        sleep(CLOCK_MONOTONIC_RAW, 0, time(0, 1), none),
        EOPNOTSUPP,
    );
    t.refused(
        "too many parts",
        sleep(CLOCK_REALTIME, 0, time(0, 1_000_000_000), none),
        EINVAL,
    );
    t.refused(
        "negative parts",
        sleep(CLOCK_REALTIME, 0, time(0, -1), none),
        EINVAL,
    );
    t.refused(
        "negative",
        sleep(CLOCK_REALTIME, 0, time(-1, 0), none),
        EINVAL,
    );
    t.refused(
        "nowhere",
        raw!(SYS_clock_nanosleep, CLOCK_REALTIME, 0, 8, 0),
        EFAULT,
    );
    t.works("none", sleep(CLOCK_MONOTONIC, 0, time(0, 0), none));
    t.works(
        "until long ago",
        sleep(CLOCK_REALTIME, TIMER_ABSTIME, time(1, 0), none),
    );
    let mut begun = time(0, 0);
    yes!(t; "now": clock_gettime(CLOCK_MONOTONIC, &raw mut begun););
    t.works(
        "a while",
        sleep(CLOCK_MONOTONIC, 0, time(0, 20_000_000), none),
    );
    let mut now = time(0, 0);
    yes!(t; "then": clock_gettime(CLOCK_MONOTONIC, &raw mut now););
    let passed = (now.tv_sec - begun.tv_sec) * 1_000_000_000 + now.tv_nsec - begun.tv_nsec;
    t.check("not less", passed >= 20_000_000);
    t.same(
        "a signal tells what is left",
        left_of(0, time(100, 0)),
        Ok(End::Exited(0)),
    );
    let later = time(now.tv_sec + 100, 0);
    t.same(
        "not of a time",
        left_of(TIMER_ABSTIME, later),
        Ok(End::Exited(0)),
    );
    continued(t)
}
