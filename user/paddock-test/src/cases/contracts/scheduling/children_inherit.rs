//! fork(2), execve(2): what of the scheduler's a child has.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    const RESET: i32 = 0x4000_0000;
    let policy = || raw!(SYS_sched_getscheduler, 0);
    let nice = || raw!(SYS_getpriority, PRIO_PROCESS, 0);
    let set = |policy: i32| raw!(SYS_sched_setscheduler, 0, policy, [0i32].as_ptr());
    t.works("a nice value", raw!(SYS_setpriority, PRIO_PROCESS, 0, 4));
    t.works("a policy", set(SCHED_BATCH));
    apart(t, |t| {
        t.same("a child's value", nice(), Ok(16));
        t.same("its policy", policy(), Ok(i64::from(SCHED_BATCH)));
        t.works("less nice", raw!(SYS_setpriority, PRIO_PROCESS, 0, -3));
        t.works("for itself alone", set(SCHED_BATCH | RESET));
        t.same(
            "so it is told",
            policy(),
            Ok(i64::from(SCHED_BATCH | RESET)),
        );
        apart(t, |t| {
            t.same(
                "its child is as usual",
                policy(),
                Ok(i64::from(SCHED_BATCH)),
            );
            t.same("and no better", nice(), Ok(20));
            Ok(())
        })
    })?;
    t.same(
        "the parent keeps its own",
        (policy(), nice()),
        (Ok(i64::from(SCHED_BATCH)), Ok(16)),
    );
    let other = std::thread::spawn(move || {
        let begins = (policy(), nice());
        let changed = raw!(SYS_setpriority, PRIO_PROCESS, 0, 9);
        (begins, changed.is_ok(), nice())
    });
    let found = other.join().map_err(|_| "a thread ended")?;
    let before = (Ok(i64::from(SCHED_BATCH)), Ok(16));
    t.same(
        "a thread has it, and its own then",
        found,
        (before, true, Ok(11)),
    );
    t.same("the first stays", nice(), Ok(16));
    let mut interval = time(-1, -1);
    t.works(
        "an interval",
        raw!(SYS_sched_rr_get_interval, 0, &raw mut interval),
    );
    t.check(
        "of some time",
        interval.tv_sec >= 0 && interval.tv_nsec >= 0,
    );
    t.refused(
        "told nowhere",
        raw!(SYS_sched_rr_get_interval, 0, 8),
        EFAULT,
    );
    Ok(())
}
