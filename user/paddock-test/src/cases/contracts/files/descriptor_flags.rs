//! fcntl(2): F_GETFD, F_SETFD, and the flags that each call gives its descriptor.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    let flags = |fd: i32| call!(fcntl(fd, F_GETFD));
    let fd = opened("f", O_RDONLY)?;
    t.same("none at first", flags(fd), Ok(0));
    yes!(t; "set": fcntl(fd, F_SETFD, FD_CLOEXEC););
    t.same("is told", flags(fd), Ok(FD_CLOEXEC));
    yes!(t; "other bits": fcntl(fd, F_SETFD, 0xfe););
    t.same("are none", flags(fd), Ok(0));
    yes!(t; "FIOCLEX": ioctl(fd, FIOCLEX););
    t.same("sets it", flags(fd), Ok(FD_CLOEXEC));
    yes!(t; "FIONCLEX": ioctl(fd, FIONCLEX););
    t.same("takes it", flags(fd), Ok(0));
    let mut pair = [0; 2];
    yes!(t; "a pipe": pipe2(pair.as_mut_ptr(), O_CLOEXEC););
    t.same(
        "both ends",
        (flags(pair[0]), flags(pair[1])),
        (Ok(FD_CLOEXEC), Ok(FD_CLOEXEC)),
    );
    for (what, made) in [
        ("open", opened("f", O_RDONLY | O_CLOEXEC)),
        (
            "socket",
            call!(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)),
        ),
        ("epoll", call!(epoll_create1(EPOLL_CLOEXEC))),
        ("eventfd", call!(eventfd(0, EFD_CLOEXEC))),
        ("inotify", call!(inotify_init1(IN_CLOEXEC))),
        (
            "timerfd",
            call!(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC)),
        ),
        ("memfd", call!(memfd_create(c"x".as_ptr(), MFD_CLOEXEC))),
        ("dup3", call!(dup3(fd, 90, O_CLOEXEC))),
        ("F_DUPFD_CLOEXEC", call!(fcntl(fd, F_DUPFD_CLOEXEC, 91))),
    ] {
        t.same(what, made.and_then(flags), Ok(FD_CLOEXEC));
    }
    let end = sys::in_child(|| unless(call!(fcntl(90, F_SETFD, 0)).is_ok()));
    t.same(
        "a child's are its own",
        (end, flags(90)),
        (Ok(End::Exited(0)), Ok(FD_CLOEXEC)),
    );
    no!(t; "closed": fcntl(-1, F_GETFD) => EBADF; "closed, too": fcntl(999, F_SETFD, 0) => EBADF;);
    Ok(())
}
