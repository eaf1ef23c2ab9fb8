//! chdir(2) and fchdir(2): where one may go, and what is there then.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    folder("d")?;
    folder("d/closed")?;
    folder("searched")?;
    yes!(t; "no right to search": chmod(c"d/closed".as_ptr(), 0o644);
        "no right to list": chmod(c"searched".as_ptr(), 0o711);
        "a link": symlink(c"d".as_ptr(), c"l".as_ptr());
        "a circle": symlink(c"o".as_ptr(), c"o".as_ptr()););
    let long = word(&"x".repeat(256));
    no!(t;
        "a file": chdir(c"f".as_ptr()) => ENOTDIR;
        "nothing": chdir(c"no".as_ptr()) => ENOENT;
        "no name": chdir(c"".as_ptr()) => ENOENT;
        "a circle is nowhere": chdir(c"o".as_ptr()) => ELOOP;
        "a long name": chdir(long.as_ptr()) => ENAMETOOLONG;
        "nowhere": chdir(8 as *const c_char) => EFAULT;
        "no descriptor": fchdir(-1) => EBADF;
        "a file's descriptor": fchdir(opened("f", O_RDONLY)?) => ENOTDIR;
    );
    let closed = opened("d/closed", O_RDONLY)?;
    let here = std::env::current_dir().map_err(|error| error.to_string())?;
    as_nobody(t, |t| {
        no!(t; "not to be searched": chdir(c"d/closed".as_ptr()) => EACCES;
            "by a descriptor neither": fchdir(closed) => EACCES;
            "cannot be listed": open(c"searched".as_ptr(), O_RDONLY) => EACCES;);
        yes!(t; "but gone to": chdir(c"searched".as_ptr()););
        Ok(())
    })?;
    yes!(t; "root may": fchdir(closed); "and back": chdir(c"../../l".as_ptr()););
    let now = std::env::current_dir().map_err(|error| error.to_string())?;
    t.same("a link is not where one is", now, here.join("d"));
    yes!(t; "renamed": rename(c"../d".as_ptr(), c"../e".as_ptr()););
    let now = std::env::current_dir().map_err(|error| error.to_string())?;
    t.same("the new name is told", now, here.join("e"));
    let end = sys::in_child(|| unless(call!(chdir(c"/".as_ptr())).is_ok()));
    t.same("a child goes elsewhere", end, Ok(End::Exited(0)));
    t.check(
        "its parent does not",
        std::path::Path::new("closed").exists(),
    );
    Ok(())
}
