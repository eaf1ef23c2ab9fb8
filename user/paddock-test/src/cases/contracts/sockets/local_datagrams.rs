//! unix(7): datagrams; a full queue, a peer that is gone, one that is another's.
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

pub fn run(t: &mut Report) -> Outcome {
    let new = || call!(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));
    let name = |fd: i32, path: &[u8]| {
        let (it, length) = address(path);
        call!(bind(fd, (&raw const it).cast(), length))
    };
    let join = |fd: i32, path: &[u8]| {
        let (it, length) = address(path);
        call!(connect(fd, (&raw const it).cast(), length))
    };
    let at: *const c_void = b"abc".as_ptr().cast();
    let to = |fd: i32, path: &[u8]| {
        let (it, length) = address(path);
        call!(sendto(fd, at, 3, 0, (&raw const it).cast(), length))
    };
    let (first, second, third) = (new()?, new()?, new()?);
    name(first, b"a")?;
    name(second, b"b")?;
    t.same("sent to a name", to(second, b"a"), Ok(3));
    t.refused("to nothing", to(second, b"no"), ENOENT);
    let mut bytes = [0u8; 8];
    let (mut from, mut length) = address(&[0; 100]);
    length = 110.max(length);
    let into: *mut c_void = bytes.as_mut_ptr().cast();
    let came = call!(recvfrom(
        first,
        into,
        8,
        0,
        (&raw mut from).cast(),
        &raw mut length
    ));
    t.same("comes", came, Ok(3));
    t.same(
        "with the sender's name",
        (from.sun_path[0] as u8, length),
        (b'b', 4),
    );
    t.same("from nobody", to(third, b"a"), Ok(3));
    let came = call!(recvfrom(
        first,
        into,
        8,
        0,
        (&raw mut from).cast(),
        &raw mut length
    ));
    t.same("comes too", (came, length), (Ok(3), 0));
    t.works("joined", join(first, b"b"));
    t.refused("so others may not send to it", to(third, b"a"), EPERM);
    t.same("but its peer may", to(second, b"a"), Ok(3));
    t.works("joins", join(third, b"b"));
    let mut sent = 0;
    let error = loop {
        match call!(send(third, at, 3, 0)) {
            Ok(_) => sent += 1,
            Err(error) => break error,
        }
    };
    t.same("a full queue", error, Errno(EAGAIN));
    t.check("is of some", sent > 5);
    t.same("does not poll", ready(third, POLLOUT), Ok(0));
    sys::close(second)?;
    t.refused(
        "a peer that is gone",
        call!(send(third, at, 3, 0)),
        ECONNREFUSED,
    );
    t.refused("has no peer then", call!(send(third, at, 3, 0)), ENOTCONN);
    t.refused("nobody has the name", to(third, b"b"), ECONNREFUSED);
    Ok(())
}
