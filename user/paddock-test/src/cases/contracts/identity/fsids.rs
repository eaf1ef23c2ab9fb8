//! setfsuid(2), setfsgid(2): whose files are made and looked at.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"abc")?;
    folder("all")?;
    yes!(t; "for root": chmod(c"f".as_ptr(), 0o600); "for all": chmod(c"all".as_ptr(), 0o777););
    let user = |id: u32| raw!(SYS_setfsuid, id);
    let group = |id: u32| raw!(SYS_setfsgid, id);
    t.same("the old one", user(1000), Ok(0));
    t.same("is another now", user(u32::MAX), Ok(1000));
    t.same("the old group", group(1001), Ok(0));
    no!(t; "not root's file": open(c"f".as_ptr(), O_RDONLY) => EACCES;
        "not root's owner": chown(c"f".as_ptr(), 1000, 1001) => EPERM;);
    yes!(t; "access goes by the real one": access(c"f".as_ptr(), R_OK););
    let fd = call!(open(c"all/f".as_ptr(), O_CREAT | O_RDWR, 0o600))?;
    let found = stat_of(fd)?;
    t.same("whose it is", (found.st_uid, found.st_gid), (1000, 1001));
    t.same("back", user(0), Ok(1000));
    t.same("and the group", group(0), Ok(1001));
    yes!(t; "with all rights": open(c"f".as_ptr(), O_RDONLY););
    user(5)?;
    t.works("a new effective one", raw!(SYS_setresuid, -1, 0, -1));
    t.same("is the filesystem's as well", user(u32::MAX), Ok(0));
    as_nobody(t, |t| {
        t.same("not to root", user(0), Ok(i64::from(NOBODY)));
        t.same("it stays", user(u32::MAX), Ok(i64::from(NOBODY)));
        t.same("nor its group", group(0), Ok(i64::from(NOBODY)));
        t.same("which stays", group(u32::MAX), Ok(i64::from(NOBODY)));
        Ok(())
    })
}
