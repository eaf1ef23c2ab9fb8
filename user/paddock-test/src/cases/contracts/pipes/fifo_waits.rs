//! fifo(7): who waits at open(2), and who is refused.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    call!(mkfifo(c"p".as_ptr(), 0o600))?;
    t.refused("nobody reads", opened("p", O_WRONLY | O_NONBLOCK), ENXIO);
    let reader = opened("p", O_RDONLY | O_NONBLOCK)?;
    t.same(
        "nobody writes: its end",
        sys::read(reader, &mut [0; 4]),
        Ok(0),
    );
    let writer = opened("p", O_WRONLY | O_NONBLOCK)?;
    t.refused("nothing yet", sys::read(reader, &mut [0; 4]), EAGAIN);
    sys::write_all(writer, b"abc")?;
    t.same("bytes", sys::read(reader, &mut [0; 4]), Ok(3));
    sys::close(reader)?;
    ignore(SIGPIPE)?;
    t.refused("nobody reads any more", sys::write(writer, b"x"), EPIPE);
    sys::close(writer)?;
    let child = sys::fork(|| unless(opened("p", O_RDONLY).is_ok()))?;
    sys::until_asleep(child)?;
    let writer = opened("p", O_WRONLY)?;
    t.same(
        "who waits to read has a writer",
        sys::wait(child),
        Ok(End::Exited(0)),
    );
    sys::close(writer)?;
    let child = sys::fork(|| unless(opened("p", O_WRONLY).is_ok()))?;
    sys::until_asleep(child)?;
    let reader = opened("p", O_RDONLY)?;
    t.same(
        "who waits to write a reader",
        sys::wait(child),
        Ok(End::Exited(0)),
    );
    sys::close(reader)?;
    let child = sys::fork(|| {
        let caught = noted(SIGUSR1, 0).is_ok();
        unless(caught && opened("p", O_RDONLY) == Err(Errno(EINTR)))
    })?;
    sys::until_asleep(child)?;
    sys::kill(child, SIGUSR1)?;
    t.same("a signal ends a wait", sys::wait(child), Ok(End::Exited(0)));
    let both = opened("p", O_RDWR)?;
    sys::write_all(both, b"xyz")?;
    t.same("one for both", sys::read(both, &mut [0; 9]), Ok(3));
    t.same("nothing is kept", status("p").map(|it| it.st_size), Ok(0));
    Ok(())
}
