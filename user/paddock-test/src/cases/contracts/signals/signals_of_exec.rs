//! execve(2): handlers go, what is ignored or blocked stays.
use crate::cases::contracts::prelude::*;

extern "C" fn nothing(_: i32) {}

pub fn run(t: &mut Report) -> Outcome {
    let [reader, writer] = sys::pipe()?;
    let child = sys::fork(|| {
        // SAFETY: plain numbers and a handler that does nothing.
        unsafe {
            signal(SIGUSR1, nothing as extern "C" fn(i32) as usize);
            signal(SIGUSR2, SIG_IGN);
            signal(SIGCHLD, SIG_IGN);
        }
        let _ = sys::block_signals(&[SIGALRM, SIGTERM]);
        let _ = sys::kill(sys::tid(), SIGTERM);
        // SAFETY: a descriptor of its own.
        unsafe { dup2(writer, 1) };
        let words = [c"cat".as_ptr(), c"/proc/self/status".as_ptr(), null()];
        // SAFETY: the words end with a null pointer.
        unsafe { execvp(c"cat".as_ptr(), words.as_ptr()) };
        9
    })?;
    sys::close(writer)?;
    let found = sys::read_to_end(reader)?;
    sys::wait(child)?;
    std::fs::write("status", &found).map_err(|error| error.to_string())?;
    let bit = |signal: i32| 1u64 << (signal - 1);
    let set = |name: &str| u64::from_str_radix(&field("status", name), 16).unwrap_or(u64::MAX);
    t.same("no handler of it", set("SigCgt") & bit(SIGUSR1), 0);
    t.same("nor is it ignored", set("SigIgn") & bit(SIGUSR1), 0);
    let ignored = bit(SIGUSR2) | bit(SIGCHLD);
    t.same("ignored ones are", set("SigIgn") & ignored, ignored);
    let blocked = bit(SIGALRM) | bit(SIGTERM);
    t.same("blocked ones are", set("SigBlk") & blocked, blocked);
    t.same("what waits waits", set("ShdPnd"), bit(SIGTERM));
    Ok(())
}
