//! Handlers and what interrupts them: SA_NODEFER, SA_RESETHAND, sa_mask (sigaction(2)).
use crate::cases::contracts::prelude::*;

static DEPTH: AtomicI32 = AtomicI32::new(0);
static DEEPEST: AtomicI32 = AtomicI32::new(0);
static AGAIN: AtomicI32 = AtomicI32::new(0);

extern "C" fn nest(signal: i32) {
    let depth = DEPTH.fetch_add(1, Relaxed) + 1;
    DEEPEST.fetch_max(depth, Relaxed);
    if AGAIN.fetch_sub(1, Relaxed) > 0 {
        let _ = sys::kill(own_pid(), signal);
    }
    DEPTH.fetch_sub(1, Relaxed);
}

fn handle(signal: i32, flags: i32) -> Result<(), Errno> {
    // SAFETY: plain numbers.
    let mut action: sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = nest as extern "C" fn(i32) as usize;
    action.sa_flags = flags;
    call!(libc::sigaction(signal, &raw const action, null_mut())).map(drop)
}

pub fn run(t: &mut Report) -> Outcome {
    let deepest = |again: i32| {
        AGAIN.store(again, Relaxed);
        DEEPEST.store(0, Relaxed);
        sys::kill(own_pid(), SIGUSR1).map(|_| (DEEPEST.load(Relaxed), AGAIN.load(Relaxed)))
    };
    handle(SIGUSR1, 0)?;
    t.same("one after the other", deepest(3), Ok((1, -1)));
    handle(SIGUSR1, SA_NODEFER)?;
    t.same("one within the other", deepest(3), Ok((4, -1)));
    handle(SIGUSR1, SA_RESETHAND as i32)?;
    t.same("once", deepest(0), Ok((1, -1)));
    // SAFETY: plain numbers.
    let mut now: sigaction = unsafe { std::mem::zeroed() };
    yes!(t; "then": sigaction(SIGUSR1, null(), &raw mut now););
    t.same("the default", now.sa_sigaction, SIG_DFL);
    let end = sys::in_child(|| {
        let _ = sys::kill(own_pid(), SIGUSR1);
        0
    });
    t.same("which kills", end, Ok(End::Killed(SIGUSR1)));
    no!(t; "SIGKILL": sigaction(SIGKILL, &raw const now, null_mut()) => EINVAL;
        "SIGSTOP": sigaction(SIGSTOP, &raw const now, null_mut()) => EINVAL;
        "no signal": sigaction(99, &raw const now, null_mut()) => EINVAL;);
    Ok(())
}
