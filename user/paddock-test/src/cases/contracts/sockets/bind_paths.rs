//! bind(2), AF_UNIX: paths, and the names that begin with a zero (unix(7)).
use crate::cases::contracts::prelude::*;

fn address(path: &[u8]) -> (sockaddr_un, u32) {
    // SAFETY: plain numbers.
    let mut it: sockaddr_un = unsafe { std::mem::zeroed() };
    it.sun_family = AF_UNIX as _;
    for (place, byte) in it.sun_path.iter_mut().zip(path) {
        *place = *byte as _;
    }
    (it, 2 + path.len() as u32)
}

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    folder("closed")?;
    yes!(t; "closed": chmod(c"closed".as_ptr(), 0o700); "a circle": symlink(c"o".as_ptr(), c"o".as_ptr()););
    let new = || call!(socket(AF_UNIX, SOCK_STREAM, 0));
    let to = |fd: i32, path: &[u8]| {
        let (it, length) = address(path);
        call!(bind(fd, (&raw const it).cast(), length))
    };
    let fd = new()?;
    t.refused("a file is there", to(fd, b"f\0"), EADDRINUSE);
    t.refused("below a file", to(fd, b"f/s\0"), ENOTDIR);
    t.refused("below nothing", to(fd, b"no/s\0"), ENOENT);
    t.refused("in a circle", to(fd, b"o/s\0"), ELOOP);
    t.refused("a link is there", to(fd, b"o\0"), EADDRINUSE);
    let (long, _) = address(&[b'x'; 108]);
    t.refused(
        "a length beyond the structure",
        call!(bind(fd, (&raw const long).cast(), 200)),
        EINVAL,
    );
    // SAFETY: has no conditions.
    unsafe { umask(0o022) };
    t.works("a path", to(fd, b"s\0"));
    t.same(
        "is a socket",
        status("s").map(|it| it.st_mode),
        Ok(S_IFSOCK | 0o755),
    );
    t.refused("once", to(fd, b"t\0"), EINVAL);
    let other = new()?;
    t.refused("by nobody else", to(other, b"s\0"), EADDRINUSE);
    sys::close(fd)?;
    t.refused("its file stays", to(other, b"s\0"), EADDRINUSE);
    yes!(t; "until it is removed": unlink(c"s".as_ptr()););
    t.works("then", to(other, b"s\0"));
    let name = format!("\0contract-{}", own_pid());
    let abstract_one = new()?;
    t.works("a name without a file", to(abstract_one, name.as_bytes()));
    t.refused("is taken", to(new()?, name.as_bytes()), EADDRINUSE);
    t.works(
        "a zero more is another",
        to(new()?, format!("{name}\0").as_bytes()),
    );
    sys::close(abstract_one)?;
    t.works("closed, it is free", to(new()?, name.as_bytes()));
    let chosen = new()?;
    t.works("no name: the kernel's choice", to(chosen, b""));
    let (mut found, mut length) = address(b"");
    yes!(t; "it is told": getsockname(chosen, (&raw mut found).cast(), &raw mut length););
    t.same("a zero and five digits", length, 8);
    as_nobody(t, |t| {
        t.refused("in a closed folder", to(new()?, b"closed/s\0"), EACCES);
        t.refused("in another's", to(new()?, b"n\0"), EACCES);
        Ok(())
    })
}
