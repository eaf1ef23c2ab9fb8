//! mount(2), umount2(2): what is refused, and who may.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    folder("d")?;
    yes!(t; "a table of its own": unshare(CLONE_NEWNS); "private": mount(null(), c"/".as_ptr(), null(), MS_REC | MS_PRIVATE, null());
        "a circle": symlink(c"o".as_ptr(), c"o".as_ptr()););
    let tmpfs = c"tmpfs".as_ptr();
    let none = c"none".as_ptr();
    let long = word(&"x".repeat(256));
    let onto = |path: *const c_char| call!(mount(none, path, tmpfs, 0, null()));
    t.refused("nothing there", onto(c"no".as_ptr()), ENOENT);
    t.refused("no name", onto(c"".as_ptr()), ENOENT);
    t.refused("a file", onto(c"f".as_ptr()), ENOTDIR);
    t.refused("below a file", onto(c"f/x".as_ptr()), ENOTDIR);
    t.refused("a circle is nowhere", onto(c"o".as_ptr()), ELOOP);
    t.refused("a long name", onto(long.as_ptr()), ENAMETOOLONG);
    t.refused("nowhere", onto(8 as *const c_char), EFAULT);
    no!(t;
        "no kind": mount(none, c"d".as_ptr(), c"nosuchfs".as_ptr(), 0, null()) => ENODEV;
        "a kind is needed": mount(none, c"d".as_ptr(), null(), 0, null()) => EINVAL;
        "a kind nowhere": mount(none, c"d".as_ptr(), 8 as *const c_char, 0, null()) => EFAULT;
        "words nowhere": mount(none, c"d".as_ptr(), tmpfs, 0, 8 as *const c_void) => EFAULT;
        "nothing to be shown": mount(c"no".as_ptr(), c"d".as_ptr(), null(), MS_BIND, null()) => ENOENT;

        "nor to move": mount(c"d".as_ptr(), c"d".as_ptr(), null(), MS_MOVE, null()) => EINVAL;
        "nor to be unmounted": umount2(c"d".as_ptr(), 0) => EINVAL;
        "of nothing": umount2(c"no".as_ptr(), 0) => ENOENT;
        "of a long name": umount2(long.as_ptr(), 0) => ENAMETOOLONG;
        "of nowhere": umount2(8 as *const c_char, 0) => EFAULT;
        "of a circle": umount2(c"o".as_ptr(), 0) => ELOOP;
        "an unknown flag": umount2(c"d".as_ptr(), 0x100) => EINVAL;
    );
    yes!(t; "one": mount(none, c"d".as_ptr(), tmpfs, 0, null()););
    let fd = opened("d/f", O_CREAT | O_RDWR)?;
    no!(t; "in use": umount2(c"d".as_ptr(), 0) => EBUSY;
        "both kinds of end": umount2(c"d".as_ptr(), MNT_EXPIRE | MNT_DETACH) => EINVAL;
        "in use, and expiring": umount2(c"d".as_ptr(), MNT_EXPIRE) => EBUSY;
        
        "what is below it": umount2(c"d/f".as_ptr(), 0) => EINVAL;);
    as_nobody(t, |t| {
        no!(t; "nobody mounts": mount(none, c"d".as_ptr(), tmpfs, 0, null()) => EPERM;
            "or unmounts": umount2(c"d".as_ptr(), 0) => EPERM;);
        Ok(())
    })?;
    sys::close(fd)?;
    no!(t; "expiring": umount2(c"d".as_ptr(), MNT_EXPIRE) => EAGAIN;);
    yes!(t; "and expired": umount2(c"d".as_ptr(), MNT_EXPIRE););
    no!(t; "it is gone": umount2(c"d".as_ptr(), 0) => EINVAL;);
    Ok(())
}
