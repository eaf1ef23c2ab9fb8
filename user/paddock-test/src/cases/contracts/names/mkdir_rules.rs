//! mkdir(2): modes, links, and what refuses one.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    yes!(t; "a link to nothing": symlink(c"no".as_ptr(), c"l".as_ptr());
        "a circle": symlink(c"o".as_ptr(), c"o".as_ptr()););
    // SAFETY: has no conditions.
    unsafe { umask(0o022) };
    yes!(t; "all bits": mkdir(c"d".as_ptr(), 0o7777););
    t.same("no set-ids, less the umask", mode("d"), Ok(0o1755));
    t.same("two links", status("d").map(|it| it.st_nlink as u64), Ok(2));
    yes!(t; "one within": mkdir(c"d/e".as_ptr(), 0o700););
    t.same("a third", status("d").map(|it| it.st_nlink as u64), Ok(3));
    yes!(t; "it goes": rmdir(c"d/e".as_ptr()););
    t.same("two again", status("d").map(|it| it.st_nlink as u64), Ok(2));
    let long = word(&"x".repeat(256));
    no!(t;
        "what is there": mkdir(c"d".as_ptr(), 0o755) => EEXIST;
        "a file is there": mkdir(c"f".as_ptr(), 0o755) => EEXIST;
        "a link is there": mkdir(c"l".as_ptr(), 0o755) => EEXIST;
        "a dot": mkdir(c".".as_ptr(), 0o755) => EEXIST;
        "two dots": mkdir(c"..".as_ptr(), 0o755) => EEXIST;
        "through the link": mkdir(c"l/x".as_ptr(), 0o755) => ENOENT;
        "in a file": mkdir(c"f/x".as_ptr(), 0o755) => ENOTDIR;
        "a circle": mkdir(c"o/x".as_ptr(), 0o755) => ELOOP;
        "no name": mkdir(c"".as_ptr(), 0o755) => ENOENT;
        "a long one": mkdir(long.as_ptr(), 0o755) => ENAMETOOLONG;
        "nowhere": mkdir(8 as *const c_char, 0o755) => EFAULT;
    );
    as_nobody(t, |t| {
        no!(t; "in another's": mkdir(c"d/x".as_ptr(), 0o755) => EACCES;
            "there, in another's": mkdir(c"f".as_ptr(), 0o755) => EEXIST;);
        Ok(())
    })
}
