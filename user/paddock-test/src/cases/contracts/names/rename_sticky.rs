//! rename(2), unlink(2), rmdir(2): in a sticky folder only the owner may (EPERM).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    folder("s")?;
    file("s/f", b"")?;
    folder("s/d")?;
    folder("shut")?;
    file("shut/f", b"")?;
    yes!(t; "sticky": chmod(c"s".as_ptr(), 0o1777); "anybody's file": chmod(c"s/f".as_ptr(), 0o666););
    as_nobody(t, |t| {
        yes!(t; "its own": open(c"s/own".as_ptr(), O_CREAT | O_WRONLY, 0o600););
        no!(t;
            "renamed": rename(c"s/f".as_ptr(), c"s/g".as_ptr()) => EPERM;
            "written over": rename(c"s/own".as_ptr(), c"s/f".as_ptr()) => EPERM;
            "removed": unlink(c"s/f".as_ptr()) => EPERM;
            "a folder removed": rmdir(c"s/d".as_ptr()) => EPERM;
            "where nothing may be written": unlink(c"shut/f".as_ptr()) => EACCES;
            "to where nothing may be written": rename(c"s/own".as_ptr(), c"shut/x".as_ptr()) => EACCES;
            "nor is anything linked": link(c"s/own".as_ptr(), c"shut/x".as_ptr()) => EACCES;
            "no link made": symlink(c"x".as_ptr(), c"shut/x".as_ptr()) => EACCES;
            "no folder": mkdir(c"shut/x".as_ptr(), 0o700) => EACCES;
            "which is there": mkdir(c"shut/f".as_ptr(), 0o700) => EEXIST;
        );
        yes!(t; "its own renamed": rename(c"s/own".as_ptr(), c"s/mine".as_ptr());
            "its own removed": unlink(c"s/mine".as_ptr()););
        Ok(())
    })
}
