//! open(2), umask(2): the permissions of what is made.
use crate::cases::contracts::prelude::*;

fn made(name: &CStr, mode: u32) -> Result<u32, Errno> {
    let fd = call!(open(name.as_ptr(), O_CREAT | O_RDWR, mode))?;
    sys::close(fd)?;
    mode_of(name)
}

pub fn run(t: &mut Report) -> Outcome {
    // SAFETY: has no conditions.
    let old = unsafe { umask(0o1_7777) };
    t.same("the old one's nine bits", old & !0o777, 0);
    // SAFETY: likewise.
    t.same("and only those", unsafe { umask(0o027) }, 0o777);
    t.same("but the mask", made(c"a", 0o777), Ok(0o750));
    t.same("sticky and set-user", made(c"b", 0o5777), Ok(0o5750));
    yes!(t; "a folder": mkdir(c"d".as_ptr(), 0o777););
    t.same("of folders too", mode_of(c"d"), Ok(0o750));
    yes!(t; "its group": chown(c"d".as_ptr(), 0, 77); "set-group": chmod(c"d".as_ptr(), 0o2777););
    t.same("set-group for root", made(c"d/a", 0o2770), Ok(0o2750));
    yes!(t; "a folder in it": mkdir(c"d/d".as_ptr(), 0o700););
    t.same("has set-group", mode_of(c"d/d"), Ok(0o2700));
    let fd = call!(open(c"d/a".as_ptr(), O_RDONLY))?;
    t.same("the folder's group", stat_of(fd)?.st_gid, 77);
    let fd = call!(open(c"d/d".as_ptr(), O_RDONLY))?;
    t.same("and here", stat_of(fd)?.st_gid, 77);
    as_nobody(t, |t| {
        t.same("not for who is not in it", made(c"d/b", 0o2770), Ok(0o750));
        t.same("but without it to run", made(c"d/c", 0o2660), Ok(0o2640));
        Ok(())
    })
}
