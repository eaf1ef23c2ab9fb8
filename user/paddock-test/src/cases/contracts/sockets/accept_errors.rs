//! accept(2), accept4(2), listen(2): which sockets, which flags.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let stream = call!(socket(AF_UNIX, SOCK_STREAM, 0))?;
    let datagrams = call!(socket(AF_INET, SOCK_DGRAM, 0))?;
    let null = opened("/dev/null", O_RDWR)?;
    let get = |fd: i32| raw!(SYS_accept, fd, 0, 0);
    t.refused("closed", get(-1), EBADF);
    t.refused("no socket", get(null), ENOTSOCK);
    t.refused("a place", get(opened("/dev/null", O_PATH)?), EBADF);
    t.refused("one that does not listen", get(stream), EINVAL);
    t.refused("datagrams", get(datagrams), EOPNOTSUPP);
    no!(t; "listen, closed": listen(-1, 1) => EBADF; "listen of none": listen(null, 1) => ENOTSOCK;
        "of datagrams": listen(datagrams, 1) => EOPNOTSUPP;
        "of one without a name": listen(stream, 1) => EINVAL;);
    // SAFETY: plain numbers.
    let mut it: sockaddr_un = unsafe { std::mem::zeroed() };
    it.sun_family = AF_UNIX as _;
    yes!(t; "a name": bind(stream, (&raw const it).cast(), 2); "it listens": listen(stream, 3););
    let mut length = 110u32;
    yes!(t; "which": getsockname(stream, (&raw mut it).cast(), &raw mut length););
    let name = it;
    let connected = || {
        let fd = call!(socket(AF_UNIX, SOCK_STREAM, 0))?;
        call!(connect(fd, (&raw const name).cast(), length)).map(|_| fd)
    };
    connected()?;
    t.refused("a flag", raw!(SYS_accept4, stream, 0, 0, 1), EINVAL);
    let both = SOCK_CLOEXEC | SOCK_NONBLOCK;
    let fd = raw!(SYS_accept4, stream, 0, 0, both)? as i32;
    t.same("closes on exec", call!(fcntl(fd, F_GETFD)), Ok(FD_CLOEXEC));
    t.same(
        "does not wait",
        call!(fcntl(fd, F_GETFL)).map(|it| it & O_NONBLOCK),
        Ok(O_NONBLOCK),
    );
    sys::set_nonblocking(stream, true)?;
    t.refused("nobody", get(stream), EAGAIN);
    connected()?;
    let fd = get(stream)? as i32;
    t.same(
        "not of its listener's flags",
        call!(fcntl(fd, F_GETFL)).map(|it| it & O_NONBLOCK),
        Ok(0),
    );
    t.refused("one that was accepted", get(fd), EINVAL);
    connected()?;
    let mut size = -1i32;
    t.refused(
        "a negative size",
        raw!(SYS_accept, stream, &raw mut it, &raw mut size),
        EINVAL,
    );
    connected()?;
    t.refused(
        "a size nowhere",
        raw!(SYS_accept, stream, &raw mut it, 8),
        EFAULT,
    );
    sys::set_nonblocking(stream, false)?;
    while ready(stream, POLLIN)? != 0 {
        get(stream)?;
    }
    let child = sys::fork(|| {
        let caught = noted(SIGUSR1, 0).is_ok();
        unless(caught && get(stream) == Err(Errno(EINTR)))
    })?;
    sys::until_asleep(child)?;
    sys::kill(child, SIGUSR1)?;
    t.same("a signal ends a wait", sys::wait(child), Ok(End::Exited(0)));
    Ok(())
}
