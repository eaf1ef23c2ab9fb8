//! renameat(2), linkat(2), symlinkat(2), mkdirat(2): where both paths begin.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    folder("a")?;
    folder("b")?;
    file("a/f", b"abc")?;
    file("plain", b"")?;
    let from = call!(open(c"a".as_ptr(), O_RDONLY))?;
    let to = call!(open(c"b".as_ptr(), O_PATH))?;
    let plain = call!(open(c"plain".as_ptr(), O_RDONLY))?;
    let (f, g) = (c"f".as_ptr(), c"g".as_ptr());
    no!(t;
        "from a closed one": renameat(999, f, to, g) => EBADF;
        "to a closed one": renameat(from, f, 999, g) => EBADF;
        "from a file": renameat(plain, f, to, g) => ENOTDIR;
        "to a file": renameat(from, f, plain, g) => ENOTDIR;
        "linked from a closed one": linkat(999, f, to, g, 0) => EBADF;
        "linked to a closed one": linkat(from, f, 999, g, 0) => EBADF;
        "linked with a flag": linkat(from, f, to, g, 1) => EINVAL;
        "a folder at a closed one": mkdirat(999, g, 0o700) => EBADF;
        "a folder at a file": mkdirat(plain, g, 0o700) => ENOTDIR;
        "a node at a closed one": mknodat(999, g, S_IFREG | 0o600, 0) => EBADF;
        "a link at a file": symlinkat(f, plain, g) => ENOTDIR;
        "permissions at a file": fchmodat(plain, g, 0o600, 0) => ENOTDIR;
        "an owner at a closed one": fchownat(999, g, 0, 0, 0) => EBADF;
        "an owner with a flag": fchownat(from, f, 0, 0, 1) => EINVAL;
        "access with a flag": syscall(SYS_faccessat2, from, f, R_OK, 1) => EINVAL;
    );
    yes!(t; "linked": linkat(from, f, to, g, 0); "renamed": renameat(from, f, to, c"h".as_ptr());
        "a whole path, wherever": renameat(999, c"/proc/self/cwd/b/h".as_ptr(), to, c"i".as_ptr());
        "made": mkdirat(to, c"d".as_ptr(), 0o700););
    t.same("is there", text("b/i"), "abc".into());
    t.same("and there", text("b/g"), "abc".into());
    let place = call!(openat(to, g, O_PATH))?;
    yes!(t; "linked by its descriptor": linkat(place, c"".as_ptr(), from, f, AT_EMPTY_PATH););
    t.same("as it was", text("a/f"), "abc".into());
    Ok(())
}
