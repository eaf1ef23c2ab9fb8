//! setitimer(2), getitimer(2): kinds, values, and what is refused.
use crate::cases::contracts::prelude::*;

fn value(seconds: i64, micros: i64) -> itimerval {
    let none = timeval {
        tv_sec: 0,
        tv_usec: 0,
    };
    itimerval {
        it_interval: none,
        it_value: timeval {
            tv_sec: seconds as _,
            tv_usec: micros as _,
        },
    }
}

pub fn run(t: &mut Report) -> Outcome {
    let set = |which: i32, at: *const itimerval| raw!(SYS_setitimer, which, at, 0);
    let mut old = value(7, 7);
    t.refused("no kind", set(3, &raw const old), EINVAL);
    t.refused("a negative one", set(-1, &raw const old), EINVAL);
    t.refused(
        "nowhere",
        set(ITIMER_REAL as i32, 8 as *const itimerval),
        EFAULT,
    );
    for (what, seconds, micros) in [
        ("a million parts", 0, 1_000_000),
        ("negative parts", 0, -1),
        ("negative", -1, 0),
    ] {
        let bad = value(seconds, micros);
        t.refused(what, set(ITIMER_REAL as i32, &raw const bad), EINVAL);
    }
    t.refused("an old one nowhere", raw!(SYS_getitimer, 0, 8), EFAULT);
    t.refused("of no kind", raw!(SYS_getitimer, 3, &raw mut old), EINVAL);
    t.works("none", raw!(SYS_getitimer, ITIMER_REAL, &raw mut old));
    t.same(
        "is zero",
        (old.it_value.tv_sec as i64, old.it_value.tv_usec as i64),
        (0, 0),
    );
    for (which, signal) in [
        (ITIMER_VIRTUAL as i32, SIGVTALRM),
        (ITIMER_PROF as i32, SIGPROF),
    ] {
        noted(signal, 0)?;
        let long = value(3600, 0);
        t.works("a long one", set(which, &raw const long));
        let mut left = value(0, 0);
        t.works("what is left", raw!(SYS_getitimer, which, &raw mut left));
        t.check(
            "is nearly all",
            (3590..=3600).contains(&left.it_value.tv_sec),
        );
        let mut soon = value(0, 1000);
        soon.it_interval.tv_usec = 1000;
        t.works(
            "soon, again and again",
            raw!(SYS_setitimer, which, &raw const soon, &raw mut left),
        );
        t.check("the old one is told", left.it_value.tv_sec > 3000);
        let before = NOTED.load(Relaxed);
        while NOTED.load(Relaxed) < before + 2 {
            std::hint::spin_loop();
        }
        t.same("its signal", LAST.load(Relaxed), signal);
        let none = value(0, 0);
        t.works("no more", set(which, &raw const none));
    }
    let end = sys::in_child(|| {
        let mut left = value(9, 9);
        let asked = raw!(SYS_getitimer, ITIMER_PROF, &raw mut left);
        unless(asked.is_ok() && left.it_value.tv_sec == 0)
    });
    t.same("a child has none", end, Ok(End::Exited(0)));
    Ok(())
}
