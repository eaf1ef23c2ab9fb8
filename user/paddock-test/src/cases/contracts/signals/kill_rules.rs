//! kill(2), tgkill(2), rt_sigqueueinfo(2), rt_sigtimedwait(2).
use crate::cases::contracts::prelude::*;

const NOBODY: i32 = 0x3fff_fff0;

pub fn run(t: &mut Report) -> Outcome {
    // SAFETY: has no conditions.
    let own = unsafe { getpid() };
    no!(t;
        "no signal": kill(own, 65) => EINVAL;
        "a negative one": kill(own, -1) => EINVAL;
        "nobody": kill(NOBODY, 0) => ESRCH;
        "no group": kill(-NOBODY, 0) => ESRCH;
        "the lowest number": kill(i32::MIN, 0) => ESRCH;
    );
    t.refused("no thread", raw!(SYS_tgkill, own, 0, 0), EINVAL);
    t.refused("no process", raw!(SYS_tgkill, -1, own, 0), EINVAL);
    t.refused("of another process", raw!(SYS_tgkill, 1, own, 0), ESRCH);
    t.refused(
        "no signal for a thread",
        raw!(SYS_tgkill, own, own, 65),
        EINVAL,
    );
    t.refused("nobody's thread", raw!(SYS_tkill, NOBODY, 0), ESRCH);
    t.refused("thread 0", raw!(SYS_tkill, 0, 0), EINVAL);
    t.works("anybody there", call!(kill(own, 0)));
    sys::block_signals(&[SIGUSR1, SIGRTMIN()])?;
    let mut info = [0u32; 32];
    let set = 1u64 << (SIGUSR1 - 1) | 1 << (SIGRTMIN() - 1);
    let (at, set) = (info.as_mut_ptr(), &raw const set);
    let (at_once, bad) = (time(0, 0), time(0, -1));
    t.refused(
        "nothing waits",
        raw!(SYS_rt_sigtimedwait, set, at, &raw const at_once, 8),
        EAGAIN,
    );
    t.refused(
        "no time",
        raw!(SYS_rt_sigtimedwait, set, at, &raw const bad, 8),
        EINVAL,
    );
    t.refused(
        "no size",
        raw!(SYS_rt_sigtimedwait, set, at, &raw const at_once, 7),
        EINVAL,
    );
    for value in [5, 6] {
        let mut sent = [0u32; 32];
        (sent[2], sent[6]) = (-1i32 as u32, value);
        raw!(SYS_rt_sigqueueinfo, own, SIGRTMIN(), sent.as_ptr())?;
    }
    sys::kill(own, SIGUSR1)?;
    sys::kill(own, SIGUSR1)?;
    let next = || raw!(SYS_rt_sigtimedwait, set, at, &raw const at_once, 8);
    t.same("the lower number first", next(), Ok(i64::from(SIGUSR1)));
    t.same("which is there once", next(), Ok(i64::from(SIGRTMIN())));
    t.same("the others each", next(), Ok(i64::from(SIGRTMIN())));
    t.refused("no more", next(), EAGAIN);
    t.same("in their order", info[6], 6);
    by_directory(t, own)?;
    let mut sent = [0u32; 32];
    sent[2] = 0;
    t.refused(
        "as if kill had been called",
        raw!(SYS_rt_sigqueueinfo, 1, SIGUSR1, sent.as_ptr()),
        EPERM,
    );
    Ok(())
}

/// pidfd_send_signal(2) by a process's directory in /proc.
fn by_directory(t: &mut Report, own: i32) -> Outcome {
    let open_folder = |path: &str| {
        let path = CString::new(path).unwrap_or_default();
        call!(open(path.as_ptr(), O_RDONLY | O_DIRECTORY))
    };
    let process = open_folder(&format!("/proc/{own}"))?;
    let send = |fd: i32, signal: i32| raw!(SYS_pidfd_send_signal, fd, signal, 0, 0);
    t.works("by its directory", send(process, SIGUSR1));
    let set = sys::signal_set(&[SIGUSR1]);
    let came = call!(sigwaitinfo(&raw const set, null_mut()));
    t.same("it has come", came, Ok(SIGUSR1));
    t.refused("no signal of a directory's", send(process, 65), EINVAL);
    let others = [
        format!("/proc/{own}/task/{own}"),
        format!("/proc/{own}/fd"),
        "/proc".into(),
    ];
    for other in others {
        t.refused("another directory", send(open_folder(&other)?, 0), EBADF);
    }
    t.refused("the input", send(0, 0), EBADF);
    let child = sys::fork(|| 0)?;
    let theirs = open_folder(&format!("/proc/{child}"))?;
    sys::wait(child)?;
    t.refused("one that has ended", send(theirs, 0), ESRCH);
    Ok(())
}
