//! open(2), RLIMIT_NOFILE: descriptors run out (EMFILE), and the lowest is taken.
use crate::cases::contracts::prelude::*;

fn limit(count: u64) -> Result<i64, Errno> {
    let wanted = [count, 4096];
    raw!(SYS_prlimit64, 0, RLIMIT_NOFILE, wanted.as_ptr(), 0)
}

pub fn run(t: &mut Report) -> Outcome {
    let mut pair = [0; 2];
    t.works("a limit", limit(64));
    let mut last = 0;
    let error = loop {
        match call!(open(c"/".as_ptr(), O_RDONLY)) {
            Ok(fd) => last = fd,
            Err(error) => break error,
        }
    };
    t.same("no more", error, Errno(EMFILE));
    t.same("up to the limit", last, 63);
    no!(t;
        "a pipe": pipe(pair.as_mut_ptr()) => EMFILE;
        "a copy": dup(0) => EMFILE;
        "beyond the limit": dup2(0, 64) => EBADF;
        "from there": fcntl(0, F_DUPFD, 64) => EINVAL;
        "a socket": socket(AF_UNIX, SOCK_STREAM, 0) => EMFILE;
        "two of them": socketpair(AF_UNIX, SOCK_STREAM, 0, pair.as_mut_ptr()) => EMFILE;
        "an event": eventfd(0, 0) => EMFILE;
        "a timer": timerfd_create(CLOCK_MONOTONIC, 0) => EMFILE;
        "an epoll": epoll_create1(0) => EMFILE;
        "a watch": inotify_init1(0) => EMFILE;
    );
    t.same("nothing is told of a pipe", pair, [0, 0]);
    yes!(t; "one": close(20); "another": close(10););
    t.same("the lowest", call!(open(c"/".as_ptr(), O_RDONLY)), Ok(10));
    no!(t; "one is too few for a pipe": pipe(pair.as_mut_ptr()) => EMFILE;);
    t.same("which takes none", call!(dup(0)), Ok(20));
    t.works("a lower limit", limit(8));
    t.refused(
        "does not matter to those",
        sys::read(63, &mut [0; 1]),
        EISDIR,
    );
    no!(t; "but to new ones": dup(0) => EMFILE;);
    Ok(())
}
