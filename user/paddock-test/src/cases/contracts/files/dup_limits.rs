//! dup(2), dup2(2), dup3(2): flags, places and the lowest number.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"abcdef")?;
    let fd = opened("f", O_RDWR | O_CLOEXEC | O_APPEND)?;
    let twin = call!(dup(fd))?;
    t.same(
        "dup keeps no close-on-exec",
        call!(fcntl(twin, F_GETFD)),
        Ok(0),
    );
    let flags = |fd: i32| call!(fcntl(fd, F_GETFL));
    t.same("the flags are one", flags(twin), flags(fd));
    yes!(t; "set at one": fcntl(twin, F_SETFL, O_NONBLOCK););
    t.same(
        "set at the other",
        flags(fd).map(|it| it & (O_NONBLOCK | O_APPEND)),
        Ok(O_NONBLOCK),
    );
    yes!(t; "a lower one is closed": close(fd););
    t.same("is the next", call!(dup(twin)), Ok(fd));
    t.same("dup2", call!(dup2(twin, 100)), Ok(100));
    t.same(
        "dup3 with a flag",
        call!(dup3(twin, 101, O_CLOEXEC)),
        Ok(101),
    );
    t.same("has it", call!(fcntl(101, F_GETFD)), Ok(FD_CLOEXEC));
    t.same("over what is open", call!(dup2(twin, 101)), Ok(101));
    t.same("without it", call!(fcntl(101, F_GETFD)), Ok(0));
    let [reader, writer] = sys::pipe()?;
    yes!(t; "over the only end": dup2(twin, writer););
    t.same("closes it", sys::read(reader, &mut [0; 1]), Ok(0));
    yes!(t; "the place": lseek(100, 4, SEEK_SET););
    t.same("is one", call!(lseek(twin, 0, SEEK_CUR)), Ok(4));
    no!(t; "dup of none": dup(-1) => EBADF; "of a closed one": dup(999) => EBADF;
        "dup2 of none": dup2(-1, 5) => EBADF; "dup2 to none": dup2(twin, i32::MAX) => EBADF;
        "dup3 to itself": dup3(twin, twin, O_CLOEXEC) => EINVAL;);
    let limit = rlimit {
        rlim_cur: 102,
        rlim_max: 102,
    };
    yes!(t; "a limit": setrlimit(RLIMIT_NOFILE, &raw const limit););
    while call!(dup(twin)).is_ok() {}
    no!(t; "all are used": dup(twin) => EMFILE; "creat": creat(c"new".as_ptr(), 0o600) => EMFILE;
        "pipe": pipe(null_mut()) => EMFILE; "socket": socket(AF_UNIX, SOCK_STREAM, 0) => EMFILE;
        "epoll": epoll_create1(0) => EMFILE; "eventfd": eventfd(0, 0) => EMFILE;
        "inotify": inotify_init1(0) => EMFILE; "F_DUPFD": fcntl(twin, F_DUPFD, 0) => EMFILE;);
    t.check("creat makes no file", status("new").is_err());
    t.same("dup2 replaces", call!(dup2(twin, 100)), Ok(100));
    Ok(())
}
