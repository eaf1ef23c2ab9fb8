//! getdents64(2) and getcwd(2): room that is too small.
use super::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    let mut bytes = [0u8; 512];
    let at = bytes.as_mut_ptr();
    let folder = call!(open(c".".as_ptr(), O_RDONLY))?;
    let plain = call!(open(c"f".as_ptr(), O_RDONLY))?;
    t.refused("too small", raw!(SYS_getdents64, folder, at, 8), EINVAL);
    t.refused("of a file", raw!(SYS_getdents64, plain, at, 512), ENOTDIR);
    t.refused("closed", raw!(SYS_getdents64, 999, at, 512), EBADF);
    t.check(
        "all of it",
        raw!(SYS_getdents64, folder, at, 512).is_ok_and(|it| it > 0),
    );
    t.same("the end", raw!(SYS_getdents64, folder, at, 512), Ok(0));
    call!(lseek(folder, 0, SEEK_SET))?;
    t.refused("nowhere", raw!(SYS_getdents64, folder, 8, 512), EFAULT);
    t.refused("getcwd of nothing", raw!(SYS_getcwd, at, 0), ERANGE);
    t.refused("too small for the path", raw!(SYS_getcwd, at, 2), ERANGE);
    t.refused("getcwd nowhere", raw!(SYS_getcwd, 8, 512), EFAULT);
    Ok(())
}
