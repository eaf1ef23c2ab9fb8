//! fsmount(2): mounts that nobody sees yet, and that go with their descriptor.
use crate::cases::contracts::prelude::*;

const CREATE: u32 = 6;

fn context(kind: &CStr) -> Result<i32, Errno> {
    int!(SYS_fsopen, kind.as_ptr(), 0)
}

fn made(kind: &CStr) -> Result<i32, Errno> {
    let fd = context(kind)?;
    int!(SYS_fsconfig, fd, CREATE, 0, 0, 0)?;
    Ok(fd)
}

fn mount(fd: i32, flags: u32, attributes: u32) -> Result<i32, Errno> {
    int!(SYS_fsmount, fd, flags, attributes)
}

fn refusals(t: &mut Report) -> Outcome {
    let fd = context(c"tmpfs")?;
    t.refused("not made yet", mount(fd, 0, 0), EINVAL);
    let fd = made(c"tmpfs")?;
    t.refused("a flag", mount(fd, 2, 0), EINVAL);
    t.refused("an attribute", mount(fd, 0, 0x100), EINVAL);
    t.refused("mapped ids", mount(fd, 0, 0x10_0000), EINVAL);
    t.refused("two times", mount(fd, 0, 0x30), EINVAL);
    t.refused("not open", mount(987, 0, 0), EBADF);
    t.refused("below zero", mount(-1, 0, 0), EBADF);
    file("f", b"")?;
    t.refused("another file", mount(opened("f", O_RDWR)?, 0, 0), EINVAL);
    as_nobody(t, |t| {
        t.refused("nobody may", mount(fd, 0, 0), EPERM);
        Ok(())
    })?;
    t.works("once", mount(fd, 0, 0));
    t.refused("and not again", mount(fd, 0, 0), EBUSY);
    Ok(())
}

fn put_in(at: i32, name: &CStr) -> Result<i32, Errno> {
    call!(openat(at, name.as_ptr(), O_CREAT | O_RDWR, 0o600))
}

pub fn run(t: &mut Report) -> Outcome {
    folder("d")?;
    yes!(t; "mounts of its own": unshare(CLONE_NEWNS);
        "not told to others": libc::mount(null(), c"/".as_ptr(), null(), MS_REC | MS_PRIVATE, null()););
    refusals(t)?;
    let fd = made(c"tmpfs")?;
    let at = mount(fd, 1, 0)?;
    t.same(
        "closed by who starts a program",
        call!(fcntl(at, F_GETFD)),
        Ok(FD_CLOEXEC),
    );
    let flags = call!(fcntl(at, F_GETFL)).map(|it| it & O_PATH);
    t.same("it is a place", flags, Ok(O_PATH));
    t.same("a folder", kind(at), Ok(S_IFDIR));
    t.works("that files are made in", put_in(at, c"f"));
    let link = std::fs::read_link(format!("/proc/self/fd/{at}"));
    t.same("without a path", link.ok(), Some("/".into()));
    t.refused(
        "that is not unmounted",
        call!(umount2(c"d".as_ptr(), 0)),
        EINVAL,
    );
    let none = c"".as_ptr();
    let moved = int!(SYS_move_mount, at, none, AT_FDCWD, c"d".as_ptr(), 4);
    t.works("moved to its place", moved);
    t.works("what was made is there", opened("d/f", O_RDONLY));
    t.works("and by the descriptor", put_in(at, c"g"));
    sys::close(at)?;
    t.works("without it as well", opened("d/g", O_RDONLY));
    let fd = made(c"tmpfs")?;
    let at = mount(fd, 0, 1 | 2 | 4 | 8)?;
    t.refused("read only", put_in(at, c"f"), EROFS);
    let fd = made(c"proc")?;
    let at = mount(fd, 0, 0)?;
    let one = call!(openat(at, c"self/status".as_ptr(), O_RDONLY));
    t.works("of processes", one);
    Ok(())
}
