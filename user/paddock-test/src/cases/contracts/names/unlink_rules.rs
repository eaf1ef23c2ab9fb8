//! unlink(2) and unlinkat(2).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"abc")?;
    folder("d")?;
    folder("d/full")?;
    let long = CString::new(vec![b'x'; 256]).unwrap_or_default();
    let fd = call!(open(c"f".as_ptr(), O_RDWR))?;
    let at = |fd: i32, path: &CStr, flags: i32| call!(unlinkat(fd, path.as_ptr(), flags));
    no!(t;
        "a folder": unlink(c"d".as_ptr()) => EISDIR;
        "nothing": unlink(c"no".as_ptr()) => ENOENT;
        "no name": unlink(c"".as_ptr()) => ENOENT;
        "in a file": unlink(c"f/x".as_ptr()) => ENOTDIR;
        "with a slash": unlink(c"f/".as_ptr()) => ENOTDIR;
        "a folder with a slash": unlink(c"d/".as_ptr()) => EISDIR;
        "a long name": unlink(long.as_ptr()) => ENAMETOOLONG;
        "nowhere": unlink(8 as *const c_char) => EFAULT;
        "itself": unlink(c".".as_ptr()) => EISDIR;
    );
    t.refused("a flag", at(AT_FDCWD, c"f", 1), EINVAL);
    t.refused(
        "a file as a folder",
        at(AT_FDCWD, c"f", AT_REMOVEDIR),
        ENOTDIR,
    );
    t.refused("a full folder", at(AT_FDCWD, c"d", AT_REMOVEDIR), ENOTEMPTY);
    t.refused("from a closed one", at(999, c"f", 0), EBADF);
    t.refused("from a file", at(fd, c"f", 0), ENOTDIR);
    t.works("an empty folder", at(AT_FDCWD, c"d/full", AT_REMOVEDIR));
    yes!(t; "a second name": link(c"f".as_ptr(), c"g".as_ptr()););
    let before = stat_of(fd)?;
    t.works("one", at(AT_FDCWD, c"g", 0));
    t.same("one less", stat_of(fd)?.st_nlink, before.st_nlink - 1);
    t.works("the last", at(AT_FDCWD, c"f", 0));
    t.same("no name", stat_of(fd)?.st_nlink, 0);
    t.works("is written", sys::write(fd, b"xy"));
    t.same("and there", stat_of(fd)?.st_size, 3);
    Ok(())
}
