//! utimensat(2).
use crate::cases::contracts::prelude::*;

fn set(fd: i32, path: *const c_char, times: &[timespec; 2], flags: i32) -> Result<i64, Errno> {
    raw!(SYS_utimensat, fd, path, times.as_ptr(), flags)
}

pub fn run(t: &mut Report) -> Outcome {
    const OMIT: i64 = 0x3fff_fffe;
    const NOW: i64 = 0x3fff_ffff;
    file("f", b"")?;
    let fd = call!(open(c"f".as_ptr(), O_RDWR))?;
    let path = c"f".as_ptr();
    t.works("both", set(AT_FDCWD, path, &[time(5, 7), time(6, 8)], 0));
    let found = stat_of(fd)?;
    t.same(
        "as told",
        (
            found.st_atime,
            found.st_atime_nsec,
            found.st_mtime,
            found.st_mtime_nsec,
        ),
        (5, 7, 6, 8),
    );
    t.works(
        "one left out",
        set(AT_FDCWD, path, &[time(0, OMIT), time(9, 0)], 0),
    );
    t.same(
        "stays",
        (stat_of(fd)?.st_atime, stat_of(fd)?.st_mtime),
        (5, 9),
    );
    t.works("now", set(fd, null(), &[time(0, NOW), time(0, OMIT)], 0));
    t.check("is later", stat_of(fd)?.st_atime > 1_000_000_000);
    t.refused(
        "too many nanoseconds",
        set(AT_FDCWD, path, &[time(0, 1_000_000_000), time(0, 0)], 0),
        EINVAL,
    );
    t.refused(
        "negative ones",
        set(AT_FDCWD, path, &[time(0, -1), time(0, 0)], 0),
        EINVAL,
    );
    t.refused("a flag", set(AT_FDCWD, path, &[time(0, 0); 2], 1), EINVAL);
    t.refused(
        "a flag and no path",
        set(fd, null(), &[time(0, 0); 2], AT_SYMLINK_NOFOLLOW),
        EINVAL,
    );
    t.same(
        "both left out of nothing",
        set(AT_FDCWD, c"no".as_ptr(), &[time(0, OMIT); 2], 0),
        Ok(0),
    );
    t.refused(
        "nothing",
        set(AT_FDCWD, c"no".as_ptr(), &[time(0, 0); 2], 0),
        ENOENT,
    );
    t.works(
        "before 1970",
        set(AT_FDCWD, path, &[time(-5, 1), time(-5, 1)], 0),
    );
    t.same("is kept", stat_of(fd)?.st_mtime, -5);
    Ok(())
}
