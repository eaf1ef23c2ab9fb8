//! pivot_root(2): what it refuses.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    folder("new")?;
    folder("plain")?;
    file("f", b"")?;
    yes!(t; "mounts of its own": unshare(CLONE_NEWNS);
        "not told to others": mount(null(), c"/".as_ptr(), null(), MS_REC | MS_PRIVATE, null());
        "mounted": mount(c"tmpfs".as_ptr(), c"new".as_ptr(), c"tmpfs".as_ptr(), 0, null()););
    yes!(t; "and another": mount(c"tmpfs".as_ptr(), c"plain".as_ptr(), c"tmpfs".as_ptr(), 0, null()););
    folder("new/old")?;
    folder("new/x")?;
    let go = |new: *const c_char, old: *const c_char| raw!(SYS_pivot_root, new, old);
    t.refused("no mount", go(c"new/x".as_ptr(), c"new/x".as_ptr()), EINVAL);
    t.refused(
        "not beneath it",
        go(c"new".as_ptr(), c"plain".as_ptr()),
        EINVAL,
    );
    t.refused("the root itself", go(c"/".as_ptr(), c"/".as_ptr()), EBUSY);
    t.refused("a file", go(c"f".as_ptr(), c"new/old".as_ptr()), ENOTDIR);
    t.refused(
        "the old one to a file",
        go(c"new".as_ptr(), c"f".as_ptr()),
        ENOTDIR,
    );
    t.refused("nothing", go(c"no".as_ptr(), c"new/old".as_ptr()), ENOENT);
    t.refused(
        "the old one nowhere",
        go(c"new".as_ptr(), c"no".as_ptr()),
        ENOENT,
    );
    t.refused(
        "from nowhere",
        go(8 as *const c_char, c"new/old".as_ptr()),
        EFAULT,
    );
    as_nobody(t, |t| {
        t.refused(
            "who may not",
            go(c"new".as_ptr(), c"new/old".as_ptr()),
            EPERM,
        );
        Ok(())
    })
}
