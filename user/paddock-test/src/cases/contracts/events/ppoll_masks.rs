//! ppoll(2), pselect(2): the mask while they wait, and the time that is left.
use crate::cases::contracts::prelude::*;
use std::sync::atomic::{AtomicI32, Ordering};

static CAME: AtomicI32 = AtomicI32::new(0);

extern "C" fn note(_: i32) {
    CAME.fetch_add(1, Ordering::SeqCst);
}

pub fn run(t: &mut Report) -> Outcome {
    // SAFETY: plain numbers.
    let mut action: sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = note as extern "C" fn(i32) as usize;
    action.sa_flags = SA_RESTART;
    call!(sigaction(SIGUSR1, &raw const action, null_mut()))?;
    sys::block_signals(&[SIGUSR1])?;
    let (none, long) = (0u64, time(100, 0));
    let came = || CAME.load(Ordering::SeqCst);
    call!(raise(SIGUSR1))?;
    let [reader, writer] = sys::pipe()?;
    let mut entry = pollfd {
        fd: reader,
        events: POLLIN,
        revents: 0,
    };
    let at = &raw mut entry;
    let mut wait = long;
    let poll = raw!(SYS_ppoll, at, 1, &raw mut wait, &raw const none, 8);
    t.refused("a signal that waited", poll, EINTR);
    t.same("is handled", came(), 1);
    t.check(
        "time is left",
        (50..100).contains(&wait.tv_sec) && wait.tv_nsec != 0,
    );
    call!(raise(SIGUSR1))?;
    sys::write_all(writer, b"x")?;
    let mut wait = long;
    let poll = raw!(SYS_ppoll, at, 1, &raw mut wait, &raw const none, 8);
    t.same("what is ready comes first", poll, Ok(1));
    t.same("and the signal is left", came(), 1);
    let mask = [(&raw const none).addr(), 8];
    let mut sets = [0u64; 16];
    let mut wait = long;
    let select = raw!(
        SYS_pselect6,
        0,
        sets.as_mut_ptr(),
        0,
        0,
        &raw mut wait,
        mask.as_ptr()
    );
    t.refused("select too", select, EINTR);
    t.same("is handled as well", came(), 2);
    t.check("time is left here", (50..100).contains(&wait.tv_sec));
    let odd = [(&raw const none).addr(), 4];
    let select = raw!(SYS_pselect6, 0, 0, 0, 0, &raw mut wait, odd.as_ptr());
    t.refused("a mask of another size", select, EINVAL);
    let bad = [8usize, 8];
    let select = raw!(SYS_pselect6, 0, 0, 0, 0, &raw mut wait, bad.as_ptr());
    t.refused("a mask nowhere", select, EFAULT);
    t.refused(
        "its words nowhere",
        raw!(SYS_pselect6, 0, 0, 0, 0, &raw mut wait, 8usize),
        EFAULT,
    );
    t.refused("a time nowhere", raw!(SYS_ppoll, at, 1, 8, 0, 8), EFAULT);
    let negative = time(-1, 0);
    t.refused(
        "a negative time",
        raw!(SYS_ppoll, at, 1, &raw const negative, 0, 8),
        EINVAL,
    );
    Ok(())
}
