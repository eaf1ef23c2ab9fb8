//! sigaction(2), SA_SIGINFO: who sent it, how, and with what.
use crate::cases::contracts::prelude::*;

/// The next signal of these, and its words.
fn next(all: &[i32]) -> Result<(i32, [i32; 32]), Errno> {
    let set = sys::signal_set(all);
    let mut found = [0i32; 32];
    let soon = time(20, 0);
    // The C library may tell another code than the kernel.
    let (set, at, soon) = (&raw const set, found.as_mut_ptr(), &raw const soon);
    let signal = raw!(SYS_rt_sigtimedwait, set, at, soon, 8)? as i32;
    Ok((signal, found))
}

pub fn run(t: &mut Report) -> Outcome {
    let all = [SIGUSR1, SIGUSR2, SIGCHLD, SIGALRM, SIGRTMIN()];
    sys::block_signals(&all)?;
    // SAFETY: has no conditions.
    let own = unsafe { getpid() };
    sys::kill(own, SIGUSR1)?;
    let (_, found) = next(&all)?;
    t.same("kill", (found[2], found[4], found[5]), (0, own, 0));
    raw!(SYS_tgkill, own, own, SIGUSR1)?;
    let (_, found) = next(&all)?;
    t.same("tgkill", (found[2], found[4]), (-6, own));
    raw!(SYS_tkill, own, SIGUSR1)?;
    t.same("tkill", next(&all)?.1[2], -6);
    let mut sent = [0i32; 32];
    (sent[2], sent[4], sent[6]) = (-1, 4321, 99);
    raw!(SYS_rt_sigqueueinfo, own, SIGRTMIN(), sent.as_ptr())?;
    let (signal, found) = next(&all)?;
    t.same("queued", (signal, found[0]), (SIGRTMIN(), SIGRTMIN()));
    t.same(
        "as it was written",
        (found[2], found[4], found[6]),
        (-1, 4321, 99),
    );
    raw!(SYS_rt_tgsigqueueinfo, own, own, SIGUSR2, sent.as_ptr())?;
    let (signal, found) = next(&all)?;
    t.same(
        "queued for a thread",
        (signal, found[2], found[6]),
        (SIGUSR2, -1, 99),
    );
    let timer = [0i64, 0, 0, 1000];
    raw!(SYS_setitimer, ITIMER_REAL, timer.as_ptr(), 0)?;
    t.same("a timer", next(&all)?.1[2], 0x80);
    let child = sys::fork(|| 7)?;
    let (signal, found) = next(&[SIGCHLD])?;
    t.same(
        "a child",
        (signal, found[2], found[4], found[6]),
        (SIGCHLD, CLD_EXITED, child, 7),
    );
    sys::wait(child)?;
    let child = sleeper()?;
    sys::kill(child, SIGSTOP)?;
    let (_, found) = next(&[SIGCHLD])?;
    t.same("that stops", (found[2], found[6]), (CLD_STOPPED, SIGSTOP));
    sys::kill(child, SIGCONT)?;
    let (_, found) = next(&[SIGCHLD])?;
    t.same("goes on", (found[2], found[6]), (CLD_CONTINUED, SIGCONT));
    sys::kill(child, SIGKILL)?;
    let (_, found) = next(&[SIGCHLD])?;
    t.same("and is killed", (found[2], found[6]), (CLD_KILLED, SIGKILL));
    sys::wait(child)?;
    let error = raw!(SYS_rt_tgsigqueueinfo, own, NOBODYS, SIGUSR2, sent.as_ptr());
    t.refused("no thread of it", error, ESRCH);
    let error = raw!(SYS_rt_tgsigqueueinfo, own, 0, SIGUSR2, sent.as_ptr());
    t.refused("thread 0", error, EINVAL);
    let error = raw!(SYS_rt_sigqueueinfo, own, 65, sent.as_ptr());
    t.refused("no signal", error, EINVAL);
    t.refused(
        "nowhere",
        raw!(SYS_rt_sigqueueinfo, own, SIGUSR1, 8),
        EFAULT,
    );
    Ok(())
}
