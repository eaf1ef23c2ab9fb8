//! xattr(7): kinds of attributes, of which files, for whom.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    folder("d")?;
    folder("sticky")?;
    yes!(t; "a fifo": mkfifo(c"p".as_ptr(), 0o666); "a device": mknod(c"c".as_ptr(), S_IFCHR | 0o666, 0x103);
        "a link": symlink(c"f".as_ptr(), c"l".as_ptr()); "anybody's": chmod(c"f".as_ptr(), 0o666);
        "with a bit": chmod(c"sticky".as_ptr(), 0o1777););
    let set = |path: &CStr, name: &CStr| {
        call!(lsetxattr(
            path.as_ptr(),
            name.as_ptr(),
            c"ab".as_ptr().cast(),
            2,
            0
        ))
    };
    let get =
        |path: &CStr, name: &CStr| call!(lgetxattr(path.as_ptr(), name.as_ptr(), null_mut(), 0));
    t.works("a file's", set(c"f", c"user.a"));
    t.works("a folder's", set(c"d", c"user.a"));
    t.refused("a fifo has none", set(c"p", c"user.a"), EPERM);
    t.refused("a device", set(c"c", c"user.a"), EPERM);
    t.refused("a link has no such", set(c"l", c"user.a"), EPERM);
    t.refused("nor is it found", get(c"p", c"user.a"), ENODATA);
    t.works("root's kind", set(c"f", c"trusted.a"));
    t.works("of a link", set(c"l", c"trusted.b"));
    t.works("of a fifo", set(c"p", c"trusted.b"));
    t.same("it is the link's", get(c"l", c"trusted.b"), Ok(2));
    t.refused("not the file's", get(c"f", c"trusted.b"), ENODATA);
    as_nobody(t, |t| {
        t.same("anybody reads the user's", get(c"f", c"user.a"), Ok(2));
        t.works("and writes", set(c"f", c"user.b"));
        t.refused("not root's", get(c"f", c"trusted.a"), ENODATA);
        t.refused("nor sets it", set(c"f", c"trusted.c"), EPERM);
        t.refused("another's sticky folder", set(c"sticky", c"user.a"), EPERM);
        t.refused("what one may not write", set(c"d", c"user.b"), EACCES);
        let mut names = [0u8; 256];
        let count = call!(listxattr(c"f".as_ptr(), names.as_mut_ptr().cast(), 256))?;
        let names = String::from_utf8_lossy(&names[..count.unsigned_abs()]).into_owned();
        t.check(
            "sees",
            names.contains("user.a\0") && !names.contains("trusted"),
        );
        Ok(())
    })?;
    let mut names = [0u8; 256];
    let count = call!(listxattr(c"f".as_ptr(), names.as_mut_ptr().cast(), 256))?;
    let names = String::from_utf8_lossy(&names[..count.unsigned_abs()]).into_owned();
    t.check(
        "root sees",
        names.contains("user.a\0") && names.contains("trusted.a\0"),
    );
    Ok(())
}
