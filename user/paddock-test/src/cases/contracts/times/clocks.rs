//! clock_gettime(2), clock_nanosleep(2), clock_settime(2).
use crate::cases::contracts::prelude::*;

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
    atomic_time(t);
    Ok(())
}

/// CLOCK_TAI: the wall clock, and as many seconds as adjtimex(2) tells.
fn atomic_time(t: &mut Report) {
    let read = |clock: i32| {
        let mut now = time(0, 0);
        call!(clock_gettime(clock, &raw mut now)).map(|_| now.tv_sec)
    };
    // SAFETY: plain numbers.
    let mut state: timex = unsafe { std::mem::zeroed() };
    let known = call!(adjtimex(&raw mut state));
    t.check("the clock is asked", known.is_ok());
    let ahead = i64::from(state.tai);
    // Between two readings of the other.
    let (before, atomic, after) = (read(CLOCK_REALTIME), read(CLOCK_TAI), read(CLOCK_REALTIME));
    let range = before.and_then(|it| Ok(it + ahead..=after? + ahead));
    let within = range.is_ok_and(|range| atomic.is_ok_and(|it| range.contains(&it)));
    t.check("international atomic time", within);
    let (mut grain, long_ago) = (time(0, 0), time(0, 1));
    t.same(
        "its grain",
        raw!(SYS_clock_getres, CLOCK_TAI, &raw mut grain).map(|_| grain.tv_nsec),
        Ok(1),
    );
    t.same(
        "sleeping until",
        raw!(
            SYS_clock_nanosleep,
            CLOCK_TAI,
            TIMER_ABSTIME,
            &raw const long_ago,
            0
        ),
        Ok(0),
    );
    t.refused(
        "it cannot be set",
        raw!(SYS_clock_settime, CLOCK_TAI, &raw const long_ago),
        EINVAL,
    );
    t.refused(
        "a timerfd of it",
        call!(timerfd_create(CLOCK_TAI, 0)),
        EINVAL,
    );
    alarm_of_atomic_time(t);
}

/// A timer that was due long ago tells so at once.
fn alarm_of_atomic_time(t: &mut Report) {
    // SAFETY: plain numbers.
    let mut event: sigevent = unsafe { std::mem::zeroed() };
    (event.sigev_notify, event.sigev_signo) = (SIGEV_SIGNAL, SIGUSR1);
    let blocked = sys::block_signals(&[SIGUSR1]);
    t.check("the signal waits", blocked.is_ok());
    let mut timer = 0i32;
    t.works(
        "a timer of it",
        raw!(SYS_timer_create, CLOCK_TAI, &raw mut event, &raw mut timer),
    );
    let due = [0i64, 0, 1, 0];
    t.works(
        "due in 1970",
        raw!(SYS_timer_settime, timer, TIMER_ABSTIME, due.as_ptr(), 0),
    );
    let set = sys::signal_set(&[SIGUSR1]);
    let came = call!(sigwaitinfo(&raw const set, null_mut()));
    t.same("has come", came, Ok(SIGUSR1));
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
