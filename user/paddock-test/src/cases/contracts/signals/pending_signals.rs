//! sigpending(2), sigprocmask(2), signal(7): what waits, and for whom.
use crate::cases::contracts::prelude::*;

fn waiting() -> Result<u64, Errno> {
    let mut set = 0u64;
    raw!(SYS_rt_sigpending, &raw mut set, 8)?;
    Ok(set)
}

pub fn run(t: &mut Report) -> Outcome {
    let bit = |signal: i32| 1u64 << (signal - 1);
    // SAFETY: has no conditions.
    let own = unsafe { getpid() };
    t.same("none", waiting(), Ok(0));
    t.refused("told nowhere", raw!(SYS_rt_sigpending, 8, 8), EFAULT);
    let mask = |how: i32, signals: u64| raw!(SYS_rt_sigprocmask, how, &raw const signals, 0, 8);
    t.works("blocked", mask(0, bit(SIGUSR1) | bit(SIGUSR2)));
    sys::kill(own, SIGUSR1)?;
    raw!(SYS_tgkill, own, sys::tid(), SIGUSR2)?;
    let both = bit(SIGUSR1) | bit(SIGUSR2);
    t.same("both wait", waiting(), Ok(both));
    let status = |name: &str| u64::from_str_radix(&field("/proc/self/status", name), 16);
    t.same("the process's", status("ShdPnd").ok(), Some(bit(SIGUSR1)));
    t.same("the thread's", status("SigPnd").ok(), Some(bit(SIGUSR2)));
    t.check(
        "in force",
        status("SigBlk").is_ok_and(|it| it & both == both),
    );
    let child = sys::in_child(|| i32::from(waiting() != Ok(0)))?;
    t.same("not for a child", child, End::Exited(0));
    let other = std::thread::spawn(waiting);
    let found = other.join().map_err(|_| "a thread ended")?;
    t.same("a thread sees the process's", found, Ok(bit(SIGUSR1)));
    t.works("ignored", ignore(SIGUSR1));
    t.works("ignored too", ignore(SIGUSR2));
    t.same("is forgotten", waiting(), Ok(0));
    sys::kill(own, SIGUSR1)?;
    t.same("ignored and blocked waits", waiting(), Ok(bit(SIGUSR1)));
    t.check(
        "ignored, in /proc",
        status("SigIgn").is_ok_and(|it| it & both == both),
    );
    t.works("let through", mask(1, both));
    t.same("and gone", waiting(), Ok(0));
    t.works("a stop", mask(0, bit(SIGTSTP) | bit(SIGCONT)));
    sys::kill(own, SIGTSTP)?;
    t.same("waits", waiting(), Ok(bit(SIGTSTP)));
    sys::kill(own, SIGCONT)?;
    t.same(
        "until one to go on",
        waiting().map(|it| it & bit(SIGTSTP)),
        Ok(0),
    );
    let end = sys::in_child(|| {
        let _ = mask(0, bit(SIGKILL));
        let _ = sys::kill(sys::tid(), SIGKILL);
        0
    })?;
    t.same("SIGKILL does not wait", end, End::Killed(SIGKILL));
    t.refused("from nowhere", raw!(SYS_rt_sigprocmask, 0, 8, 0, 8), EFAULT);
    t.refused(
        "told nowhere too",
        raw!(SYS_rt_sigprocmask, 0, 0, 8, 8),
        EFAULT,
    );
    Ok(())
}
