//! RLIMIT_NOFILE: what more descriptors than that are refused (getrlimit(2)).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let set = |current: u64, most: u64| {
        let limit = rlimit {
            rlim_cur: current,
            rlim_max: most,
        };
        call!(setrlimit(RLIMIT_NOFILE, &raw const limit)).map(drop)
    };
    let null = opened("/dev/null", O_RDWR)?;
    let high = call!(fcntl(null, F_DUPFD, 200))?;
    t.same("a high one", high, 200);
    t.works("a limit below it", set(100, 200));
    t.works("it stays open", sys::write(high, b"x"));
    t.refused("not as a new one", call!(dup2(null, 100)), EBADF);
    t.refused("nor from there", call!(fcntl(null, F_DUPFD, 100)), EINVAL);
    t.same("below it", call!(dup2(null, 99)), Ok(99));
    t.refused("more than the most", set(300, 200), EINVAL);
    as_nobody(t, |t| {
        t.works("up to the most", set(200, 200));
        t.refused("no higher", set(200, 201), EPERM);
        t.works("lower", set(50, 50));
        t.refused("and not back", set(50, 51), EPERM);
        Ok(())
    })?;
    let mut pair = [0; 2];
    t.works("none at all", set(0, 200));
    no!(t; "no pipe": pipe(pair.as_mut_ptr()) => EMFILE; "no copy": dup(null) => EMFILE;
        "no pair": socketpair(AF_UNIX, SOCK_STREAM, 0, pair.as_mut_ptr()) => EMFILE;
        "no file": open(c"/dev/null".as_ptr(), O_RDONLY) => EMFILE;
        "no memory file": memfd_create(c"x".as_ptr(), 0) => EMFILE;);
    t.works("what is open is used", sys::write(null, b"x"));
    Ok(())
}
