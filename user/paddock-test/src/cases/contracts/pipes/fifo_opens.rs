//! fifo(7): opening waits for the other end.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    yes!(t; "a fifo": mkfifo(c"p".as_ptr(), 0o600););
    for (name, mine, its) in [
        ("to write", O_WRONLY, O_RDONLY),
        ("to read", O_RDONLY, O_WRONLY),
    ] {
        let child = sys::fork(|| i32::from(call!(open(c"p".as_ptr(), mine)).is_err()))?;
        sys::until_asleep(child)?;
        t.same(name, sys::wait_with(child, WNOHANG).map(|it| it.0), Ok(0));
        let fd = call!(open(c"p".as_ptr(), its))?;
        t.same("goes on", sys::wait(child), Ok(End::Exited(0)));
        sys::close(fd)?;
    }
    let reader = call!(open(c"p".as_ptr(), O_RDONLY | O_NONBLOCK))?;
    let writer = call!(open(c"p".as_ptr(), O_WRONLY))?;
    t.works("written", sys::write(writer, b"abc"));
    sys::close(writer)?;
    let mut bytes = [0; 8];
    t.same(
        "stays while somebody reads",
        sys::read(reader, &mut bytes),
        Ok(3),
    );
    t.same("and then the end", sys::read(reader, &mut bytes), Ok(0));
    let writer = call!(open(c"p".as_ptr(), O_WRONLY))?;
    t.refused(
        "until one writes again",
        sys::read(reader, &mut bytes),
        EAGAIN,
    );
    t.works("once more", sys::write(writer, b"abc"));
    sys::close(writer)?;
    sys::close(reader)?;
    let reader = call!(open(c"p".as_ptr(), O_RDONLY | O_NONBLOCK))?;
    t.same(
        "and is gone with both",
        sys::read(reader, &mut bytes),
        Ok(0),
    );
    yes!(t; "its name is removed": unlink(c"p".as_ptr()););
    t.same("it is one still", kind(reader)?, S_IFIFO);
    Ok(())
}
