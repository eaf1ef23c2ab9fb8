//! fspick(2): a filesystem that is mounted, for a change.
use crate::cases::contracts::prelude::*;

const FLAG: u32 = 0;
const TEXT: u32 = 1;
const RECONFIGURE: u32 = 7;

fn pick(path: &CStr, flags: u32) -> Result<i32, Errno> {
    int!(SYS_fspick, AT_FDCWD, path.as_ptr(), flags)
}

fn flag(fd: i32, name: &CStr) -> Result<i32, Errno> {
    int!(SYS_fsconfig, fd, FLAG, name.as_ptr(), 0, 0)
}

fn change(fd: i32) -> Result<i32, Errno> {
    int!(SYS_fsconfig, fd, RECONFIGURE, 0, 0, 0)
}

pub fn run(t: &mut Report) -> Outcome {
    folder("d")?;
    let (none, tmpfs) = (null::<c_char>(), c"tmpfs".as_ptr());
    yes!(t; "mounts of its own": unshare(CLONE_NEWNS);
        "not told to others": mount(none, c"/".as_ptr(), none, MS_REC | MS_PRIVATE, null());
        "one": mount(tmpfs, c"d".as_ptr(), tmpfs, 0, null());
        "a link": symlink(c"d".as_ptr(), c"l".as_ptr()););
    folder("d/in")?;
    t.refused("a flag", pick(c"d", 0x10), EINVAL);
    t.refused("nothing there", pick(c"no", 0), ENOENT);
    t.refused("no name", pick(c"", 0), ENOENT);
    t.refused("no mount", pick(c"d/in", 0), EINVAL);
    t.refused("a link itself", pick(c"l", 2), EINVAL);
    t.works("what it names", pick(c"l", 0));
    let nowhere = int!(SYS_fspick, AT_FDCWD, 8, 0);
    t.refused("nowhere", nowhere, EFAULT);
    let closed = int!(SYS_fspick, 987, c"d".as_ptr(), 0);
    t.refused("from nowhere", closed, EBADF);
    let place = opened("d", O_PATH)?;
    t.works("a descriptor", int!(SYS_fspick, place, c"".as_ptr(), 8));
    sys::close(place)?;
    as_nobody(t, |t| {
        t.refused("nobody may", pick(c"d", 0), EPERM);
        Ok(())
    })?;
    let fd = pick(c"d", 1)?;
    t.same("closed", call!(fcntl(fd, F_GETFD)), Ok(FD_CLOEXEC));
    t.refused("not made anew", int!(SYS_fsconfig, fd, 6, 0, 0, 0), EBUSY);
    t.refused("nor mounted", int!(SYS_fsmount, fd, 0, 0), EBUSY);
    t.works("read only", flag(fd, c"ro"));
    t.works("from now on", change(fd));
    t.refused("it is", opened("d/f", O_CREAT | O_RDWR), EROFS);
    t.works("written", flag(fd, c"rw"));
    t.works("again", change(fd));
    let file = opened("d/f", O_CREAT | O_RDWR)?;
    let size = |text: &CStr| int!(SYS_fsconfig, fd, TEXT, c"size".as_ptr(), text.as_ptr(), 0);
    t.works("a size", size(c"64k"));
    t.works("that it has now", change(fd));
    let written = sys::write(file, &[1; 80_000]);
    t.check("and no more", written.is_ok_and(|count| count <= 65_536));
    t.works("read only again", flag(fd, c"ro"));
    t.refused("not while it is written", change(fd), EBUSY);
    t.refused("which was the last", flag(fd, c"ro"), EBUSY);
    t.works("as it was", sys::write(file, b""));
    Ok(())
}
