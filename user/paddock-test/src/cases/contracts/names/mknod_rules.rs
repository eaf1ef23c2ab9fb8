//! mknod(2): kinds, modes, and who may make which.
use crate::cases::contracts::prelude::*;

fn node(name: &CStr, mode: mode_t, device: u64) -> Result<i64, Errno> {
    raw!(SYS_mknodat, AT_FDCWD, name.as_ptr(), mode, device)
}

pub fn run(t: &mut Report) -> Outcome {
    // SAFETY: has no conditions.
    unsafe { umask(0o022) };
    file("f", b"")?;
    folder("free")?;
    yes!(t; "anybody's": chmod(c"free".as_ptr(), 0o777););
    let kind = |name: &str| status(name).map(|it| it.st_mode & S_IFMT);
    t.works("no kind", node(c"plain", 0o4777, 0));
    t.same("is a file", kind("plain"), Ok(S_IFREG));
    t.same("with all bits", mode("plain"), Ok(0o4755));
    t.works("a fifo", node(c"fifo", S_IFIFO | 0o666, 0));
    t.same("is one", kind("fifo"), Ok(S_IFIFO));
    t.works("a socket", node(c"socket", S_IFSOCK | 0o777, 0));
    t.same("is a socket", kind("socket"), Ok(S_IFSOCK));
    t.works("a device", node(c"device", S_IFCHR | 0o777, 0x103));
    t.same("is a device", kind("device"), Ok(S_IFCHR));
    t.same(
        "its number",
        status("device").map(|it| it.st_rdev as u64),
        Ok(0x103),
    );
    t.works("a disk", node(c"disk", S_IFBLK | 0o777, 0x7f02));
    t.same("is a disk", kind("disk"), Ok(S_IFBLK));
    t.refused("a folder", node(c"x", S_IFDIR | 0o777, 0), EPERM);
    t.refused("a link", node(c"x", S_IFLNK | 0o777, 0), EINVAL);
    t.refused("what is there", node(c"f", S_IFREG | 0o777, 0), EEXIST);
    t.refused("no name", node(c"", S_IFREG, 0), ENOENT);
    t.refused("in nothing", node(c"no/x", S_IFIFO, 0), ENOENT);
    t.refused("in a file", node(c"f/x", S_IFIFO, 0), ENOTDIR);
    t.refused("with a slash", node(c"x/", S_IFREG, 0), ENOENT);
    t.refused("a socket is not opened", opened("socket", O_RDWR), ENXIO);
    as_nobody(t, |t| {
        t.refused(
            "nobody's device",
            node(c"free/c", S_IFCHR | 0o777, 0x103),
            EPERM,
        );
        t.refused(
            "nobody's disk",
            node(c"free/b", S_IFBLK | 0o777, 0x103),
            EPERM,
        );
        t.works("nobody's fifo", node(c"free/p", S_IFIFO | 0o777, 0));
        t.works("nobody's file", node(c"free/f", S_IFREG | 0o777, 0));
        t.works("nobody's socket", node(c"free/s", S_IFSOCK | 0o777, 0));
        t.refused("in another's", node(c"x", S_IFIFO | 0o777, 0), EACCES);
        Ok(())
    })
}
