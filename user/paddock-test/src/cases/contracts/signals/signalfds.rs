//! signalfd(2).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let set = sys::signal_set(&[SIGUSR1]);
    let at = &raw const set;
    t.refused(
        "a set of another size",
        raw!(SYS_signalfd4, -1, at, 4, 0),
        EINVAL,
    );
    t.refused("a flag", raw!(SYS_signalfd4, -1, at, 8, 1), EINVAL);
    t.refused("not one of these", raw!(SYS_signalfd4, 1, at, 8, 0), EINVAL);
    t.refused("closed", raw!(SYS_signalfd4, 999, at, 8, 0), EBADF);
    sys::block_signals(&[SIGUSR1])?;
    let fd = call!(signalfd(-1, at, SFD_NONBLOCK))?;
    let mut bytes = [0u8; 300];
    t.refused("nothing", sys::read(fd, &mut bytes), EAGAIN);
    t.refused("too short", sys::read(fd, &mut bytes[..127]), EINVAL);
    t.same("nothing to poll", ready(fd, POLLIN), Ok(0));
    // SAFETY: has no conditions.
    let own = unsafe { getpid() };
    sys::kill(own, SIGUSR1)?;
    t.same("one to poll", ready(fd, POLLIN), Ok(POLLIN));
    t.same("one of them", sys::read(fd, &mut bytes), Ok(128));
    t.same("its number", bytes[0], SIGUSR1 as u8);
    t.refused("only once", sys::read(fd, &mut bytes), EAGAIN);
    Ok(())
}
