//! faccessat2(2).
use crate::cases::contracts::prelude::*;

fn may(path: &CStr, mode: i32, flags: i32) -> Result<i64, Errno> {
    raw!(SYS_faccessat2, AT_FDCWD, path.as_ptr(), mode, flags)
}

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    yes!(t; "a mode": chmod(c"f".as_ptr(), 0o644); "a link": symlink(c"no".as_ptr(), c"l".as_ptr()););
    t.works("there", may(c"f", F_OK, 0));
    t.works("root reads and writes", may(c"f", R_OK | W_OK, AT_EACCESS));
    t.refused("root executes what may be", may(c"f", X_OK, 0), EACCES);
    t.refused("a mode too many", may(c"f", 8, 0), EINVAL);
    t.refused("a flag too many", may(c"f", F_OK, 1), EINVAL);
    t.refused("a link to nothing", may(c"l", F_OK, 0), ENOENT);
    t.works("the link", may(c"l", F_OK, AT_SYMLINK_NOFOLLOW));
    t.refused("nothing", may(c"", F_OK, 0), ENOENT);
    t.works("here", may(c"", F_OK, AT_EMPTY_PATH));
    t.refused("through a file", may(c"f/x", F_OK, 0), ENOTDIR);
    Ok(())
}
