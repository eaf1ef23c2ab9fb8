//! creat(2): a new file, an old one, and what is neither.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("old", b"content")?;
    folder("d")?;
    yes!(t; "its mode": chmod(c"old".as_ptr(), 0o640); "a circle": symlink(c"o".as_ptr(), c"o".as_ptr());
        "a link to nothing": symlink(c"target".as_ptr(), c"l".as_ptr()););
    // SAFETY: has no conditions.
    unsafe { umask(0o027) };
    let fd = call!(creat(c"new".as_ptr(), 0o4777))?;
    t.same("less the umask", mode("new"), Ok(0o4750));
    let mut byte = 0u8;
    no!(t; "it cannot be read": read(fd, (&raw mut byte).cast(), 1) => EBADF;);
    yes!(t; "it can be written": write(fd, c"ab".as_ptr().cast(), 2); "an old one": creat(c"old".as_ptr(), 0o777););
    t.same("is cut", status("old").map(|it| it.st_size), Ok(0));
    t.same("keeps its mode", mode("old"), Ok(0o640));
    t.works("a mode that forbids it", call!(creat(c"none".as_ptr(), 0)));
    yes!(t; "by a link": creat(c"l".as_ptr(), 0o600););
    t.same("its target", mode("target"), Ok(0o600));
    let long = word(&"x".repeat(256));
    no!(t;
        "a folder": creat(c"d".as_ptr(), 0o644) => EISDIR;
        "a long name": creat(long.as_ptr(), 0o644) => ENAMETOOLONG;
        "in nothing": creat(c"no/f".as_ptr(), 0o644) => ENOENT;
        "no name": creat(c"".as_ptr(), 0o644) => ENOENT;
        "in a file": creat(c"old/f".as_ptr(), 0o644) => ENOTDIR;
        "a circle, through": creat(c"o".as_ptr(), 0o644) => ELOOP;
        "nowhere": creat(8 as *const c_char, 0o644) => EFAULT;
        "a program that runs": creat(c"/proc/self/exe".as_ptr(), 0o755) => ETXTBSY;
        "to cut it": truncate(c"/proc/self/exe".as_ptr(), 0) => ETXTBSY;
    );
    as_nobody(t, |t| {
        no!(t; "in another's folder": creat(c"mine".as_ptr(), 0o644) => EACCES;
            "another's file": creat(c"old".as_ptr(), 0o644) => EACCES;);
        Ok(())
    })
}
