//! fanotify(7): reading events; poll(2), FIONREAD.
use super::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"text")?;
    file("g", b"text")?;
    let fd = group(0)?;
    mark(fd, ADD, OPEN, "f")?;
    mark(fd, ADD, OPEN, "g")?;
    let left = || {
        let mut bytes = -1i32;
        call!(ioctl(fd, FIONREAD as _, &raw mut bytes)).map(|_| bytes)
    };
    t.same("nothing", ready(fd, POLLIN), Ok(0));
    t.same("no bytes", left(), Ok(0));
    touch("f")?;
    touch("g")?;
    touch("f")?;
    t.same("two", ready(fd, POLLIN), Ok(POLLIN));
    t.same("with so many bytes", left(), Ok(48));
    t.refused("too short", sys::read(fd, &mut [0; 23]), EINVAL);
    let mut first = heard_in(fd, 47)?;
    t.same("one fits", first.len(), 1);
    let event = first.pop().ok_or("none")?;
    t.same("who opened it", event.pid, own_pid());
    let flags = call!(fcntl(event.fd, F_GETFL)).map(|flags| flags & O_ACCMODE);
    t.same("as it was asked", flags, Ok(O_RDONLY));
    t.same(
        "not closed by execve",
        call!(fcntl(event.fd, F_GETFD)),
        Ok(0),
    );
    t.same("is read", sys::read(event.fd, &mut [0; 9]), Ok(4));
    t.same("the first", name_of(event.fd), "f".to_owned());
    hears(t, fd, "the other", &[(OPEN, "g")]);
    t.refused("no more", sys::read(fd, &mut [0; 64]), EAGAIN);
    sys::set_nonblocking(fd, false)?;
    let child = sys::fork(|| unless(heard_in(fd, 24).is_ok_and(|all| all.len() == 1)))?;
    sys::until_asleep(child)?;
    touch("f")?;
    t.same("who waits is woken", sys::wait(child), Ok(End::Exited(0)));
    Ok(())
}

/// What is ready of some events.
fn ready(fd: i32, events: i16) -> Result<i16, Errno> {
    let mut it = pollfd {
        fd,
        events,
        revents: 0,
    };
    call!(poll(&raw mut it, 1, 0))?;
    Ok(it.revents)
}
