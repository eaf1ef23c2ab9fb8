//! mount(2): MS_BIND, MS_REC, MS_MOVE and MNT_DETACH.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    for name in ["a", "b", "c", "a/in"] {
        folder(name)?;
    }
    file("a/f", b"below")?;
    file("plain", b"plain")?;
    file("other", b"other")?;
    yes!(t; "a table of its own": unshare(CLONE_NEWNS); "private": mount(null(), c"/".as_ptr(), null(), MS_REC | MS_PRIVATE, null()););
    let bind = |from: &CStr, to: &CStr, flags: c_ulong| {
        call!(mount(from.as_ptr(), to.as_ptr(), null(), flags, null())).map(drop)
    };
    let end = |path: &CStr, flags: i32| call!(umount2(path.as_ptr(), flags)).map(drop);
    t.works("a folder", bind(c"a", c"b", MS_BIND));
    t.same("is there twice", text("b/f"), "below".into());
    t.same(
        "with one inode",
        status("b/f").map(|it| it.st_ino),
        status("a/f").map(|it| it.st_ino),
    );
    t.refused(
        "not moved from one to the other",
        call!(rename(c"a/f".as_ptr(), c"b/g".as_ptr())),
        EXDEV,
    );
    t.refused(
        "nor linked",
        call!(link(c"a/f".as_ptr(), c"b/g".as_ptr())),
        EXDEV,
    );
    t.refused(
        "a place that is mounted on",
        call!(rmdir(c"b".as_ptr())),
        EBUSY,
    );
    t.works(
        "read only, alone",
        bind(c"", c"b", MS_REMOUNT | MS_BIND | MS_RDONLY),
    );
    t.refused("there", call!(creat(c"b/new".as_ptr(), 0o600)), EROFS);
    t.works("not here", call!(creat(c"a/new".as_ptr(), 0o600)));
    t.works("unmounted", end(c"b", 0));
    t.same("nothing is left", text("b/f"), String::new());
    t.works(
        "a filesystem within",
        call!(mount(
            c"none".as_ptr(),
            c"a/in".as_ptr(),
            c"tmpfs".as_ptr(),
            0,
            null()
        )),
    );
    file("a/in/x", b"within")?;
    t.works("what is mounted within", bind(c"a", c"b", MS_BIND));
    t.same("does not come along", text("b/in/x"), String::new());
    t.works("that is over", end(c"b", 0));
    t.works("with MS_REC", bind(c"a", c"b", MS_BIND | MS_REC));
    t.same("it does", text("b/in/x"), "within".into());
    t.refused("it is in use by what is within", end(c"b", 0), EBUSY);
    t.works("moved", bind(c"b", c"c", MS_MOVE));
    t.same("with all", text("c/in/x"), "within".into());
    t.same("from there", text("b/f"), String::new());
    t.refused("into itself", bind(c"c", c"c/in", MS_MOVE), ELOOP);
    let fd = opened("c/in/x", O_RDONLY)?;
    t.works("detached with all", end(c"c", MNT_DETACH));
    t.same("not seen", text("c/f"), String::new());
    t.same("but by who has it", sys::read(fd, &mut [0; 9]), Ok(6));
    t.works("a file upon a file", bind(c"plain", c"other", MS_BIND));
    t.same("is that one", text("other"), "plain".into());
    t.refused("which is busy", call!(unlink(c"other".as_ptr())), EBUSY);
    t.refused(
        "a folder upon a file",
        bind(c"a", c"plain", MS_BIND),
        ENOTDIR,
    );
    t.works("given back", end(c"other", 0));
    t.same("the old one", text("other"), "other".into());
    t.works("the last", end(c"a/in", 0));
    Ok(())
}
