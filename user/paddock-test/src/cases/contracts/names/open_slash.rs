//! A path with a slash at its end is a directory's (path_resolution(7)).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"x")?;
    no!(t;
        "open makes no folder": open(c"new/".as_ptr(), O_CREAT | O_WRONLY, 0o644) => EISDIR;
        "a file is none": open(c"f/".as_ptr(), O_RDONLY) => ENOTDIR;
        "to unlink": unlink(c"f/".as_ptr()) => ENOTDIR;
        "to rename a file": rename(c"f".as_ptr(), c"g/".as_ptr()) => ENOTDIR;
        "to make a link": link(c"f".as_ptr(), c"g/".as_ptr()) => ENOENT;
        "to make a symlink": symlink(c"f".as_ptr(), c"g/".as_ptr()) => ENOENT;
        "to make a fifo": mkfifo(c"g/".as_ptr(), 0o644) => ENOENT;
    );
    yes!(t; "a folder is made": mkdir(c"d/".as_ptr(), 0o755); "and renamed": rename(c"d/".as_ptr(), c"e/".as_ptr()););
    no!(t; "unlink of a folder": unlink(c"e/".as_ptr()) => EISDIR;);
    yes!(t; "and removed": rmdir(c"e/".as_ptr()););
    Ok(())
}
