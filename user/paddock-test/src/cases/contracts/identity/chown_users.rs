//! chown(2), fchown(2), lchown(2): whom a file may be given to, and by whom.
use crate::cases::contracts::prelude::*;

const KEEP: u32 = u32::MAX;

pub fn run(t: &mut Report) -> Outcome {
    file("mine", b"")?;
    file("theirs", b"")?;
    yes!(t; "one's own": chown(c"mine".as_ptr(), 700, 701); "a link": symlink(c"theirs".as_ptr(), c"l".as_ptr());
        "one's own link": lchown(c"l".as_ptr(), 700, 701););
    let owner = |name: &str| status(name).map(|it| (it.st_uid, it.st_gid));
    t.same("the link itself", owner("l"), Ok((700, 701)));
    t.same("not its target", owner("theirs"), Ok((0, 0)));
    let (mine, theirs) = (opened("mine", O_RDONLY)?, opened("theirs", O_RDONLY)?);
    let place = opened("mine", O_PATH)?;
    apart(t, |t| {
        let groups = [702u32, 703];
        raw!(SYS_setgroups, 2, groups.as_ptr())?;
        raw!(SYS_setresgid, 701, 701, 701)?;
        raw!(SYS_setresuid, 700, 700, 700)?;
        yes!(t; "to a group one is in": chown(c"mine".as_ptr(), KEEP, 703);
            "and oneself": chown(c"mine".as_ptr(), 700, 702);
            "nothing": chown(c"mine".as_ptr(), KEEP, KEEP);
            "back": fchown(mine, KEEP, 701);
            "a link's group": lchown(c"l".as_ptr(), 700, 703););
        no!(t;
            "to another group": chown(c"mine".as_ptr(), KEEP, 704) => EPERM;
            "to another user": chown(c"mine".as_ptr(), 701, KEEP) => EPERM;
            "what is another's": chown(c"theirs".as_ptr(), 700, KEEP) => EPERM;
            "its group": fchown(theirs, KEEP, 701) => EPERM;
            "through a link": chown(c"l".as_ptr(), KEEP, 702) => EPERM;
            "by a place": syscall(SYS_fchown, place, KEEP, 702) => EBADF;
        );
        Ok(())
    })?;
    no!(t; "nothing there": lchown(c"no".as_ptr(), 0, 0) => ENOENT;
        "no name": chown(c"".as_ptr(), 0, 0) => ENOENT;
        "through a file": lchown(c"mine/x".as_ptr(), 0, 0) => ENOTDIR;
        "an unknown flag": fchownat(AT_FDCWD, c"mine".as_ptr(), 0, 0, 1) => EINVAL;
        "no descriptor": fchown(-1, 0, 0) => EBADF;);
    yes!(t; "AT_EMPTY_PATH": fchownat(place, c"".as_ptr(), 5, 6, AT_EMPTY_PATH););
    t.same("by a place", owner("mine"), Ok((5, 6)));
    yes!(t; "AT_SYMLINK_NOFOLLOW": fchownat(AT_FDCWD, c"l".as_ptr(), 8, 9, AT_SYMLINK_NOFOLLOW););
    t.same("is lchown", owner("l"), Ok((8, 9)));
    Ok(())
}
