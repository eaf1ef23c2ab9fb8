//! shutdown(2).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    t.works("SIGPIPE is ignored", ignore(SIGPIPE));
    let mut pair = [0; 2];
    call!(socketpair(AF_UNIX, SOCK_STREAM, 0, pair.as_mut_ptr()))?;
    let tcp = call!(socket(AF_INET, SOCK_STREAM, 0))?;
    let udp = call!(socket(AF_INET, SOCK_DGRAM, 0))?;
    no!(t;
        "closed": shutdown(999, SHUT_RD) => EBADF;
        "no socket": shutdown(0, SHUT_RD) => ENOTSOCK;
        "no such way": shutdown(pair[0], 3) => EINVAL;
        "a negative one": shutdown(pair[0], -1) => EINVAL;
        "TCP without a peer": shutdown(tcp, SHUT_WR) => ENOTCONN;
        "UDP without one": shutdown(udp, SHUT_RD) => ENOTCONN;
    );
    sys::write_all(pair[1], b"abc")?;
    yes!(t; "no more is read": shutdown(pair[0], SHUT_RD););
    let mut bytes = [0; 8];
    t.same("but what was there", sys::read(pair[0], &mut bytes), Ok(3));
    t.same("and then the end", sys::read(pair[0], &mut bytes), Ok(0));
    t.refused("the other end breaks", sys::write(pair[1], b"x"), EPIPE);
    t.works("this one writes", sys::write(pair[0], b"xy"));
    yes!(t; "no more": shutdown(pair[0], SHUT_WR););
    t.refused("is written", sys::write(pair[0], b"x"), EPIPE);
    t.same("what was is read", sys::read(pair[1], &mut bytes), Ok(2));
    t.same("to the end", sys::read(pair[1], &mut bytes), Ok(0));
    yes!(t; "again": shutdown(pair[0], SHUT_RDWR););
    Ok(())
}
