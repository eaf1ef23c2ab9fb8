//! ptrace(2): a traced execve(2) and its stops, PTRACE_O_TRACEEXIT, PTRACE_GETSIGINFO.
use crate::cases::contracts::prelude::*;

fn trace(what: i64, pid: i32, place: usize, word: usize) -> Result<i64, Errno> {
    raw!(SYS_ptrace, what, pid as i64, place, word)
}

fn traced(body: impl FnOnce()) -> Result<i32, Errno> {
    sys::fork(|| {
        let _ = trace(0, 0, 0, 0);
        let _ = call!(raise(SIGSTOP));
        body();
        3
    })
}

pub fn run(t: &mut Report) -> Outcome {
    const CONT: i64 = 7;
    const OPTIONS: i64 = 0x4200;
    const MESSAGE: i64 = 0x4201;
    const SIGINFO: i64 = 0x4202;
    let raw_wait = |pid: i32| {
        let mut status = 0;
        call!(waitpid(pid, &raw mut status, 0)).map(|_| status)
    };
    let run_true = || {
        let words = [c"true".as_ptr(), null()];
        // SAFETY: the words end with a null pointer.
        unsafe { execvp(c"true".as_ptr(), words.as_ptr()) };
    };
    let child = traced(run_true)?;
    t.same("stops itself", raw_wait(child), Ok(SIGSTOP << 8 | 0x7f));
    let mut info = [0i32; 32];
    let at = info.as_mut_ptr().addr();
    t.works("its signal", trace(SIGINFO, child, 0, at));
    t.same("from itself", (info[0], info[4]), (SIGSTOP, child));
    t.works("on", trace(CONT, child, 0, 0));
    t.same(
        "another program stops",
        raw_wait(child),
        Ok(SIGTRAP << 8 | 0x7f),
    );
    t.works("on again", trace(CONT, child, 0, 0));
    t.same("and ends", raw_wait(child), Ok(0));
    let child = traced(run_true)?;
    raw_wait(child)?;
    // Of programs, and of ends.
    t.works("told in another way", trace(OPTIONS, child, 0, 0x10 | 0x40));
    t.works("goes on", trace(CONT, child, 0, 0));
    t.same(
        "a program",
        raw_wait(child),
        Ok(4 << 16 | SIGTRAP << 8 | 0x7f),
    );
    let mut word = 0u64;
    t.works(
        "its message",
        trace(MESSAGE, child, 0, (&raw mut word).addr()),
    );
    t.same("who it was", word, child as u64);
    t.works("and on", trace(CONT, child, 0, 0));
    t.same("an end", raw_wait(child), Ok(6 << 16 | SIGTRAP << 8 | 0x7f));
    t.works(
        "its status",
        trace(MESSAGE, child, 0, (&raw mut word).addr()),
    );
    t.same("is none", word, 0);
    t.works("the last", trace(CONT, child, 0, 0));
    t.same("is over", raw_wait(child), Ok(0));
    let child = traced(|| ())?;
    raw_wait(child)?;
    t.works(
        "killed with its tracer",
        trace(OPTIONS, child, 0, 0x10_0000),
    );
    t.works("killed", sys::kill(child, SIGKILL));
    t.same("at once", raw_wait(child), Ok(SIGKILL));
    Ok(())
}
