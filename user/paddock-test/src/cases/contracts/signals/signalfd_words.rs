//! signalfd(2): what is read of each signal, and a set that changes.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let all = [SIGUSR1, SIGUSR2, SIGRTMIN()];
    sys::block_signals(&all)?;
    // SAFETY: has no conditions.
    let own = unsafe { getpid() };
    let set = sys::signal_set(&[SIGUSR1, SIGRTMIN()]);
    let fd = raw!(
        SYS_signalfd4,
        -1,
        &raw const set,
        8,
        SFD_NONBLOCK | SFD_CLOEXEC
    )? as i32;
    t.same("closes on exec", call!(fcntl(fd, F_GETFD)), Ok(FD_CLOEXEC));
    sys::kill(own, SIGUSR1)?;
    sys::kill(own, SIGUSR2)?;
    let mut sent = [0i32; 32];
    (sent[2], sent[6]) = (-1, 4711);
    raw!(SYS_rt_sigqueueinfo, own, SIGRTMIN(), sent.as_ptr())?;
    let mut bytes = [0u8; 600];
    t.same("two of them", sys::read(fd, &mut bytes), Ok(256));
    let word = |record: usize, place: usize| {
        let at = 128 * record + place;
        let found = bytes.get(at..at + 4).and_then(|it| it.try_into().ok());
        found.map(i32::from_ne_bytes)
    };
    t.same("the first", word(0, 0), Some(SIGUSR1));
    t.same("from kill", (word(0, 8), word(0, 12)), (Some(0), Some(own)));
    t.same("the second", word(1, 0), Some(SIGRTMIN()));
    t.same(
        "queued with a value",
        (word(1, 8), word(1, 44)),
        (Some(-1), Some(4711)),
    );
    t.refused("no other", sys::read(fd, &mut [0; 128]), EAGAIN);
    let other = sys::signal_set(&[SIGUSR2]);
    let again = raw!(SYS_signalfd4, fd, &raw const other, 8, 0);
    t.same("another set", again, Ok(i64::from(fd)));
    t.same("its signal waits", ready(fd, POLLIN), Ok(POLLIN));
    t.same("and is read", sys::read(fd, &mut bytes), Ok(128));
    let never = sys::signal_set(&[SIGKILL, SIGSTOP]);
    t.works(
        "what nobody reads",
        raw!(SYS_signalfd4, -1, &raw const never, 8, 0),
    );
    t.refused("a set nowhere", raw!(SYS_signalfd4, -1, 8, 8, 0), EFAULT);
    let child = sys::in_child(|| {
        let _ = sys::kill(sys::tid(), SIGUSR2);
        i32::from(sys::read(fd, &mut [0; 128]) != Ok(128))
    })?;
    t.same("a child reads its own", child, End::Exited(0));
    t.refused("not its parent's", sys::read(fd, &mut bytes), EAGAIN);
    Ok(())
}
