//! O_ASYNC: which signal comes, and what it says (fcntl(2), F_SETSIG).
use crate::cases::contracts::prelude::*;

const POLL_IN: i32 = 1;

/// The next signal of these: its number, code, and the first words of the rest. Whoever
/// sends it need not have done so yet.
fn next(signals: &[i32]) -> Option<(i32, i32, i64, i32)> {
    taken(signals, 20)
}

/// The same of one that is there, or comes within so many seconds.
fn taken(signals: &[i32], seconds: i64) -> Option<(i32, i32, i64, i32)> {
    // SAFETY: plain numbers.
    let mut info: siginfo_t = unsafe { std::mem::zeroed() };
    let set = sys::signal_set(signals);
    let soon = time(seconds, 0);
    let signal = call!(sigtimedwait(&raw const set, &raw mut info, &raw const soon)).ok()?;
    let words: [u32; 8] = {
        let at = (&raw const info).cast::<[u32; 8]>();
        // SAFETY: a siginfo_t has 128 bytes.
        unsafe { at.read_unaligned() }
    };
    let band = i64::from(words[4]) | i64::from(words[5]) << 32;
    Some((signal, info.si_code, band, words[6] as i32))
}

pub fn run(t: &mut Report) -> Outcome {
    let queued = SIGRTMIN() + 2;
    sys::block_signals(&[SIGIO, queued, SIGUSR1])?;
    let all = [SIGIO, queued, SIGUSR1];
    let mut ends = [0; 2];
    call!(socketpair(AF_UNIX, SOCK_STREAM, 0, ends.as_mut_ptr()))?;
    let [fd, other] = ends;
    yes!(t; "mine": fcntl(fd, F_SETOWN, own_pid()); "asynchronous": fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK););
    let flags = call!(fcntl(fd, F_GETFL)).map(|it| it & O_ASYNC);
    t.same("is told", flags, Ok(O_ASYNC));
    sys::write_all(other, b"x")?;
    t.same("SIGIO", next(&all).map(|it| it.0), Some(SIGIO));
    t.same("once", taken(&all, 0), None);
    yes!(t; "another signal": fcntl(fd, F_SETSIG, queued););
    sys::write_all(other, b"y")?;
    let it = next(&all);
    t.same("comes", it.map(|it| it.0), Some(queued));
    t.same("with what to do", it.map(|it| it.1), Some(POLL_IN));
    t.same("its descriptor", it.map(|it| it.3), Some(fd));
    t.same(
        "as poll says it",
        it.map(|it| it.2 & i64::from(POLLIN)),
        Some(i64::from(POLLIN)),
    );
    sys::write_all(other, b"a")?;
    t.same("for each", next(&all).map(|it| it.0), Some(queued));
    yes!(t; "an ordinary one": fcntl(fd, F_SETSIG, SIGUSR1););
    sys::write_all(other, b"c")?;
    t.same(
        "says the descriptor too",
        next(&all).map(|it| (it.0, it.3)),
        Some((SIGUSR1, fd)),
    );
    yes!(t; "no longer": fcntl(fd, F_SETFL, O_NONBLOCK););
    sys::write_all(other, b"d")?;
    t.same("none", taken(&all, 0), None);
    let mut on = 1;
    yes!(t; "FIOASYNC": ioctl(fd, FIOASYNC, &raw mut on););
    let flags = call!(fcntl(fd, F_GETFL)).map(|it| it & O_ASYNC);
    t.same("is the same flag", flags, Ok(O_ASYNC));
    Ok(())
}
