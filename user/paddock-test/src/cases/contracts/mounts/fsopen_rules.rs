//! fsopen(2): what it refuses, and what it gives.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let open = |kind: *const c_char, flags: u32| int!(SYS_fsopen, kind, flags);
    let tmpfs = c"tmpfs".as_ptr();
    t.refused("no such kind", open(c"nosuchfs".as_ptr(), 0), ENODEV);
    t.refused("no name of one", open(c"".as_ptr(), 0), ENODEV);
    t.refused("a flag", open(tmpfs, 2), EINVAL);
    t.refused("nowhere", open(8 as *const c_char, 0), EFAULT);
    let plain = open(tmpfs, 0)?;
    let closing = open(tmpfs, 1)?;
    yes!(t; "a descriptor": fcntl(plain, F_GETFD); "and another": fcntl(closing, F_GETFD););
    t.same("that stays", call!(fcntl(plain, F_GETFD)), Ok(0));
    t.same(
        "that is closed",
        call!(fcntl(closing, F_GETFD)),
        Ok(FD_CLOEXEC),
    );
    t.same(
        "for both",
        call!(fcntl(plain, F_GETFL)).map(|it| it & O_ACCMODE),
        Ok(O_RDWR),
    );
    t.refused("no message", sys::read(plain, &mut [0; 9]), ENODATA);
    t.refused("nothing to write", sys::write(plain, b"x"), EINVAL);
    t.refused("no folder", call!(fchdir(plain)), ENOTDIR);
    as_nobody(t, |t| {
        t.refused("nobody may", open(c"tmpfs".as_ptr(), 0), EPERM);
        t.refused("before all else", open(c"no".as_ptr(), 9), EPERM);
        Ok(())
    })
}
