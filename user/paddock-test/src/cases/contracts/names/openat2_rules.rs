//! openat2(2): the structure, and what it refuses of flags and modes.
use crate::cases::contracts::prelude::*;

fn at(path: &CStr, how: [u64; 4], size: usize) -> Result<i64, Errno> {
    raw!(SYS_openat2, AT_FDCWD, path.as_ptr(), how.as_ptr(), size)
}

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"abc")?;
    let (make, tmp) = (O_CREAT as u64, O_TMPFILE as u64);
    let f = |flags: u64, mode: u64, resolve: u64| at(c"f", [flags, mode, resolve, 0], 24);
    t.works("plain", f(0, 0, 0));
    t.refused("too small", at(c"f", [0; 4], 23), EINVAL);
    t.refused("no structure", at(c"f", [0; 4], 0), EINVAL);
    t.refused("beyond a page", at(c"f", [0; 4], 4097), E2BIG);
    t.works("larger with zeros", at(c"f", [0; 4], 32));
    t.refused("larger with more", at(c"f", [0, 0, 0, 1], 32), E2BIG);
    t.refused("an unknown flag", f(1 << 40, 0, 0), EINVAL);
    t.refused("one of 32 bits", f(1 << 31, 0, 0), EINVAL);
    t.refused("a mode without making", f(0, 0o600, 0), EINVAL);
    t.refused("a mode of more bits", f(make, 0o1_0000, 0), EINVAL);
    t.refused("an unknown rule", f(0, 0, 1 << 20), EINVAL);
    t.refused("two that exclude each other", f(0, 0, 0x18), EINVAL);
    let path = O_PATH as u64;
    t.refused(
        "a place and its writing",
        f(path | O_RDWR as u64, 0, 0),
        EINVAL,
    );
    t.refused("a place to be cut", f(path | O_TRUNC as u64, 0, 0), EINVAL);
    t.refused(
        "a nameless one to read",
        at(c".", [tmp, 0o600, 0, 0], 24),
        EINVAL,
    );
    let nowhere = raw!(SYS_openat2, AT_FDCWD, c"f".as_ptr(), 8, 24);
    t.refused("nowhere", nowhere, EFAULT);
    let how = [0u64; 3];
    let closed = raw!(SYS_openat2, 999, c"f".as_ptr(), how.as_ptr(), 24);
    t.refused("a closed folder", closed, EBADF);
    let made = at(c"new", [make | O_WRONLY as u64, 0o640, 0, 0], 24);
    t.works("made", made);
    t.same(
        "with its mode",
        mode_of(c"new").map(|it| it & !0o022),
        Ok(0o640),
    );
    Ok(())
}
