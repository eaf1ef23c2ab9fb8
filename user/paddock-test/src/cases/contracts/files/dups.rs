//! dup(2), dup3(2), F_DUPFD and their limit.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let limit = rlimit {
        rlim_cur: 64,
        rlim_max: 64,
    };
    yes!(t; "a limit": setrlimit(RLIMIT_NOFILE, &raw const limit););
    no!(t;
        "onto itself": dup3(1, 1, 0) => EINVAL;
        "a flag": dup3(1, 10, O_NONBLOCK) => EINVAL;
        "at the limit": dup3(1, 64, 0) => EBADF;
        "dup2 at the limit": dup2(1, 64) => EBADF;
        "a negative one": dup2(1, -1) => EBADF;
        "closed": dup3(63, 10, 0) => EBADF;
        "closed, onto itself": dup2(63, 63) => EBADF;
        "F_DUPFD at the limit": fcntl(1, F_DUPFD, 64) => EINVAL;
        "F_DUPFD of a negative one": fcntl(1, F_DUPFD, -1) => EINVAL;
        "no such command": fcntl(1, 9999) => EINVAL;
    );
    t.same("F_DUPFD", call!(fcntl(1, F_DUPFD, 50)), Ok(50));
    t.same("does not close on exec", call!(fcntl(50, F_GETFD)), Ok(0));
    t.same(
        "F_DUPFD_CLOEXEC",
        call!(fcntl(1, F_DUPFD_CLOEXEC, 50)),
        Ok(51),
    );
    t.same("does", call!(fcntl(51, F_GETFD)), Ok(FD_CLOEXEC));
    t.same("dup2 onto itself", call!(dup2(51, 51)), Ok(51));
    t.same("changes nothing", call!(fcntl(51, F_GETFD)), Ok(FD_CLOEXEC));
    t.same("the last", call!(dup2(1, 63)), Ok(63));
    no!(t; "none behind it": fcntl(1, F_DUPFD, 63) => EMFILE;);
    Ok(())
}
