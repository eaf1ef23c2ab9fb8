//! getdents64(2) and getcwd(2): room that is too small.
use crate::cases::contracts::prelude::*;

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
    after_bad_memory(t, folder)?;
    t.refused("getcwd of nothing", raw!(SYS_getcwd, at, 0), ERANGE);
    t.refused("too small for the path", raw!(SYS_getcwd, at, 2), ERANGE);
    t.refused("getcwd nowhere", raw!(SYS_getcwd, 8, 512), EFAULT);
    Ok(())
}

/// Entries that cannot be given are not taken.
fn after_bad_memory(t: &mut Report, folder: i32) -> Outcome {
    let mut bytes = [0u8; 512];
    let all = || -> Result<i64, Errno> {
        call!(lseek(folder, 0, SEEK_SET))?;
        raw!(SYS_getdents64, folder, bytes.as_mut_ptr(), 512)
    };
    let mut all = all;
    let expected = all()?;
    call!(lseek(folder, 0, SEEK_SET))?;
    t.refused(
        "nowhere again",
        raw!(SYS_getdents64, folder, 8, 512),
        EFAULT,
    );
    let after = raw!(SYS_getdents64, folder, bytes.as_mut_ptr(), 512);
    t.same("all are there after that", after, Ok(expected));
    let map = Map::memory(8192)?;
    map.protect(4096, 4096, PROT_NONE)?;
    call!(lseek(folder, 0, SEEK_SET))?;
    // Room for the first entry, `.` or another of as short a name, and no more.
    let place = map.address(4096 - 24);
    let first = raw!(SYS_getdents64, folder, place, 512);
    t.same("one, where there is memory for it", first, Ok(24));
    let rest = raw!(SYS_getdents64, folder, bytes.as_mut_ptr(), 512);
    t.same("the others after that", rest, Ok(expected - 24));
    let again = raw!(SYS_getdents64, folder, place, 512);
    t.same("and the end", again, Ok(0));
    Ok(())
}
