//! fanotify(7): those who wait for an answer when the group is closed, or are killed.
use super::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    let fd = group(CONTENT)?;
    mark(fd, ADD, OPEN_PERM, "f")?;
    let opens = || sys::fork(|| unless(opened("f", O_RDONLY).is_ok()));
    let (unread, read, killed) = (opens()?, opens()?, opens()?);
    for child in [unread, read, killed] {
        sys::until_asleep(child)?;
    }
    sys::kill(killed, SIGKILL)?;
    t.same("killed", sys::wait(killed), Ok(End::Killed(SIGKILL)));
    let events = heard_in(fd, HEAD).map_err(|error| error.to_string())?;
    t.same("one is read", events.len(), 1);
    t.same("one is not", ready(fd), Ok(1));
    sys::close(fd)?;
    t.same("both go on", sys::wait(unread), Ok(End::Exited(0)));
    t.same("at once", sys::wait(read), Ok(End::Exited(0)));
    let fd = group(CONTENT)?;
    mark(fd, ADD, OPEN_PERM, "f")?;
    let child = opens()?;
    sys::until_asleep(child)?;
    let event = heard(fd).pop().ok_or("none")?;
    sys::kill(child, SIGKILL)?;
    t.same(
        "killed after it was read",
        sys::wait(child),
        Ok(End::Killed(SIGKILL)),
    );
    let mut answer = [0u8; 8];
    answer[..4].copy_from_slice(&event.fd.to_le_bytes());
    answer[4] = ALLOW as u8;
    t.same(
        "it is answered all the same",
        sys::write(fd, &answer),
        Ok(8),
    );
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
