//! alarm(2): what is left, what a child has, and what execve(2) keeps.
use crate::cases::contracts::prelude::*;

/// alarm(2), which not every machine has as a call.
fn alarm_in(seconds: u32) -> u32 {
    // SAFETY: takes a number.
    unsafe { alarm(seconds) }
}

pub fn run(t: &mut Report) -> Outcome {
    noted(SIGALRM, 0)?;
    t.same("none before", alarm_in(100), 0);
    t.check("what is left, rounded", (99..=100).contains(&alarm_in(50)));
    t.check("of the second", (49..=50).contains(&alarm_in(0)));
    t.same("none is left", alarm_in(0), 0);
    alarm_in(1000);
    let end = sys::in_child(|| unless(alarm_in(0) == 0));
    t.same("a child has none", end, Ok(End::Exited(0)));
    t.check("its parent has", alarm_in(0) > 990);
    let mut timer = itimerval {
        it_interval: timeval {
            tv_sec: 0,
            tv_usec: 0,
        },
        it_value: timeval {
            tv_sec: 30,
            tv_usec: 0,
        },
    };
    yes!(t; "setitimer": setitimer(ITIMER_REAL, &raw const timer, null_mut()););
    t.check("is the same timer", (29..=30).contains(&alarm_in(2000)));
    yes!(t; "and told": getitimer(ITIMER_REAL, &raw mut timer););
    t.check("by the other", timer.it_value.tv_sec > 1990);
    timer.it_value = timeval {
        tv_sec: 0,
        tv_usec: 1,
    };
    yes!(t; "soon": setitimer(ITIMER_REAL, &raw const timer, null_mut()););
    sys::until(|| NOTED.load(Relaxed) == 1)?;
    t.same("SIGALRM", LAST.load(Relaxed), SIGALRM);
    t.same("and it is over", alarm_in(0), 0);
    Ok(())
}
