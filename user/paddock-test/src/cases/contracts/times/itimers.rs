//! setitimer(2), getitimer(2).
use crate::cases::contracts::prelude::*;

fn set(which: i32, words: [i64; 4]) -> Result<[i64; 4], Errno> {
    let mut old = [-1i64; 4];
    raw!(SYS_setitimer, which, words.as_ptr(), old.as_mut_ptr())?;
    Ok(old)
}

fn get(which: i32) -> Result<[i64; 4], Errno> {
    let mut found = [-1i64; 4];
    raw!(SYS_getitimer, which, found.as_mut_ptr())?;
    Ok(found)
}

pub fn run(t: &mut Report) -> Outcome {
    t.refused("no such timer", set(3, [0; 4]), EINVAL);
    t.refused("a negative one", set(-1, [0; 4]), EINVAL);
    t.refused("to be asked", get(3), EINVAL);
    t.refused(
        "too many microseconds",
        set(0, [0, 0, 0, 1_000_000]),
        EINVAL,
    );
    t.refused("of the interval", set(0, [0, 1_000_000, 1, 0]), EINVAL);
    t.refused("a negative second", set(0, [0, 0, -1, 0]), EINVAL);
    t.refused("a negative interval", set(0, [0, -1, 1, 0]), EINVAL);
    t.refused("told nowhere", raw!(SYS_getitimer, 0, 8), EFAULT);
    t.refused("set from nowhere", raw!(SYS_setitimer, 0, 8, 0), EFAULT);
    let wanted = [0i64, 0, 1000, 0];
    t.refused(
        "the old one nowhere",
        raw!(SYS_setitimer, 0, wanted.as_ptr(), 8),
        EFAULT,
    );
    t.works("off", set(0, [0; 4]));
    for which in [ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF] {
        t.same("at first none", set(which, [7, 8, 1000, 9]), Ok([0; 4]));
        let [seconds, micros, left, _] = get(which)?;
        // In ticks where time is the CPU's.
        t.check("an interval", seconds == 7 && (8..10_008).contains(&micros));
        t.check("what is left", (990..=1000).contains(&left));
        let child = sys::in_child(|| i32::from(get(which) != Ok([0; 4])))?;
        t.same("none of a child", child, End::Exited(0));
        let old = set(which, [5, 0, 0, 0])?;
        t.check("the old one", old[0] == 7 && (990..=1000).contains(&old[2]));
        t.same(
            "is off, whatever its interval",
            get(which).map(|it| it[2..].to_vec()),
            Ok(vec![0, 0]),
        );
    }
    for (which, signal) in [(ITIMER_VIRTUAL, SIGVTALRM), (ITIMER_PROF, SIGPROF)] {
        let end = sys::in_child(|| {
            let _ = set(which, [0, 0, 0, 1000]);
            loop {
                std::hint::spin_loop();
            }
        })?;
        t.same("its signal", end, End::Killed(signal));
    }
    t.works("nothing to set asks", raw!(SYS_setitimer, 0, 0, 0));
    Ok(())
}
