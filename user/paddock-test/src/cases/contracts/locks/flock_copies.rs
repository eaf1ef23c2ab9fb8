//! flock(2): a lock is an open file description's; copies, children, and its change.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    let one = opened("f", O_RDONLY)?;
    let other = opened("f", O_WRONLY)?;
    let twin = call!(dup(one))?;
    let lock = |fd: i32, how: i32| call!(libc::flock(fd, how | LOCK_NB)).map(drop);
    t.works("exclusive, to read", lock(one, LOCK_EX));
    t.refused(
        "another of the same process",
        lock(other, LOCK_EX),
        EWOULDBLOCK,
    );
    t.refused("shared neither", lock(other, LOCK_SH), EWOULDBLOCK);
    t.works("its copy has it", lock(twin, LOCK_EX));
    t.works("to shared", lock(twin, LOCK_SH));
    t.works("both", lock(other, LOCK_SH));
    t.refused("no longer to exclusive", lock(one, LOCK_EX), EWOULDBLOCK);
    t.works("what was shared is lost", lock(other, LOCK_EX));
    t.works("unlocked", lock(other, LOCK_UN));
    t.works("unlocked twice", lock(other, LOCK_UN));
    t.works("again", lock(one, LOCK_EX));
    t.works("one of two copies is closed", call!(close(twin)));
    t.refused("it stays", lock(other, LOCK_SH), EWOULDBLOCK);
    let end = sys::in_child(|| unless(lock(one, LOCK_UN).is_ok()));
    t.same("a child gives it back", end, Ok(End::Exited(0)));
    t.works("for its parent", lock(other, LOCK_EX));
    lock(other, LOCK_UN)?;
    lock(one, LOCK_SH)?;
    let child = sys::fork(|| {
        let closed = sys::close(one).is_ok();
        unless(closed && call!(libc::flock(other, LOCK_EX)).is_ok())
    })?;
    sys::until_asleep(child)?;
    t.works("the last is closed", call!(close(one)));
    t.same("who waits goes on", sys::wait(child), Ok(End::Exited(0)));
    t.works(
        "record locks are others",
        lock_by(F_SETLK, other, F_WRLCK, 0, 0),
    );
    no!(t; "nothing to do": libc::flock(other, 0) => EINVAL;
        "both kinds": libc::flock(other, LOCK_EX | LOCK_SH) => EINVAL;
        "closed": libc::flock(-1, LOCK_SH) => EBADF;);
    let [reader, _] = sys::pipe()?;
    t.works("a pipe", lock(reader, LOCK_EX));
    let child = sys::fork(|| {
        let it = opened("f", O_RDONLY).unwrap_or(-1);
        let caught = noted(SIGUSR1, 0).is_ok();
        unless(caught && call!(libc::flock(it, LOCK_EX)) == Err(Errno(EINTR)))
    })?;
    sys::until_asleep(child)?;
    sys::kill(child, SIGUSR1)?;
    t.same("a signal ends a wait", sys::wait(child), Ok(End::Exited(0)));
    Ok(())
}
