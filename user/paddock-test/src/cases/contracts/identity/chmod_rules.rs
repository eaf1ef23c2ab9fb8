//! chmod(2) and fchmod(2): who may, and what becomes of the set-group bit.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let own = NOBODY;
    for name in ["mine", "grouped", "others"] {
        file(name, b"")?;
    }
    folder("folder")?;
    folder("closed")?;
    file("closed/f", b"")?;
    yes!(t; "one's own": chown(c"mine".as_ptr(), own, own);
        "of another group": chown(c"grouped".as_ptr(), own, 0);
        "a folder of another group": chown(c"folder".as_ptr(), own, 0);
        "another's": chmod(c"closed".as_ptr(), 0o700););
    let reading = opened("mine", O_RDONLY)?;
    let theirs = opened("others", O_RDWR)?;
    as_nobody(t, |t| {
        yes!(t; "all bits": chmod(c"mine".as_ptr(), 0o7777););
        t.same("are set", mode("mine"), Ok(0o7777));
        yes!(t; "by a descriptor to read": fchmod(reading, 0o2755););
        t.same("likewise", mode("mine"), Ok(0o2755));
        yes!(t; "of a group one is not in": chmod(c"grouped".as_ptr(), 0o2777););
        t.same("without its set-group bit", mode("grouped"), Ok(0o777));
        yes!(t; "a folder": chmod(c"folder".as_ptr(), 0o7777););
        t.same("neither", mode("folder"), Ok(0o5777));
        no!(t; "another's file": chmod(c"others".as_ptr(), 0o777) => EPERM;
            "open": fchmod(theirs, 0o777) => EPERM;
            "out of reach": chmod(c"closed/f".as_ptr(), 0o777) => EACCES;);
        Ok(())
    })?;
    yes!(t; "root may": chmod(c"grouped".as_ptr(), 0o2777););
    t.same("set any", mode("grouped"), Ok(0o2777));
    yes!(t; "more bits than there are": chmod(c"mine".as_ptr(), 0o177_777););
    t.same("are left out", mode("mine"), Ok(0o7777));
    no!(t; "no descriptor": fchmod(-1, 0o600) => EBADF;
        "no name": chmod(c"".as_ptr(), 0o600) => ENOENT;
        "through a file": chmod(c"mine/x".as_ptr(), 0o600) => ENOTDIR;);
    Ok(())
}
