//! rmdir(2) and unlinkat(2).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    folder("d")?;
    folder("d/e")?;
    no!(t;
        "a dot": rmdir(c".".as_ptr()) => EINVAL;
        "a dot behind": rmdir(c"d/.".as_ptr()) => EINVAL;
        "two dots": rmdir(c"d/e/..".as_ptr()) => ENOTEMPTY;
        "the root": rmdir(c"/".as_ptr()) => EBUSY;
        "a file": rmdir(c"f".as_ptr()) => ENOTDIR;
        "what has something": rmdir(c"d".as_ptr()) => ENOTEMPTY;
        "nothing": rmdir(c"".as_ptr()) => ENOENT;
        "unlink of a folder": unlink(c"d".as_ptr()) => EISDIR;
        "an unknown flag": unlinkat(AT_FDCWD, c"f".as_ptr(), 1) => EINVAL;
        "AT_REMOVEDIR of a file": unlinkat(AT_FDCWD, c"f".as_ptr(), AT_REMOVEDIR) => ENOTDIR;
        "in a file": unlinkat(AT_FDCWD, c"f/x".as_ptr(), 0) => ENOTDIR;
    );
    yes!(t; "AT_REMOVEDIR": unlinkat(AT_FDCWD, c"d/e".as_ptr(), AT_REMOVEDIR););
    Ok(())
}
