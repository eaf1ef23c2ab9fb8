//! pipe(7): what is left when an end is closed, and who is told.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let [reader, writer] = sys::pipe()?;
    sys::write_all(writer, b"abc")?;
    let twin = call!(dup(writer))?;
    sys::close(writer)?;
    t.same("a copy writes", sys::write(twin, b"d"), Ok(1));
    sys::close(twin)?;
    t.same(
        "what is in it is read",
        sys::read(reader, &mut [0; 9]),
        Ok(4),
    );
    t.same("then its end", sys::read(reader, &mut [0; 9]), Ok(0));
    t.same("is told", ready(reader, POLLIN), Ok(POLLHUP));
    let [reader, writer] = sys::pipe()?;
    noted(SIGPIPE, 0)?;
    sys::close(reader)?;
    t.refused("nobody reads", sys::write(writer, b"x"), EPIPE);
    t.same(
        "SIGPIPE",
        (NOTED.load(Relaxed), LAST.load(Relaxed)),
        (1, SIGPIPE),
    );
    t.same(
        "is told to poll",
        ready(writer, POLLOUT),
        Ok(POLLOUT | POLLERR),
    );
    let end = sys::in_child(|| {
        // SAFETY: the default.
        unsafe { signal(SIGPIPE, SIG_DFL) };
        i32::from(sys::write(writer, b"x").is_ok())
    });
    t.same("else it kills", end, Ok(End::Killed(SIGPIPE)));
    let [reader, writer] = sys::pipe()?;
    let child = sys::fork(|| {
        let closed = sys::close(writer).is_ok();
        unless(closed && sys::read(reader, &mut [0; 1]) == Ok(0))
    })?;
    sys::until_asleep(child)?;
    sys::close(writer)?;
    t.same(
        "who waits has its end",
        sys::wait(child),
        Ok(End::Exited(0)),
    );
    no!(t; "a writer is not read": read(writer, null_mut(), 1) => EBADF; "nor a reader written": write(reader, null(), 1) => EBADF;);
    Ok(())
}
