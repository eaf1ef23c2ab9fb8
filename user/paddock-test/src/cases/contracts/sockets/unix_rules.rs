//! unix(7): names and kinds.
use crate::cases::contracts::prelude::*;

fn address(path: &[u8]) -> (sockaddr_un, u32) {
    // SAFETY: plain numbers.
    let mut it: sockaddr_un = unsafe { std::mem::zeroed() };
    it.sun_family = AF_UNIX as u16;
    for (to, from) in it.sun_path.iter_mut().zip(path) {
        *to = *from as c_char;
    }
    (it, 2 + path.len() as u32)
}

fn at(
    call: unsafe extern "C" fn(i32, *const sockaddr, u32) -> i32,
    fd: i32,
    path: &[u8],
) -> Result<i32, Errno> {
    let (it, length) = address(path);
    call!(call(fd, (&raw const it).cast(), length))
}

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    let new = |kind: i32| call!(socket(AF_UNIX, kind, 0));
    let (fd, other, datagrams) = (new(SOCK_STREAM)?, new(SOCK_STREAM)?, new(SOCK_DGRAM)?);
    t.refused("what is there", at(bind, fd, b"f"), EADDRINUSE);
    t.refused("a folder that is not", at(bind, fd, b"no/s"), ENOENT);
    t.refused("too long", at(bind, fd, &[b'x'; 109]), EINVAL);
    t.refused("to nothing", at(connect, other, b"s"), ENOENT);
    t.refused("to a file", at(connect, other, b"f"), ECONNREFUSED);
    t.refused("listens without a name", call!(listen(fd, 1)), EINVAL);
    t.works("bound", at(bind, fd, b"s"));
    t.refused("twice", at(bind, fd, b"t"), EINVAL);
    t.refused("nobody listens", at(connect, other, b"s"), ECONNREFUSED);
    t.works("listens", call!(listen(fd, 1)));
    t.refused("of another kind", at(connect, datagrams, b"s"), EPROTOTYPE);
    t.works("connected", at(connect, other, b"s"));
    t.refused("again", at(connect, other, b"s"), EISCONN);
    yes!(t; "its name is removed": unlink(c"s".as_ptr()););
    t.refused(
        "and not found",
        at(connect, new(SOCK_STREAM)?, b"s"),
        ENOENT,
    );
    t.works("a name of the kernel's", at(bind, datagrams, b""));
    let (mut it, mut length) = address(&[0; 100]);
    length = length.max(110);
    yes!(t; "is told": getsockname(datagrams, (&raw mut it).cast(), &raw mut length););
    t.same(
        "five digits behind a zero",
        (length, it.sun_path[0]),
        (8, 0),
    );
    let abstracts = new(SOCK_DGRAM)?;
    t.works("a name in no folder", at(bind, abstracts, b"\0contract\0x"));
    t.refused(
        "is taken",
        at(bind, new(SOCK_DGRAM)?, b"\0contract\0x"),
        EADDRINUSE,
    );
    t.refused(
        "nobody's",
        at(connect, new(SOCK_DGRAM)?, b"\0contract"),
        ECONNREFUSED,
    );
    Ok(())
}
