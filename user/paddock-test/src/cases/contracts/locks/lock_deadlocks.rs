//! fcntl(2), F_SETLKW: who would wait for himself gets EDEADLK; a signal ends a wait.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", &[b'x'; 10])?;
    let fd = opened("f", O_RDWR)?;
    let set = |command: i32, kind: i32, at: i64| lock_by(command, fd, kind, at, 1).map(drop);
    let [reader, writer] = sys::pipe()?;
    t.works("byte 0", set(F_SETLK, F_WRLCK, 0));
    let child = sys::fork(|| {
        let has = set(F_SETLK, F_WRLCK, 1).is_ok();
        let told = sys::write(writer, b"x").is_ok();
        let waited = set(F_SETLKW, F_WRLCK, 0);
        unless(has && told && waited.is_ok())
    })?;
    sys::read(reader, &mut [0])?;
    sys::until_asleep(child)?;
    t.refused(
        "each waits for the other",
        set(F_SETLKW, F_WRLCK, 1),
        EDEADLK,
    );
    t.refused("likewise to read", set(F_SETLKW, F_RDLCK, 1), EDEADLK);
    t.refused(
        "without waiting it is taken",
        set(F_SETLK, F_WRLCK, 1),
        EAGAIN,
    );
    t.works("given back", set(F_SETLK, F_UNLCK, 0));
    t.same("the other goes on", sys::wait(child), Ok(End::Exited(0)));
    t.works("and what it had is free", set(F_SETLKW, F_WRLCK, 1));
    let child = sys::fork(|| {
        let caught = noted(SIGUSR1, 0).is_ok();
        unless(caught && set(F_SETLKW, F_WRLCK, 1) == Err(Errno(EINTR)))
    })?;
    sys::until_asleep(child)?;
    sys::kill(child, SIGUSR1)?;
    t.same("a signal ends a wait", sys::wait(child), Ok(End::Exited(0)));
    let child = sys::fork(|| {
        let caught = noted(SIGUSR1, SA_RESTART).is_ok();
        let got = set(F_SETLKW, F_WRLCK, 1);
        unless(caught && got.is_ok() && NOTED.load(Relaxed) == 1)
    })?;
    sys::until_asleep(child)?;
    sys::kill(child, SIGUSR1)?;
    sys::until(|| line_of(&format!("/proc/{child}/status"), "SigPnd:").ends_with('0'))?;
    t.works("free now", set(F_SETLK, F_UNLCK, 1));
    t.same("SA_RESTART waits on", sys::wait(child), Ok(End::Exited(0)));
    Ok(())
}
