//! access(2): what is no question, and what is not found.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    let long = word(&"x".repeat(256));
    let path = word(&"d/".repeat(2050));
    yes!(t; "a circle": symlink(c"a".as_ptr(), c"b".as_ptr());
        "of two": symlink(c"b".as_ptr(), c"a".as_ptr());
        "a link to nothing": symlink(c"no".as_ptr(), c"l".as_ptr()););
    no!(t;
        "a mode of all bits": access(c"f".as_ptr(), -1) => EINVAL;
        "a fourth bit": access(c"f".as_ptr(), 8) => EINVAL;
        "no name": access(c"".as_ptr(), W_OK) => ENOENT;
        "nothing": access(c"no".as_ptr(), F_OK) => ENOENT;
        "a link to it": access(c"l".as_ptr(), F_OK) => ENOENT;
        "a long name": access(long.as_ptr(), R_OK) => ENAMETOOLONG;
        "a long path": access(path.as_ptr(), R_OK) => ENAMETOOLONG;
        "through a file": access(c"f/x".as_ptr(), R_OK) => ENOTDIR;
        "in a circle": access(c"a".as_ptr(), W_OK) => ELOOP;
        "nowhere": access(8 as *const c_char, F_OK) => EFAULT;
        "the last of memory": access(usize::MAX as *const c_char, R_OK) => EFAULT;
    );
    let at = |flags: i32| raw!(SYS_faccessat2, AT_FDCWD, c"l".as_ptr(), F_OK, flags);
    t.works("the link is there", at(AT_SYMLINK_NOFOLLOW));
    t.refused("an unknown flag", at(0x8000), EINVAL);
    let fd = opened("f", O_PATH)?;
    let empty = raw!(SYS_faccessat2, fd, c"".as_ptr(), R_OK, AT_EMPTY_PATH);
    t.works("a file by its descriptor", empty);
    t.refused(
        "not without the flag",
        raw!(SYS_faccessat, fd, c"".as_ptr(), R_OK),
        ENOENT,
    );
    Ok(())
}
