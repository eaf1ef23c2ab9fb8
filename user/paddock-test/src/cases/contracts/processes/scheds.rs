//! sched_setscheduler(2) and its kin, getpriority(2).
use crate::cases::contracts::prelude::*;

const NOBODY: i32 = 0x3fff_fff0;

pub fn run(t: &mut Report) -> Outcome {
    let set = |pid: i32, policy: i32, priority: i32| {
        raw!(SYS_sched_setscheduler, pid, policy, &raw const priority)
    };
    t.refused("no such policy", set(0, 99, 0), EINVAL);
    t.refused(
        "a priority of those without",
        set(0, SCHED_OTHER, 1),
        EINVAL,
    );
    t.refused("nobody", set(NOBODY, SCHED_OTHER, 0), ESRCH);
    t.refused("a negative number", set(-1, SCHED_OTHER, 0), EINVAL);
    t.refused(
        "no word",
        raw!(SYS_sched_setscheduler, 0, SCHED_OTHER, 0),
        EINVAL,
    );
    t.same("the policy", raw!(SYS_sched_getscheduler, 0), Ok(0));
    t.refused(
        "of a negative number",
        raw!(SYS_sched_getscheduler, -1),
        EINVAL,
    );
    t.refused("of nobody", raw!(SYS_sched_getscheduler, NOBODY), ESRCH);
    t.works("others again", set(0, SCHED_OTHER, 0));
    policies(t)?;
    let highest = |policy: i32| raw!(SYS_sched_get_priority_max, policy);
    let all = [SCHED_FIFO, SCHED_RR, SCHED_OTHER, SCHED_BATCH, SCHED_IDLE];
    t.same("the highest", all.map(highest), [99, 99, 0, 0, 0].map(Ok));
    t.refused("of none", highest(99), EINVAL);
    t.same(
        "the lowest",
        raw!(SYS_sched_get_priority_min, SCHED_FIFO),
        Ok(1),
    );
    cpu_sets(t);
    niceness(t);
    let mut left = time(0, 0);
    t.refused(
        "an interval of nobody's",
        raw!(SYS_sched_rr_get_interval, NOBODY, &raw mut left),
        ESRCH,
    );
    t.refused(
        "of a negative number's",
        raw!(SYS_sched_rr_get_interval, -1, &raw mut left),
        EINVAL,
    );
    t.same("yield", raw!(SYS_sched_yield), Ok(0));
    Ok(())
}

/// Those without priorities: they are kept and inherited.
fn policies(t: &mut Report) -> Outcome {
    const RESET: i32 = 0x4000_0000;
    let set =
        |policy: i32, priority: i32| raw!(SYS_sched_setscheduler, 0, policy, &raw const priority);
    let get = || raw!(SYS_sched_getscheduler, 0);
    t.refused("a priority of a batch", set(SCHED_BATCH, 1), EINVAL);
    t.refused("a real-time class without one", set(SCHED_FIFO, 0), EINVAL);
    t.refused("one too high", set(SCHED_RR, 100), EINVAL);
    t.refused("a deadline without times", set(6, 0), EINVAL);
    t.refused("a number that is none", set(4, 0), EINVAL);
    for policy in [SCHED_BATCH, SCHED_IDLE] {
        t.works("a policy", set(policy, 0));
        t.same("is told", get(), Ok(i64::from(policy)));
        t.works("nothing else is set", {
            let zero = 0i32;
            raw!(SYS_sched_setparam, 0, &raw const zero)
        });
        t.same("is kept", get(), Ok(i64::from(policy)));
        let child = sys::in_child(|| i32::from(get() != Ok(i64::from(policy))))?;
        t.same("is inherited", child, End::Exited(0));
        let mut attributes = [0u32; 12];
        let place = attributes.as_mut_ptr();
        t.works("asked in full", raw!(SYS_sched_getattr, 0, place, 48, 0));
        t.same("the same", attributes[1] as i32, policy);
    }
    t.works("out of idleness", set(SCHED_OTHER, 0));
    let mut attributes = [48u32, SCHED_BATCH as u32, 1, 0, 5, 0, 0, 0, 0, 0, 0, 0];
    let place = attributes.as_mut_ptr();
    t.works("with a nice value", raw!(SYS_sched_setattr, 0, place, 0));
    t.same(
        "and for children less",
        get(),
        Ok(i64::from(SCHED_BATCH | RESET)),
    );
    t.same("nice", raw!(SYS_getpriority, 0, 0), Ok(15));
    attributes[2] = 0x8000_0000;
    let place = attributes.as_mut_ptr();
    t.refused(
        "an unknown flag",
        raw!(SYS_sched_setattr, 0, place, 0),
        EINVAL,
    );
    t.works("less nice", raw!(SYS_setpriority, 0, 0, -5));
    let child = sys::in_child(|| {
        let begins = [raw!(SYS_getpriority, 0, 0), get()];
        i32::from(begins != [Ok(20), Ok(i64::from(SCHED_BATCH))])
    })?;
    t.same("a child is not", child, End::Exited(0));
    t.works("as at first", set(SCHED_OTHER, 0));
    t.works("and so", raw!(SYS_setpriority, 0, 0, 0));
    Ok(())
}

fn cpu_sets(t: &mut Report) {
    let mut cpus = [0u64; 32];
    let at = cpus.as_mut_ptr();
    t.refused(
        "CPUs in an odd size",
        raw!(SYS_sched_getaffinity, 0, 12, at),
        EINVAL,
    );
    t.refused("in none", raw!(SYS_sched_getaffinity, 0, 0, at), EINVAL);
    t.refused(
        "of nobody's",
        raw!(SYS_sched_getaffinity, NOBODY, 256, at),
        ESRCH,
    );
    t.refused(
        "a negative one's",
        raw!(SYS_sched_getaffinity, -1, 256, at),
        ESRCH,
    );
    t.check(
        "a multiple of words",
        raw!(SYS_sched_getaffinity, 0, 256, at).is_ok_and(|it| it > 0 && it % 8 == 0),
    );
    t.check("the first one", cpus[0] & 1 == 1);
    let none = [0u64; 2];
    t.refused(
        "no CPU",
        raw!(SYS_sched_setaffinity, 0, 16, none.as_ptr()),
        EINVAL,
    );
    let absent = [0u64, 1 << 62];
    t.refused(
        "one that is not there",
        raw!(SYS_sched_setaffinity, 0, 16, absent.as_ptr()),
        EINVAL,
    );
}

fn niceness(t: &mut Report) {
    t.refused("no kind", raw!(SYS_getpriority, 5, 0), EINVAL);
    t.refused("nobody's niceness", raw!(SYS_getpriority, 0, NOBODY), ESRCH);
    t.same(
        "niceness as the kernel counts",
        raw!(SYS_getpriority, 0, 0),
        Ok(20),
    );
    t.works("too nice", raw!(SYS_setpriority, 0, 0, 100));
    t.same("is the nicest", raw!(SYS_getpriority, 0, 0), Ok(1));
}
