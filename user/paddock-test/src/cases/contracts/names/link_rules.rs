//! link(2) and linkat(2): what gets another name.
use crate::cases::contracts::prelude::*;

fn at(from: i32, old: &CStr, new: &CStr, flags: i32) -> Result<i32, Errno> {
    call!(linkat(from, old.as_ptr(), AT_FDCWD, new.as_ptr(), flags))
}

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    folder("d")?;
    folder("closed")?;
    yes!(t; "a link": symlink(c"f".as_ptr(), c"l".as_ptr()); "to nothing": symlink(c"no".as_ptr(), c"n".as_ptr());
        "a circle": symlink(c"o".as_ptr(), c"o".as_ptr()); "another's": chmod(c"closed".as_ptr(), 0o700););
    let links = |name: &str| status(name).map(|it| it.st_nlink as u64);
    let long = word(&"x".repeat(256));
    t.works("a second name", at(AT_FDCWD, c"f", c"g", 0));
    t.same("two", links("f"), Ok(2));
    t.works("of a link itself", at(AT_FDCWD, c"l", c"m", 0));
    t.same(
        "is another link",
        status("m").map(|it| it.st_mode & S_IFMT),
        Ok(S_IFLNK),
    );
    t.works(
        "AT_SYMLINK_FOLLOW",
        at(AT_FDCWD, c"l", c"h", AT_SYMLINK_FOLLOW),
    );
    t.same("is of the file", links("f"), Ok(3));
    t.works("of one to nothing", at(AT_FDCWD, c"n", c"p", 0));
    t.refused(
        "followed",
        at(AT_FDCWD, c"n", c"q", AT_SYMLINK_FOLLOW),
        ENOENT,
    );
    t.refused(
        "a circle, followed",
        at(AT_FDCWD, c"o", c"q", AT_SYMLINK_FOLLOW),
        ELOOP,
    );
    t.refused("a flag", at(AT_FDCWD, c"f", c"q", 1), EINVAL);
    t.refused("a folder", at(AT_FDCWD, c"d", c"q", 0), EPERM);
    t.refused("what is there", at(AT_FDCWD, c"f", c"g", 0), EEXIST);
    t.refused("a link is there", at(AT_FDCWD, c"f", c"n", 0), EEXIST);
    t.refused("no name", at(AT_FDCWD, c"f", c"", 0), ENOENT);
    t.refused("of none", at(AT_FDCWD, c"", c"q", 0), ENOENT);
    t.refused("a long one", at(AT_FDCWD, c"f", &long, 0), ENAMETOOLONG);
    t.refused("of a long one", at(AT_FDCWD, &long, c"q", 0), ENAMETOOLONG);
    t.refused("through a file", at(AT_FDCWD, c"f/x", c"q", 0), ENOTDIR);
    t.refused(
        "of another filesystem",
        at(AT_FDCWD, c"/proc/self/stat", c"q", 0),
        EXDEV,
    );
    let fd = opened("f", O_RDONLY)?;
    t.works("by its descriptor", at(fd, c"", c"i", AT_EMPTY_PATH));
    t.same("four", links("f"), Ok(4));
    t.refused("not without the flag", at(fd, c"", c"j", 0), ENOENT);
    t.refused("in a file", at(fd, c"x", c"j", 0), ENOTDIR);
    t.refused("in what is closed", at(999, c"x", c"j", 0), EBADF);
    as_nobody(t, |t| {
        t.refused(
            "from a closed folder",
            at(AT_FDCWD, c"closed/f", c"q", 0),
            EACCES,
        );
        Ok(())
    })
}
