//! open(2): O_CREAT and O_EXCL, and what cannot be made.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"abc")?;
    folder("d")?;
    yes!(t; "a link to nothing": symlink(c"new".as_ptr(), c"l".as_ptr()););
    let long = CString::new(vec![b'x'; 256]).unwrap_or_default();
    let path = CString::new("./".repeat(2048)).unwrap_or_default();
    let make = O_CREAT | O_WRONLY;
    no!(t;
        "made twice": open(c"f".as_ptr(), make | O_EXCL, 0o600) => EEXIST;
        "a folder, made twice": open(c"d".as_ptr(), make | O_EXCL, 0o600) => EEXIST;
        "a link counts": open(c"l".as_ptr(), make | O_EXCL, 0o600) => EEXIST;
        "a folder": open(c"d".as_ptr(), make, 0o600) => EISDIR;
        "a name of 256 bytes": open(long.as_ptr(), make, 0o600) => ENAMETOOLONG;
        "a path of 4096 bytes": open(path.as_ptr(), O_RDONLY) => ENAMETOOLONG;
        "in a file": open(c"f/x".as_ptr(), make, 0o600) => ENOTDIR;
        "in nothing": open(c"no/x".as_ptr(), make, 0o600) => ENOENT;
        "nowhere": open(8 as *const c_char, make, 0o600) => EFAULT;
        "nothing there": open(c"no".as_ptr(), O_RDONLY) => ENOENT;
        "no name": open(c"".as_ptr(), make, 0o600) => ENOENT;
    );
    let fd = call!(open(c"l".as_ptr(), make, 0o600))?;
    t.works("through the link", sys::write(fd, b"x"));
    t.same("what it says is made", text("new"), "x".into());
    let fd = call!(open(c"f".as_ptr(), make | O_TRUNC, 0o600))?;
    t.same("emptied", stat_of(fd)?.st_size, 0);
    let fd = call!(open(c"r".as_ptr(), O_CREAT | O_WRONLY, 0o444))?;
    t.works("written though none may", sys::write(fd, b"x"));
    Ok(())
}
