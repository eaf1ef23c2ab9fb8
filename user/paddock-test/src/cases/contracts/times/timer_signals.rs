//! timer_create(2): the signal of a timer, its siginfo, and a thread's.
use crate::cases::contracts::prelude::*;

fn create(notify: i32, signal: i32, value: u64, thread: i32) -> Result<i32, Errno> {
    let mut event = [0u64; 8];
    event[0] = value;
    event[1] = u64::from(signal as u32) | u64::from(notify as u32) << 32;
    event[2] = u64::from(thread as u32);
    let mut id = -1i32;
    raw!(
        SYS_timer_create,
        CLOCK_MONOTONIC,
        event.as_ptr(),
        &raw mut id
    )?;
    Ok(id)
}

fn start(id: i32, spec: [i64; 4], flags: i32) -> Result<i64, Errno> {
    raw!(SYS_timer_settime, id, flags, spec.as_ptr(), 0)
}

pub fn run(t: &mut Report) -> Outcome {
    let all = [SIGUSR1, SIGALRM];
    sys::block_signals(&all)?;
    let set = sys::signal_set(&all);
    let next = || {
        let (mut found, soon) = ([0i32; 32], time(20, 0));
        let at = found.as_mut_ptr().cast();
        call!(sigtimedwait(&raw const set, at, &raw const soon)).map(|it| (it, found))
    };
    let id = create(0, SIGUSR1, 0x1234_5678, 0)?;
    start(id, [0, 0, 0, 1], 0)?;
    let (signal, found) = next()?;
    t.same("its signal", signal, SIGUSR1);
    t.same("SI_TIMER", (found[2], found[4], found[5]), (-2, id, 0));
    t.same("its value", found[6], 0x1234_5678);
    let mut left = [9i64; 4];
    t.works("asked", raw!(SYS_timer_gettime, id, left.as_mut_ptr()));
    t.same("is over", left, [0; 4]);
    let mut plain = -1i32;
    raw!(SYS_timer_create, CLOCK_MONOTONIC, 0, &raw mut plain)?;
    start(plain, [0, 0, 0, 1], 0)?;
    let (signal, found) = next()?;
    t.same("without an event", (signal, found[6]), (SIGALRM, plain));
    start(id, [0, 0, 0, 1], 1)?;
    t.same("long ago", next()?.0, SIGUSR1);
    start(id, [0, 1_000_000, 0, 1_000_000], 0)?;
    let several = || text("/proc/self/status").is_empty();
    sys::sleep_ms(20);
    let _ = several();
    let (_, found) = next()?;
    t.check("overruns are told", found[5] > 0);
    t.check(
        "and asked for",
        raw!(SYS_timer_getoverrun, id).is_ok_and(|it| it > 0),
    );
    let mut old = [0i64; 4];
    let stop = [0i64; 4];
    t.works(
        "stopped",
        raw!(SYS_timer_settime, id, 0, stop.as_ptr(), old.as_mut_ptr()),
    );
    t.same("the old interval", (old[0], old[1]), (0, 1_000_000));
    // What came before it was stopped.
    let at_once = time(0, 0);
    while call!(sigtimedwait(&raw const set, null_mut(), &raw const at_once)).is_ok() {}
    let thread = create(4, SIGUSR1, 5, sys::tid())?;
    start(thread, [0, 0, 0, 1], 0)?;
    t.same("a thread's", next().map(|it| it.1[6]), Ok(5));
    t.refused("no thread's", create(4, SIGUSR1, 5, 1), EINVAL);
    let child = sys::in_child(|| {
        i32::from(raw!(SYS_timer_gettime, id, [0i64; 4].as_mut_ptr()) != Err(Errno(EINVAL)))
    })?;
    t.same("not a child's", child, End::Exited(0));
    Ok(())
}
