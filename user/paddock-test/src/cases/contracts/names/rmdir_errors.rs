//! rmdir(2): what it does not remove.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    folder("d")?;
    folder("d/e")?;
    yes!(t; "a link": symlink(c"d".as_ptr(), c"l".as_ptr()););
    let long = CString::new(vec![b'x'; 256]).unwrap_or_default();
    no!(t;
        "full": rmdir(c"d".as_ptr()) => ENOTEMPTY;
        "its end is this": rmdir(c"d/.".as_ptr()) => EINVAL;
        "this": rmdir(c".".as_ptr()) => EINVAL;
        "its end is the one above": rmdir(c"d/e/..".as_ptr()) => ENOTEMPTY;
        "the root": rmdir(c"/".as_ptr()) => EBUSY;
        "where something is mounted": rmdir(c"/proc".as_ptr()) => EBUSY;
        "a file": rmdir(c"f".as_ptr()) => ENOTDIR;
        "a link": rmdir(c"l".as_ptr()) => ENOTDIR;
        "a link with a slash": rmdir(c"l/".as_ptr()) => ENOTDIR;
        "nothing": rmdir(c"no".as_ptr()) => ENOENT;
        "no name": rmdir(c"".as_ptr()) => ENOENT;
        "a long name": rmdir(long.as_ptr()) => ENAMETOOLONG;
        "nowhere": rmdir(8 as *const c_char) => EFAULT;
    );
    yes!(t; "with a slash": rmdir(c"d/e/".as_ptr()); "and its parent": rmdir(c"d".as_ptr()););
    no!(t; "is gone": rmdir(c"d".as_ptr()) => ENOENT;);
    Ok(())
}
