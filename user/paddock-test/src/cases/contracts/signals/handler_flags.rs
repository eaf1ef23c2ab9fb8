//! sigaction(2): SA_RESETHAND, SA_NODEFER, SA_SIGINFO, and the mask in a handler.
use crate::cases::contracts::prelude::*;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

static RUNS: AtomicI32 = AtomicI32::new(0);
static DEPTH: AtomicI32 = AtomicI32::new(0);
static MASK: AtomicU64 = AtomicU64::new(0);

extern "C" fn look(signal: i32) {
    let mut mask = 0u64;
    let _ = raw!(SYS_rt_sigprocmask, 0, 0, &raw mut mask, 8);
    MASK.store(mask, Ordering::SeqCst);
    let runs = RUNS.fetch_add(1, Ordering::SeqCst);
    if runs == 0 {
        let _ = call!(raise(signal));
    }
    DEPTH.store(RUNS.load(Ordering::SeqCst), Ordering::SeqCst);
}

/// The mask in the last handler, how many ran, and how many when the first was over.
fn with(flags: i32, blocked: &[i32]) -> Result<(u64, i32), Errno> {
    RUNS.store(0, Ordering::SeqCst);
    // SAFETY: plain numbers.
    let mut action: sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = look as extern "C" fn(i32) as usize;
    (action.sa_flags, action.sa_mask) = (flags, sys::signal_set(blocked));
    call!(sigaction(SIGUSR1, &raw const action, null_mut()))?;
    call!(raise(SIGUSR1))?;
    Ok((MASK.load(Ordering::SeqCst), RUNS.load(Ordering::SeqCst)))
}

pub fn run(t: &mut Report) -> Outcome {
    let bit = |signal: i32| 1u64 << (signal - 1);
    t.same("its own signal waits", with(0, &[]), Ok((bit(SIGUSR1), 2)));
    t.same(
        "and what is asked for",
        with(0, &[SIGUSR2]),
        Ok((bit(SIGUSR1) | bit(SIGUSR2), 2)),
    );
    t.same("but not with NODEFER", with(SA_NODEFER, &[]), Ok((0, 2)));
    t.same(
        "SIGKILL never",
        with(SA_NODEFER, &[SIGKILL, SIGSTOP]),
        Ok((0, 2)),
    );
    let mut mask = 1u64;
    t.works(
        "behind it",
        raw!(SYS_rt_sigprocmask, 0, 0, &raw mut mask, 8),
    );
    t.same("nothing waits", mask, 0);
    let end = sys::in_child(|| i32::from(with(SA_RESETHAND, &[]).is_ok()))?;
    t.same("RESETHAND: the second ends it", end, End::Killed(SIGUSR1));
    let end = sys::in_child(|| {
        RUNS.store(5, Ordering::SeqCst);
        // SAFETY: plain numbers.
        let mut old: sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: likewise.
        let mut action: sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = look as extern "C" fn(i32) as usize;
        action.sa_flags = SA_RESETHAND;
        let set = call!(sigaction(SIGUSR2, &raw const action, null_mut()));
        let sent = call!(raise(SIGUSR2));
        let asked = call!(sigaction(SIGUSR2, null(), &raw mut old));
        i32::from(set.and(sent).and(asked).is_err() || old.sa_sigaction != SIG_DFL)
    })?;
    t.same("and then it is as at first", end, End::Exited(0));
    Ok(())
}
