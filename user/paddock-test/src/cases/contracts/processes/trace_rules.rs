//! ptrace(2): who may, and what is refused.
use crate::cases::contracts::prelude::*;

const TRACEME: i64 = 0;
const PEEK: i64 = 1;
const POKE: i64 = 4;
const CONT: i64 = 7;
const KILL: i64 = 8;
const ATTACH: i64 = 16;
const DETACH: i64 = 17;
const OPTIONS: i64 = 0x4200;
const SEIZE: i64 = 0x4206;
const INTERRUPT: i64 = 0x4207;

fn trace(what: i64, pid: i32, place: usize, word: usize) -> Result<i64, Errno> {
    raw!(SYS_ptrace, what, pid as i64, place, word)
}

/// A child that asks to be traced.
fn by_itself(t: &mut Report) -> Outcome {
    let child = sys::fork(|| {
        let first = trace(TRACEME, 0, 0, 0);
        let second = trace(TRACEME, 0, 0, 0);
        let _ = call!(raise(SIGUSR1));
        i32::from(first.is_err() || second != Err(Errno(EPERM)))
    })?;
    t.same(
        "a signal stops it",
        sys::wait_with(child, 0),
        Ok((child, End::Stopped(SIGUSR1))),
    );
    t.works("which is dropped", trace(CONT, child, 0, 0));
    t.same("all went well", sys::wait(child), Ok(End::Exited(0)));
    t.refused("who has ended", trace(KILL, child, 0, 0), ESRCH);
    Ok(())
}

pub fn run(t: &mut Report) -> Outcome {
    let own = sys::tid();
    t.refused("nobody", trace(ATTACH, NOBODYS, 0, 0), ESRCH);
    t.refused("itself", trace(ATTACH, own, 0, 0), EPERM);
    t.refused("who is not traced", trace(PEEK, own, 0, 0), ESRCH);
    t.refused("nor goes on", trace(CONT, own, 0, 0), ESRCH);
    let child = sleeper()?;
    t.refused("a child that is not", trace(PEEK, child, 0, 0), ESRCH);
    t.refused("nor is it let go", trace(DETACH, child, 0, 0), ESRCH);
    t.refused("seized with a place", trace(SEIZE, child, 1, 0), EIO);
    t.refused("or an unknown option", trace(SEIZE, child, 0, 1 << 30), EIO);
    as_nobody(t, |t| {
        t.refused("another user's", trace(ATTACH, child, 0, 0), EPERM);
        t.refused("process 1", trace(ATTACH, 1, 0, 0), EPERM);
        Ok(())
    })?;
    t.works("attached", trace(ATTACH, child, 0, 0));
    t.same(
        "stops",
        sys::wait_with(child, 0),
        Ok((child, End::Stopped(SIGSTOP))),
    );
    t.refused("twice", trace(ATTACH, child, 0, 0), EPERM);
    t.same(
        "whose it is",
        field(&format!("/proc/{child}/status"), "TracerPid"),
        own.to_string(),
    );
    let mut word = 0u64;
    t.refused(
        "nothing there",
        trace(PEEK, child, 8, (&raw mut word).addr()),
        EIO,
    );
    t.refused("to write", trace(POKE, child, 8, 1), EIO);
    t.refused(
        "an unknown option",
        trace(OPTIONS, child, 0, 1 << 30),
        EINVAL,
    );
    t.refused("no such request", trace(0x4fff, child, 0, 0), EIO);
    t.refused("no such signal", trace(CONT, child, 0, 99), EIO);
    t.refused(
        "only what was seized is interrupted",
        trace(INTERRUPT, child, 0, 0),
        EIO,
    );
    let here = 0x1234_5678_9abcu64;
    let place = (&raw const here).addr();
    t.works(
        "what is there",
        trace(PEEK, child, place, (&raw mut word).addr()),
    );
    t.works("written", trace(POKE, child, place, 77));
    t.works("asked", trace(PEEK, child, place, (&raw mut word).addr()));
    t.same("is it", word, 77);
    t.same("and not here", std::hint::black_box(here), 0x1234_5678_9abc);
    t.works("let go", trace(DETACH, child, 0, 0));
    t.same(
        "by nobody",
        field(&format!("/proc/{child}/status"), "TracerPid"),
        "0".into(),
    );
    t.same("it ends", end(child), Ok(End::Killed(SIGKILL)));
    by_itself(t)
}
