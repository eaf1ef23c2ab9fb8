//! link(2), symlink(2) and readlink(2).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    folder("d")?;
    let mut bytes = [0u8; 8];
    let at = bytes.as_mut_ptr();
    no!(t;
        "a folder": link(c"d".as_ptr(), c"x".as_ptr()) => EPERM;
        "what is there": link(c"f".as_ptr(), c"d".as_ptr()) => EEXIST;
        "a flag": linkat(AT_FDCWD, c"f".as_ptr(), AT_FDCWD, c"x".as_ptr(), 1) => EINVAL;
        "an empty target": symlink(c"".as_ptr(), c"x".as_ptr()) => ENOENT;
        "an empty name": symlink(c"f".as_ptr(), c"".as_ptr()) => ENOENT;
        "no link": readlink(c"f".as_ptr(), at.cast(), 8) => EINVAL;
        "nothing": readlink(c"".as_ptr(), at.cast(), 8) => ENOENT;
    );
    yes!(t; "a long one": symlink(c"0123456789".as_ptr(), c"l".as_ptr()););
    t.refused(
        "no room",
        raw!(SYS_readlinkat, AT_FDCWD, c"l".as_ptr(), at, 0),
        EINVAL,
    );
    t.same(
        "cut",
        raw!(SYS_readlinkat, AT_FDCWD, c"l".as_ptr(), at, 8),
        Ok(8),
    );
    t.same("without an end", bytes, *b"01234567");
    let fd = call!(open(c"l".as_ptr(), O_PATH | O_NOFOLLOW))?;
    t.same(
        "by its descriptor",
        raw!(SYS_readlinkat, fd, c"".as_ptr(), at, 8),
        Ok(8),
    );
    yes!(t; "linked, not followed": link(c"l".as_ptr(), c"m".as_ptr());
        "an empty path": linkat(fd, c"".as_ptr(), AT_FDCWD, c"n".as_ptr(), AT_EMPTY_PATH););
    t.refused(
        "followed to nothing",
        call!(linkat(
            AT_FDCWD,
            c"l".as_ptr(),
            AT_FDCWD,
            c"o".as_ptr(),
            AT_SYMLINK_FOLLOW
        )),
        ENOENT,
    );
    Ok(())
}
