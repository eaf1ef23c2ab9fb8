//! openat(2): where a path begins.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    folder("d")?;
    file("d/f", b"abc")?;
    file("g", b"abc")?;
    let folder = call!(open(c"d".as_ptr(), O_RDONLY | O_DIRECTORY))?;
    let plain = call!(open(c"g".as_ptr(), O_RDONLY))?;
    no!(t;
        "a closed one": openat(999, c"f".as_ptr(), O_RDONLY) => EBADF;
        "a negative one": openat(-1, c"f".as_ptr(), O_RDONLY) => EBADF;
        "a file": openat(plain, c"f".as_ptr(), O_RDONLY) => ENOTDIR;
        "no name": openat(folder, c"".as_ptr(), O_RDONLY) => ENOENT;
        "not there": openat(folder, c"g".as_ptr(), O_RDONLY) => ENOENT;
        "a folder it must be": openat(folder, c"f".as_ptr(), O_RDONLY | O_DIRECTORY) => ENOTDIR;
    );
    yes!(t; "from there": openat(folder, c"f".as_ptr(), O_RDONLY);
        "up": openat(folder, c"../g".as_ptr(), O_RDONLY);
        "a whole path, whatever it begins with": openat(999, c"/".as_ptr(), O_RDONLY);
        "itself": openat(folder, c".".as_ptr(), O_RDONLY);
        "from here": openat(AT_FDCWD, c"g".as_ptr(), O_RDONLY););
    yes!(t; "moved": rename(c"d".as_ptr(), c"e".as_ptr());
        "and still from there": openat(folder, c"f".as_ptr(), O_RDONLY);
        "emptied": unlinkat(folder, c"f".as_ptr(), 0);
        "removed": rmdir(c"e".as_ptr()););
    no!(t; "in what is gone": openat(folder, c"n".as_ptr(), O_CREAT | O_RDWR, 0o600) => ENOENT;);
    Ok(())
}
