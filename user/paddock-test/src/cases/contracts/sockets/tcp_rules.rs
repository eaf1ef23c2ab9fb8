//! bind(2), listen(2), connect(2), accept(2), shutdown(2) of TCP.
use crate::cases::contracts::prelude::*;

fn address(host: u32, port: u16) -> sockaddr_in {
    // SAFETY: plain numbers.
    let mut it: sockaddr_in = unsafe { std::mem::zeroed() };
    (it.sin_family, it.sin_port, it.sin_addr.s_addr) = (AF_INET as u16, port.to_be(), host.to_be());
    it
}

const LOCAL: u32 = 0x7f00_0001;
const LENGTH: u32 = 16;

fn bound(fd: i32, to: &sockaddr_in, length: u32) -> Result<i32, Errno> {
    call!(bind(fd, (&raw const *to).cast(), length))
}

fn connected(fd: i32, to: &sockaddr_in, length: u32) -> Result<i32, Errno> {
    call!(connect(fd, (&raw const *to).cast(), length))
}

fn tcp() -> Result<i32, Errno> {
    call!(socket(AF_INET, SOCK_STREAM, 0))
}

pub fn run(t: &mut Report) -> Outcome {
    let (fd, other) = (tcp()?, tcp()?);
    let any = address(LOCAL, 0);
    t.refused("a short address", bound(fd, &any, 15), EINVAL);
    let mut wrong = any;
    wrong.sin_family = AF_UNIX as u16;
    t.refused("of another family", bound(fd, &wrong, LENGTH), EAFNOSUPPORT);
    t.refused(
        "somebody else's",
        bound(fd, &address(0xcb00_7109, 0), LENGTH),
        EADDRNOTAVAIL,
    );
    t.refused(
        "accept before listen",
        call!(accept(fd, null_mut(), null_mut())),
        EINVAL,
    );
    t.refused(
        "nobody at the other end",
        call!(getpeername(fd, null_mut(), null_mut())),
        ENOTCONN,
    );
    t.refused("read before", sys::read(fd, &mut [0; 4]), ENOTCONN);
    t.works("SIGPIPE is ignored", ignore(SIGPIPE));
    t.refused("written before", sys::write(fd, b"x"), EPIPE);
    t.works("bound", bound(fd, &any, LENGTH));
    t.refused("twice", bound(fd, &any, LENGTH), EINVAL);
    let (mut name, mut length) = (any, LENGTH);
    yes!(t; "its name": getsockname(fd, (&raw mut name).cast(), &raw mut length););
    let own = address(LOCAL, u16::from_be(name.sin_port));
    t.refused("in use", bound(other, &own, LENGTH), EADDRINUSE);
    t.refused(
        "nobody listens",
        connected(other, &own, LENGTH),
        ECONNREFUSED,
    );
    yes!(t; "listens": listen(fd, 1); "more": listen(fd, -1););
    t.refused("a listener connects", connected(fd, &own, LENGTH), EISCONN);
    t.works("connected", connected(other, &own, LENGTH));
    t.refused("again", connected(other, &own, LENGTH), EISCONN);
    t.refused("listens too", call!(listen(other, 1)), EINVAL);
    t.refused(
        "a flag of accept4",
        call!(accept4(fd, null_mut(), null_mut(), 1)),
        EINVAL,
    );
    let peer = call!(accept(fd, null_mut(), null_mut()))?;
    t.refused("shut how", call!(shutdown(peer, 3)), EINVAL);
    t.works("no more", call!(shutdown(peer, SHUT_WR)));
    t.same("is the end", sys::read(other, &mut [0; 4]), Ok(0));
    t.refused("and none is written", sys::write(peer, b"x"), EPIPE);
    t.same("the other way goes on", sys::write(other, b"abc"), Ok(3));
    let unused = tcp()?;
    t.refused("shut before", call!(shutdown(unused, SHUT_RD)), ENOTCONN);
    let udp = call!(socket(AF_INET, SOCK_DGRAM, 0))?;
    no!(t; "UDP does not listen": listen(udp, 1) => EOPNOTSUPP;
        "nor accept": accept(udp, null_mut(), null_mut()) => EOPNOTSUPP;
        "sent to nobody": send(udp, b"x".as_ptr().cast(), 1, 0) => EDESTADDRREQ;);
    Ok(())
}
