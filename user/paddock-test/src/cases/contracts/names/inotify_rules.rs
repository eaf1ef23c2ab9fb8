//! inotify_add_watch(2) and inotify_rm_watch(2).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    const MASK_CREATE: u32 = 0x1000_0000;
    file("f", b"")?;
    let fd = call!(inotify_init1(IN_NONBLOCK))?;
    let add = |path: &CStr, mask: u32| call!(inotify_add_watch(fd, path.as_ptr(), mask));
    t.refused("a flag", call!(inotify_init1(1)), EINVAL);
    t.refused("no event", add(c"f", 0), EINVAL);
    t.refused("nothing", add(c"no", IN_MODIFY), ENOENT);
    t.refused("not a folder", add(c"f", IN_MODIFY | IN_ONLYDIR), ENOTDIR);
    t.refused(
        "two ways",
        add(c"f", IN_MODIFY | IN_MASK_ADD | MASK_CREATE),
        EINVAL,
    );
    let watch = add(c"f", IN_MODIFY)?;
    t.same("the first", watch, 1);
    t.same("the same again", add(c"f", IN_ATTRIB), Ok(1));
    t.refused("only a new one", add(c"f", IN_MODIFY | MASK_CREATE), EEXIST);
    t.same("another", add(c".", IN_CREATE), Ok(2));
    let mut bytes = [0u8; 512];
    t.refused("nothing yet", sys::read(fd, &mut bytes), EAGAIN);
    yes!(t; "a change": chmod(c"f".as_ptr(), 0o600););
    t.refused("too short", sys::read(fd, &mut bytes[..8]), EINVAL);
    t.same("an event", sys::read(fd, &mut bytes), Ok(16));
    no!(t; "not there": inotify_rm_watch(fd, 99) => EINVAL; "no inotify": inotify_rm_watch(1, 1) => EINVAL;
        "closed": inotify_rm_watch(999, 1) => EBADF;);
    yes!(t; "removed": inotify_rm_watch(fd, 1););
    t.same("is told", sys::read(fd, &mut bytes), Ok(16));
    t.same(
        "as ignored",
        u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
        IN_IGNORED,
    );
    t.same("its number is not used again", add(c"f", IN_MODIFY), Ok(3));
    Ok(())
}
