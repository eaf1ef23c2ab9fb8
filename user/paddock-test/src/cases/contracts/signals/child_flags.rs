//! sigaction(2): SA_NOCLDWAIT and SA_NOCLDSTOP, SIGCHLD ignored.
use crate::cases::contracts::prelude::*;
use std::sync::atomic::{AtomicI32, Ordering};

static RUNS: AtomicI32 = AtomicI32::new(0);

extern "C" fn count(_: i32) {
    RUNS.fetch_add(1, Ordering::SeqCst);
}

fn set(handler: usize, flags: i32) -> Result<(), Errno> {
    RUNS.store(0, Ordering::SeqCst);
    // SAFETY: plain numbers.
    let mut action: sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = flags | SA_RESTART;
    call!(sigaction(SIGCHLD, &raw const action, null_mut()))?;
    Ok(())
}

pub fn run(t: &mut Report) -> Outcome {
    let counting = count as extern "C" fn(i32) as usize;
    let came = || RUNS.load(Ordering::SeqCst);
    set(counting, SA_NOCLDSTOP)?;
    let child = sleeper()?;
    sys::kill(child, SIGSTOP)?;
    t.same(
        "a stop",
        sys::wait_with(child, WUNTRACED),
        Ok((child, End::Stopped(SIGSTOP))),
    );
    sys::kill(child, SIGCONT)?;
    t.same(
        "and its end",
        sys::wait_with(child, WCONTINUED),
        Ok((child, End::Continued)),
    );
    t.same("are not told", came(), 0);
    end(child)?;
    t.same("its own end is", came(), 1);
    set(counting, 0)?;
    let child = sleeper()?;
    sys::kill(child, SIGSTOP)?;
    sys::wait_with(child, WUNTRACED)?;
    t.works("a stop is, without", sys::until(|| came() == 1));
    end(child)?;
    set(counting, SA_NOCLDWAIT)?;
    let child = sys::fork(|| 0)?;
    t.refused("nobody is to be waited for", sys::wait(child), ECHILD);
    t.same("and yet it is told", came(), 1);
    set(SIG_IGN, 0)?;
    let child = sys::fork(|| 0)?;
    t.refused("nor when it is ignored", sys::wait(child), ECHILD);
    set(SIG_DFL, 0)?;
    let child = sys::fork(|| 6)?;
    t.same("as usual", sys::wait(child), Ok(End::Exited(6)));
    Ok(())
}
