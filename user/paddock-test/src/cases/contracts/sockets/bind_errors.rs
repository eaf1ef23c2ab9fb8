//! bind(2): addresses that are none, or taken, or not for everybody.
use crate::cases::contracts::prelude::*;

fn bound(fd: i32, address: &sockaddr_in, length: usize) -> Result<i32, Errno> {
    call!(bind(fd, (&raw const *address).cast(), length as u32))
}

fn at(ip: [u8; 4], port: u16) -> sockaddr_in {
    // SAFETY: plain numbers.
    let mut it: sockaddr_in = unsafe { std::mem::zeroed() };
    it.sin_family = AF_INET as _;
    it.sin_port = port.to_be();
    it.sin_addr.s_addr = u32::from_ne_bytes(ip);
    it
}

pub fn run(t: &mut Report) -> Outcome {
    const HERE: [u8; 4] = [127, 0, 0, 1];
    let new = |kind: i32| call!(socket(AF_INET, kind, 0));
    let size = size_of::<sockaddr_in>();
    let fd = new(SOCK_STREAM)?;
    t.refused(
        "no socket",
        bound(opened("/dev/null", O_RDWR)?, &at(HERE, 0), size),
        ENOTSOCK,
    );
    t.refused("closed", bound(-1, &at(HERE, 0), size), EBADF);
    t.refused("too short", bound(fd, &at(HERE, 0), size - 1), EINVAL);
    t.refused("nowhere", raw!(SYS_bind, fd, 8, size), EFAULT);
    t.refused("too long", bound(fd, &at(HERE, 0), 4096), EINVAL);
    t.refused(
        "another's address",
        bound(fd, &at([192, 0, 2, 1], 0), size),
        EADDRNOTAVAIL,
    );
    let mut other = at(HERE, 0);
    other.sin_family = AF_UNIX as _;
    t.refused("of another family", bound(fd, &other, size), EAFNOSUPPORT);
    t.works("any port", bound(fd, &at(HERE, 0), size));
    let mut found = at([0; 4], 0);
    let mut length = size as u32;
    yes!(t; "which": getsockname(fd, (&raw mut found).cast(), &raw mut length););
    t.check("is one", found.sin_port != 0 && length as usize == size);
    t.refused("a second time", bound(fd, &at(HERE, 0), size), EINVAL);
    let second = new(SOCK_STREAM)?;
    t.refused(
        "a port that is taken",
        bound(second, &found, size),
        EADDRINUSE,
    );
    t.works(
        "of another protocol it is free",
        bound(new(SOCK_DGRAM)?, &found, size),
    );
    as_nobody(t, |t| {
        t.refused(
            "a port of root's",
            bound(new(SOCK_STREAM)?, &at(HERE, 22), size),
            EACCES,
        );
        Ok(())
    })
}
