//! fanotify(7): those who wait for an answer when the group is closed, or are killed.
use super::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    let fd = group(CONTENT)?;
    mark(fd, ADD, OPEN_PERM, "f")?;
    // Those who wait do not have the group open themselves.
    let opens = |fd| sys::fork(|| unless(sys::close(fd).is_ok() && opened("f", O_RDONLY).is_ok()));
    let (unread, read, killed) = (opens(fd)?, opens(fd)?, opens(fd)?);
    until(fd, 3)?;
    sys::kill(killed, SIGKILL)?;
    t.same("killed", sys::wait(killed), Ok(End::Killed(SIGKILL)));
    let events = heard_in(fd, HEAD)?;
    t.same("one is read", events.len(), 1);
    t.same("one is not", ready(fd), Ok(1));
    sys::close(fd)?;
    t.same("both go on", sys::wait(unread), Ok(End::Exited(0)));
    t.same("at once", sys::wait(read), Ok(End::Exited(0)));
    let fd = group(CONTENT)?;
    mark(fd, ADD, OPEN_PERM, "f")?;
    let child = opens(fd)?;
    until(fd, 1)?;
    let event = heard(fd).pop().ok_or("none")?;
    sys::kill(child, SIGKILL)?;
    t.same(
        "killed after it was read",
        sys::wait(child),
        Ok(End::Killed(SIGKILL)),
    );
    let answered = respond(fd, event.fd, ALLOW);
    t.same("it is answered all the same", answered, Ok(8));
    t.refused("no event", sys::read(fd, &mut [0; 64]), EAGAIN);
    Ok(())
}

fn ready(fd: i32) -> Result<i32, Errno> {
    let mut it = pollfd {
        fd,
        events: POLLIN,
        revents: 0,
    };
    call!(poll(&raw mut it, 1, 0))
}
