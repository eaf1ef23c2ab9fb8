//! pidfd_send_signal(2): with a siginfo, and to others.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    // SAFETY: has no conditions.
    let own = unsafe { getpid() };
    let fd = raw!(SYS_pidfd_open, own, 0)? as i32;
    let send =
        |fd: i32, signal: i32, info: *const i32| raw!(SYS_pidfd_send_signal, fd, signal, info, 0);
    sys::block_signals(&[SIGUSR1, SIGUSR2])?;
    let info = |signal: i32, code: i32| {
        let mut words = [0i32; 32];
        (words[0], words[2], words[6]) = (signal, code, 42);
        words
    };
    let one = info(SIGUSR1, -1);
    t.refused("of another signal", send(fd, SIGUSR2, one.as_ptr()), EINVAL);
    t.refused("nowhere", send(fd, SIGUSR1, 8 as *const i32), EFAULT);
    t.works("with a value", send(fd, SIGUSR1, one.as_ptr()));
    let set = sys::signal_set(&[SIGUSR1, SIGUSR2]);
    let mut found = [0i32; 32];
    let came = call!(sigwaitinfo(&raw const set, found.as_mut_ptr().cast()));
    t.same("has come", came, Ok(SIGUSR1));
    t.same("as it was sent", (found[2], found[6]), (-1, 42));
    t.works("without", send(fd, SIGUSR2, null()));
    let came = call!(sigwaitinfo(&raw const set, found.as_mut_ptr().cast()));
    t.same(
        "comes as kill's",
        (came, found[2], found[4]),
        (Ok(SIGUSR2), 0, own),
    );
    let first = raw!(SYS_pidfd_open, 1, 0)? as i32;
    let forged = info(SIGUSR1, 0);
    t.refused(
        "as if kill had, to another",
        send(first, SIGUSR1, forged.as_ptr()),
        EPERM,
    );
    t.works(
        "as if kill had, to itself",
        send(fd, SIGUSR1, forged.as_ptr()),
    );
    as_nobody(t, |t| {
        t.refused("another user's", send(first, 0, null()), EPERM);
        Ok(())
    })?;
    let child = sleeper()?;
    let theirs = raw!(SYS_pidfd_open, child, 0)? as i32;
    t.works("to a child", send(theirs, SIGKILL, null()));
    t.same("which ends", sys::wait(child), Ok(End::Killed(SIGKILL)));
    Ok(())
}
