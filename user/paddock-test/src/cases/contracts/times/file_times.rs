//! utimensat(2): who may set times.
use crate::cases::contracts::prelude::*;

fn set(path: &CStr, times: Option<[timespec; 2]>, flags: i32) -> Result<i64, Errno> {
    let at = times.as_ref().map_or(null(), |it| it.as_ptr());
    raw!(SYS_utimensat, AT_FDCWD, path.as_ptr(), at, flags)
}

pub fn run(t: &mut Report) -> Outcome {
    const OMIT: i64 = 0x3fff_fffe;
    const NOW: i64 = 0x3fff_ffff;
    for name in ["open", "shut", "own"] {
        file(name, b"")?;
    }
    folder("d")?;
    file("d/f", b"")?;
    let user = NOBODY;
    yes!(t; "anybody's": chmod(c"open".as_ptr(), 0o666); "a link": symlink(c"own".as_ptr(), c"l".as_ptr());
        "its own": chown(c"own".as_ptr(), user, user); "which nobody writes": chmod(c"own".as_ptr(), 0o400);
        "a shut folder": chmod(c"d".as_ptr(), 0o600););
    let some = Some([time(5, 0), time(6, 0)]);
    let now = Some([time(0, NOW); 2]);
    let half = Some([time(0, NOW), time(0, OMIT)]);
    let none = Some([time(0, OMIT); 2]);
    as_nobody(t, |t| {
        t.works("now, who writes", set(c"open", None, 0));
        t.works("likewise", set(c"open", now, 0));
        t.refused("a time, who writes", set(c"open", some, 0), EPERM);
        t.refused("one of them now", set(c"open", half, 0), EPERM);
        t.works("neither", set(c"open", none, 0));
        t.refused("now, who does not write", set(c"shut", None, 0), EACCES);
        t.refused("likewise too", set(c"shut", now, 0), EACCES);
        t.refused("a time", set(c"shut", some, 0), EPERM);
        t.works("neither there", set(c"shut", none, 0));
        t.works("its own, now", set(c"own", None, 0));
        t.works("its own, a time", set(c"own", some, 0));
        t.refused("through a shut folder", set(c"d/f", some, 0), EACCES);
        Ok(())
    })?;
    let link = [time(7, 0), time(8, 0)];
    t.works("of a link", set(c"l", Some(link), AT_SYMLINK_NOFOLLOW));
    let found = std::fs::symlink_metadata("l").map_err(|error| error.to_string())?;
    use std::os::unix::fs::MetadataExt;
    t.same("itself", (found.atime(), found.mtime()), (7, 8));
    let fd = call!(open(c"own".as_ptr(), O_RDONLY))?;
    t.same("not of its file", stat_of(fd)?.st_mtime, 6);
    t.refused("nowhere", raw!(SYS_utimensat, AT_FDCWD, 8, 0, 0), EFAULT);
    t.refused(
        "from nowhere",
        raw!(SYS_utimensat, AT_FDCWD, c"own".as_ptr(), 8, 0),
        EFAULT,
    );
    t.refused("no path", raw!(SYS_utimensat, AT_FDCWD, 0, 0, 0), EFAULT);
    t.refused(
        "a closed folder",
        raw!(SYS_utimensat, 999, c"own".as_ptr(), 0, 0),
        EBADF,
    );
    t.refused("a closed file", raw!(SYS_utimensat, 999, 0, 0, 0), EBADF);
    let place = call!(open(c"own".as_ptr(), O_PATH))?;
    t.refused("a place", raw!(SYS_utimensat, place, 0, 0, 0), EBADF);
    Ok(())
}
