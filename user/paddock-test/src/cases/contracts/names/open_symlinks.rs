//! open(2) and what it finds at the end of a path: O_EXCL, O_NOFOLLOW, O_DIRECTORY, O_PATH.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    yes!(t; "one to nothing": symlink(c"target".as_ptr(), c"link".as_ptr());
        "one to a folder": symlink(c".".as_ptr(), c"here".as_ptr());
        "one to itself": symlink(c"loop".as_ptr(), c"loop".as_ptr()););
    no!(t;
        "to nothing": open(c"link".as_ptr(), O_RDONLY) => ENOENT;
        "O_EXCL": open(c"link".as_ptr(), O_CREAT | O_EXCL | O_WRONLY, 0o644) => EEXIST;
        "O_NOFOLLOW": open(c"link".as_ptr(), O_NOFOLLOW) => ELOOP;
        "O_NOFOLLOW and O_DIRECTORY": open(c"here".as_ptr(), O_NOFOLLOW | O_DIRECTORY) => ENOTDIR;
        "a circle": open(c"loop".as_ptr(), O_RDONLY) => ELOOP;
        "through a circle": open(c"loop/x".as_ptr(), O_RDONLY) => ELOOP;
    );
    yes!(t; "O_CREAT makes its target": open(c"link".as_ptr(), O_CREAT | O_WRONLY, 0o644);
        "which is there": access(c"target".as_ptr(), F_OK);
        "O_NOFOLLOW on the way": open(c"here/target".as_ptr(), O_NOFOLLOW););
    let path = call!(open(c"loop".as_ptr(), O_PATH | O_NOFOLLOW))?;
    t.same("O_PATH has the link", kind(path)?, S_IFLNK);
    no!(t; "O_DIRECTORY of a file": open(c"target".as_ptr(), O_DIRECTORY) => ENOTDIR;);
    Ok(())
}
