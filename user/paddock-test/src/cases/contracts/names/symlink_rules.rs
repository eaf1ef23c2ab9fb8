//! symlink(2) and symlinkat(2).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    let long = CString::new(vec![b'x'; 256]).unwrap_or_default();
    let most = CString::new(vec![b'x'; 4095]).unwrap_or_default();
    let beyond = CString::new(vec![b'x'; 4096]).unwrap_or_default();
    let fd = call!(open(c"f".as_ptr(), O_RDONLY))?;
    no!(t;
        "what is there": symlink(c"x".as_ptr(), c"f".as_ptr()) => EEXIST;
        "to no name": symlink(c"".as_ptr(), c"l".as_ptr()) => ENOENT;
        "of no name": symlink(c"x".as_ptr(), c"".as_ptr()) => ENOENT;
        "in nothing": symlink(c"x".as_ptr(), c"no/l".as_ptr()) => ENOENT;
        "in a file": symlink(c"x".as_ptr(), c"f/l".as_ptr()) => ENOTDIR;
        "of a long name": symlink(c"x".as_ptr(), long.as_ptr()) => ENAMETOOLONG;
        "to a path of 4096 bytes": symlink(beyond.as_ptr(), c"l".as_ptr()) => ENAMETOOLONG;
        "nowhere": symlink(8 as *const c_char, c"l".as_ptr()) => EFAULT;
        "named nowhere": symlink(c"x".as_ptr(), 8 as *const c_char) => EFAULT;
        "with a slash": symlink(c"x".as_ptr(), c"l/".as_ptr()) => ENOENT;
        "in a closed folder": symlinkat(c"x".as_ptr(), 999, c"l".as_ptr()) => EBADF;
        "at a file": symlinkat(c"x".as_ptr(), fd, c"l".as_ptr()) => ENOTDIR;
    );
    yes!(t; "to the longest": symlink(most.as_ptr(), c"l".as_ptr()););
    let found = std::fs::symlink_metadata("l").map_err(|it| it.to_string())?;
    t.same("its size", found.len(), 4095);
    t.same("all may", mode_of(c"l"), Ok(0o777));
    t.refused(
        "a long way",
        call!(open(c"l".as_ptr(), O_RDONLY)),
        ENAMETOOLONG,
    );
    no!(t; "again": symlink(c"x".as_ptr(), c"l".as_ptr()) => EEXIST;);
    Ok(())
}
