//! timer_create(2): each clock that there is.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let all = [
        ("the wall's", CLOCK_REALTIME),
        ("since it started", CLOCK_MONOTONIC),
        ("with sleep", CLOCK_BOOTTIME),
        ("atomic", CLOCK_TAI),
        ("the process's", CLOCK_PROCESS_CPUTIME_ID),
        ("the thread's", CLOCK_THREAD_CPUTIME_ID),
    ];
    sys::block_signals(&[SIGUSR1])?;
    let set = sys::signal_set(&[SIGUSR1]);
    for (name, clock) in all {
        let mut event = [0u64; 8];
        event[1] = SIGUSR1 as u64;
        let mut id = -1i32;
        t.works(
            name,
            raw!(SYS_timer_create, clock, event.as_ptr(), &raw mut id),
        );
        let spec = [0i64, 0, 0, 1_000_000];
        t.works("set", raw!(SYS_timer_settime, id, 0, spec.as_ptr(), 0));
        let at_once = time(0, 0);
        let mut came = Err(Errno(EAGAIN));
        while came == Err(Errno(EAGAIN)) {
            came = call!(sigtimedwait(&raw const set, null_mut(), &raw const at_once));
        }
        t.same("its signal", came, Ok(SIGUSR1));
        let mut left = [9i64; 4];
        t.works("asked", raw!(SYS_timer_gettime, id, left.as_mut_ptr()));
        t.same("nothing is left", left, [0; 4]);
        t.works("deleted", raw!(SYS_timer_delete, id));
    }
    for clock in [
        CLOCK_MONOTONIC_RAW,
        CLOCK_REALTIME_COARSE,
        CLOCK_MONOTONIC_COARSE,
    ] {
        let mut id = -1i32;
        let made = raw!(SYS_timer_create, clock, 0, &raw mut id);
        t.refused("one to be read alone", made, EOPNOTSUPP);
    }
    Ok(())
}
