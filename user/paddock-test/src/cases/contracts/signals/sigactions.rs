//! rt_sigaction(2), rt_sigprocmask(2), sigaltstack(2).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let action = [1u64, 0, 0, 0];
    let mut old = [0u64; 4];
    let (new, old) = (action.as_ptr(), old.as_mut_ptr());
    let set = |signal: i32, size: usize| raw!(SYS_rt_sigaction, signal, new, 0, size);
    t.refused("SIGKILL", set(SIGKILL, 8), EINVAL);
    t.refused("SIGSTOP", set(SIGSTOP, 8), EINVAL);
    t.refused("none", set(0, 8), EINVAL);
    t.refused("behind the last", set(65, 8), EINVAL);
    t.refused("another size", set(SIGUSR1, 4), EINVAL);
    t.same(
        "SIGKILL's is told",
        raw!(SYS_rt_sigaction, SIGKILL, 0, old, 8),
        Ok(0),
    );
    t.refused("nowhere", raw!(SYS_rt_sigaction, SIGUSR1, 8, 0, 8), EFAULT);
    t.same("the last", set(64, 8), Ok(0));
    let (mut mask, all) = (0u64, u64::MAX);
    let (at, all) = (&raw mut mask, &raw const all);
    t.refused(
        "no such way",
        raw!(SYS_rt_sigprocmask, 9, all, 0, 8),
        EINVAL,
    );
    t.same(
        "which matters with a set",
        raw!(SYS_rt_sigprocmask, 9, 0, at, 8),
        Ok(0),
    );
    t.refused(
        "a set of another size",
        raw!(SYS_rt_sigprocmask, 0, all, 0, 16),
        EINVAL,
    );
    t.same("all", raw!(SYS_rt_sigprocmask, 2, all, 0, 8), Ok(0));
    t.same("asked", raw!(SYS_rt_sigprocmask, 0, 0, at, 8), Ok(0));
    t.same("but two", mask, !(1 << (SIGKILL - 1) | 1 << (SIGSTOP - 1)));
    t.refused("too few bytes", raw!(SYS_rt_sigpending, at, 9), EINVAL);
    let stack = |flags: i32, size: usize| {
        let wanted = stack_t {
            ss_sp: null_mut(),
            ss_flags: flags,
            ss_size: size,
        };
        raw!(SYS_sigaltstack, &raw const wanted, 0)
    };
    t.refused("a stack of a flag", stack(8, 100_000), EINVAL);
    t.refused("too small", stack(0, 1000), ENOMEM);
    t.same("none needs no room", stack(SS_DISABLE, 0), Ok(0));
    Ok(())
}
