//! mount(2), MS_NOSYMFOLLOW: symbolic links of a mount that lead nowhere.
use crate::cases::contracts::prelude::*;

const MS_NOSYMFOLLOW: c_ulong = 0x100;
const ST_NOSYMFOLLOW: c_ulong = 0x2000;

pub fn run(t: &mut Report) -> Outcome {
    folder("d")?;
    let (none, tmpfs) = (null::<c_char>(), c"tmpfs".as_ptr());
    yes!(t; "mounts of its own": unshare(CLONE_NEWNS);
        "not told to others": mount(none, c"/".as_ptr(), none, MS_REC | MS_PRIVATE, null());
        "one": mount(tmpfs, c"d".as_ptr(), tmpfs, MS_NOSYMFOLLOW, null()););
    file("d/f", b"x")?;
    folder("d/in")?;
    yes!(t; "a link": symlink(c"f".as_ptr(), c"d/l".as_ptr());
        "to a folder": symlink(c"in".as_ptr(), c"d/m".as_ptr());
        "from outside": symlink(c"d/f".as_ptr(), c"n".as_ptr());
        "a file": open(c"d/f".as_ptr(), O_RDONLY););
    no!(t; "not opened": open(c"d/l".as_ptr(), O_RDWR) => ELOOP;
        "not gone through": access(c"d/m/x".as_ptr(), F_OK) => ELOOP;
        "nor asked of": access(c"d/l".as_ptr(), F_OK) => ELOOP;);
    let mut target = [0u8; 9];
    let read = call!(readlink(c"d/l".as_ptr(), target.as_mut_ptr().cast(), 9));
    t.same("it is read", read.map(|it| it as i64), Ok(1));
    t.works("from another mount", opened("n", O_RDONLY));
    // SAFETY: plain numbers.
    let mut it: statvfs = unsafe { std::mem::zeroed() };
    call!(libc::statvfs(c"d".as_ptr(), &raw mut it))?;
    t.check("it is told", it.f_flag as c_ulong & ST_NOSYMFOLLOW != 0);
    let lines = text("/proc/self/mounts");
    t.check(
        "and listed",
        lines.lines().any(|line| line.contains("nosymfollow")),
    );
    yes!(t; "as others": mount(none, c"d".as_ptr(), none, MS_REMOUNT | MS_BIND, null());
        "followed": access(c"d/l".as_ptr(), F_OK););
    Ok(())
}
