//! umount2(2).
use crate::cases::contracts::prelude::*;

fn mounted(folder: &CStr) -> Result<i32, Errno> {
    let kind = c"tmpfs".as_ptr();
    call!(mount(kind, folder.as_ptr(), kind, 0, null()))
}

pub fn run(t: &mut Report) -> Outcome {
    folder("d")?;
    file("f", b"")?;
    yes!(t; "mounts of its own": unshare(CLONE_NEWNS);
        "not told to others": mount(null(), c"/".as_ptr(), null(), MS_REC | MS_PRIVATE, null()););
    let go = |path: &CStr, flags: i32| call!(umount2(path.as_ptr(), flags));
    let long = CString::new(vec![b'x'; 256]).unwrap_or_default();
    t.refused("nothing mounted", go(c"d", 0), EINVAL);
    t.refused("a file", go(c"f", 0), EINVAL);
    t.refused("nothing", go(c"no", 0), ENOENT);
    t.refused("no name", go(c"", 0), ENOENT);
    t.refused("a long name", go(&long, 0), ENAMETOOLONG);
    t.refused("in a file", go(c"f/x", 0), ENOTDIR);
    t.refused("nowhere", call!(umount2(8 as *const c_char, 0)), EFAULT);
    t.works("mounted", mounted(c"d"));
    t.refused("a flag", go(c"d", 0x100), EINVAL);
    t.refused(
        "two that exclude each other",
        go(c"d", MNT_EXPIRE | MNT_DETACH),
        EINVAL,
    );
    t.refused("and so do these", go(c"d", MNT_EXPIRE | MNT_FORCE), EINVAL);
    let fd = call!(open(c"d/f".as_ptr(), O_CREAT | O_RDWR, 0o600))?;
    t.refused("a file is open", go(c"d", 0), EBUSY);
    t.refused("that does not expire", go(c"d", MNT_EXPIRE), EBUSY);
    t.works("away at once", go(c"d", MNT_DETACH));
    t.refused("is away", call!(access(c"d/f".as_ptr(), F_OK)), ENOENT);
    t.works("and yet is written", sys::write(fd, b"x"));
    sys::close(fd)?;
    t.works("again", mounted(c"d"));
    yes!(t; "a link": symlink(c"d".as_ptr(), c"l".as_ptr()););
    t.refused("not by a link", go(c"l", UMOUNT_NOFOLLOW), EINVAL);
    t.refused("marked", go(c"d", MNT_EXPIRE), EAGAIN);
    t.works(
        "used",
        call!(access(c"d/f".as_ptr(), F_OK)).or(Ok::<i32, Errno>(0)),
    );
    t.refused("marked once more", go(c"d", MNT_EXPIRE), EAGAIN);
    t.works("expired", go(c"d", MNT_EXPIRE));
    t.refused("is no longer mounted", go(c"d", 0), EINVAL);
    t.works("by a link", mounted(c"d"));
    t.works("that is followed", go(c"l", 0));
    as_nobody(t, |t| {
        t.refused("nobody may", go(c"d", 0), EPERM);
        t.refused("nor mount", mounted(c"d"), EPERM);
        Ok(())
    })
}
