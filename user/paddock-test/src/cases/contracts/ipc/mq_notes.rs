//! mq_notify(3): one is told of the first message, once.
use crate::cases::contracts::prelude::*;

const SI_MESGQ: i32 = -3;

pub fn run(t: &mut Report) -> Outcome {
    let name = word(&format!("notes-{}", own_pid()));
    let fd = raw!(SYS_mq_open, name.as_ptr(), O_RDWR | O_CREAT, 0o600, 0)? as i32;
    raw!(SYS_mq_unlink, name.as_ptr())?;
    sys::block_signals(&[SIGUSR1])?;
    // SAFETY: plain numbers.
    let mut event: sigevent = unsafe { std::mem::zeroed() };
    (event.sigev_notify, event.sigev_signo) = (SIGEV_SIGNAL, SIGUSR1);
    event.sigev_value.sival_ptr = 77 as *mut c_void;
    let notify = |event: *const sigevent| raw!(SYS_mq_notify, fd, event).map(drop);
    let send = || raw!(SYS_mq_timedsend, fd, b"x".as_ptr(), 1, 0, 0).map(drop);
    let mut bytes = vec![0u8; 8192];
    let mut get = || raw!(SYS_mq_timedreceive, fd, bytes.as_mut_ptr(), 8192, 0, 0).map(drop);
    let told = || {
        // SAFETY: plain numbers.
        let mut info: siginfo_t = unsafe { std::mem::zeroed() };
        let (set, now) = (sys::signal_set(&[SIGUSR1]), time(0, 0));
        call!(sigtimedwait(&raw const set, &raw mut info, &raw const now)).map(|_| {
            // SAFETY: of a signal with a value.
            let (pid, value) = unsafe { (info.si_pid(), info.si_value().sival_ptr.addr()) };
            (info.si_code, pid, value)
        })
    };
    t.works("asked for", notify(&raw const event));
    t.refused("twice", notify(&raw const event), EBUSY);
    let end = sys::in_child(|| unless(notify(&raw const event) == Err(Errno(EBUSY))));
    t.same("by another", end, Ok(End::Exited(0)));
    send()?;
    t.same("told, by whom", told(), Ok((SI_MESGQ, own_pid(), 77)));
    t.works("asked for, while there is one", notify(&raw const event));
    send()?;
    t.refused("not told of a second", told(), EAGAIN);
    get()?;
    get()?;
    send()?;
    t.works("of the first in an empty one", told());
    get()?;
    send()?;
    t.refused("once", told(), EAGAIN);
    get()?;
    t.works("again", notify(&raw const event));
    t.works("taken back", notify(null()));
    send()?;
    t.refused("nobody is told", told(), EAGAIN);
    let end = sys::in_child(|| unless(notify(&raw const event).is_ok()));
    t.same("a child's", end, Ok(End::Exited(0)));
    t.works("goes with it", notify(&raw const event));
    t.works("none", notify(null()));
    event.sigev_notify = 9;
    t.refused("no way to be told", notify(&raw const event), EINVAL);
    (event.sigev_notify, event.sigev_signo) = (SIGEV_SIGNAL, 65);
    t.refused("no signal", notify(&raw const event), EINVAL);
    t.refused("nowhere", notify(8 as *const sigevent), EFAULT);
    t.refused(
        "no queue",
        raw!(SYS_mq_notify, opened("/dev/null", O_RDWR)?, 0),
        EBADF,
    );
    t.refused("closed", raw!(SYS_mq_notify, -1, 0), EBADF);
    Ok(())
}
