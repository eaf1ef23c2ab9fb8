//! connect(2): what is refused, and what a datagram's socket makes of it.
use crate::cases::contracts::prelude::*;

fn at(port: u16) -> sockaddr_in {
    // SAFETY: plain numbers.
    let mut it: sockaddr_in = unsafe { std::mem::zeroed() };
    it.sin_family = AF_INET as _;
    it.sin_port = port.to_be();
    it.sin_addr.s_addr = u32::from_ne_bytes([127, 0, 0, 1]);
    it
}

pub fn run(t: &mut Report) -> Outcome {
    let size = size_of::<sockaddr_in>() as u32;
    let to = |fd: i32, it: &sockaddr_in, length: u32| {
        call!(connect(fd, (&raw const *it).cast(), length))
    };
    let new = |kind: i32| call!(socket(AF_INET, kind, 0));
    let port_of = |fd: i32| {
        let (mut it, mut length) = (at(0), size);
        call!(getsockname(fd, (&raw mut it).cast(), &raw mut length))
            .map(|_| u16::from_be(it.sin_port))
    };
    let (listener, closed) = (new(SOCK_STREAM)?, new(SOCK_STREAM)?);
    for fd in [listener, closed] {
        let any = at(0);
        call!(bind(fd, (&raw const any).cast(), size))?;
    }
    call!(listen(listener, 5))?;
    let (open_port, closed_port) = (port_of(listener)?, port_of(closed)?);
    let fd = new(SOCK_STREAM)?;
    t.refused("closed", to(-1, &at(open_port), size), EBADF);
    t.refused(
        "no socket",
        to(opened("/dev/null", O_RDWR)?, &at(open_port), size),
        ENOTSOCK,
    );
    t.refused("nowhere", raw!(SYS_connect, fd, 8, size), EFAULT);
    t.refused("too short", to(fd, &at(open_port), 3), EINVAL);
    let mut other = at(open_port);
    other.sin_family = 47;
    t.refused("another family", to(fd, &other, size), EAFNOSUPPORT);
    t.refused(
        "nobody listens",
        to(fd, &at(closed_port), size),
        ECONNREFUSED,
    );
    t.works("the same socket again", to(fd, &at(open_port), size));
    t.refused("it is connected", to(fd, &at(open_port), size), EISCONN);
    t.refused("a listener", to(listener, &at(open_port), size), EISCONN);
    let quick = call!(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0))?;
    let began = to(quick, &at(open_port), size);
    t.check(
        "without waiting",
        began.is_ok() || began == Err(Errno(EINPROGRESS)),
    );
    let mut entry = pollfd {
        fd: quick,
        events: POLLOUT,
        revents: 0,
    };
    t.same(
        "until it can be written",
        call!(poll(&raw mut entry, 1, -1)),
        Ok(1),
    );
    let datagrams = new(SOCK_DGRAM)?;
    let (mut peer, mut length) = (at(0), size);
    no!(t; "no peer": getpeername(datagrams, (&raw mut peer).cast(), &raw mut length) => ENOTCONN;);
    t.works(
        "datagrams go to anybody",
        to(datagrams, &at(closed_port), size),
    );
    yes!(t; "a peer": getpeername(datagrams, (&raw mut peer).cast(), &raw mut length););
    t.same("whom it is", u16::from_be(peer.sin_port), closed_port);
    t.works("and another", to(datagrams, &at(open_port), size));
    let mut none = at(0);
    none.sin_family = AF_UNSPEC as _;
    t.works("and nobody", to(datagrams, &none, size));
    no!(t; "no peer any more": getpeername(datagrams, (&raw mut peer).cast(), &raw mut length) => ENOTCONN;
        "no aim": send(datagrams, c"x".as_ptr().cast(), 1, 0) => EDESTADDRREQ;);
    Ok(())
}
