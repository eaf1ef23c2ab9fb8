//! rt_sigsuspend(2), pause(2), rt_sigtimedwait(2): the mask while they wait.
use crate::cases::contracts::prelude::*;
use std::sync::atomic::{AtomicI32, Ordering};

static CAME: AtomicI32 = AtomicI32::new(0);

extern "C" fn note(signal: i32) {
    CAME.store(signal, Ordering::SeqCst);
}

pub fn run(t: &mut Report) -> Outcome {
    let bit = |signal: i32| 1u64 << (signal - 1);
    for signal in [SIGUSR1, SIGUSR2, SIGALRM] {
        // SAFETY: plain numbers.
        let mut action: sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = note as extern "C" fn(i32) as usize;
        call!(sigaction(signal, &raw const action, null_mut()))?;
    }
    let mask = || {
        let mut set = 0u64;
        raw!(SYS_rt_sigprocmask, 0, 0, &raw mut set, 8).map(|_| set)
    };
    sys::block_signals(&[SIGUSR1, SIGUSR2])?;
    let before = mask()?;
    call!(raise(SIGUSR1))?;
    let none = bit(SIGUSR2);
    let suspended = raw!(SYS_rt_sigsuspend, &raw const none, 8);
    t.refused("one that waits ends it", suspended, EINTR);
    t.same("it was handled", CAME.load(Ordering::SeqCst), SIGUSR1);
    t.same("the mask is as before", mask(), Ok(before));
    t.refused(
        "a set of another size",
        raw!(SYS_rt_sigsuspend, &raw const none, 4),
        EINVAL,
    );
    t.refused("nowhere", raw!(SYS_rt_sigsuspend, 8, 8), EFAULT);
    let both = bit(SIGUSR1) | bit(SIGUSR2);
    let wait = |set: *const u64, info: *mut i32, size: usize| {
        let soon = time(0, 1000);
        raw!(SYS_rt_sigtimedwait, set, info, &raw const soon, size)
    };
    t.refused(
        "none comes in time",
        wait(&raw const both, null_mut(), 8),
        EAGAIN,
    );
    t.refused(
        "a set nowhere",
        wait(std::ptr::dangling::<u64>(), null_mut(), 8),
        EFAULT,
    );
    call!(raise(SIGUSR2))?;
    t.refused(
        "told nowhere",
        wait(&raw const both, 8 as *mut i32, 8),
        EFAULT,
    );
    t.refused("and gone", wait(&raw const both, null_mut(), 8), EAGAIN);
    let time_nowhere = raw!(SYS_rt_sigtimedwait, &raw const both, 0, 8, 8);
    t.refused("a time nowhere", time_nowhere, EFAULT);
    let timer = [0i64, 20_000, 0, 20_000];
    raw!(SYS_setitimer, ITIMER_REAL, timer.as_ptr(), 0)?;
    let long = time(60, 0);
    let other = raw!(SYS_rt_sigtimedwait, &raw const both, 0, &raw const long, 8);
    t.refused("another signal", other, EINTR);
    no!(t; "pause": pause() => EINTR;);
    t.same("by that", CAME.load(Ordering::SeqCst), SIGALRM);
    raw!(SYS_setitimer, ITIMER_REAL, [0i64; 4].as_ptr(), 0)?;
    Ok(())
}
