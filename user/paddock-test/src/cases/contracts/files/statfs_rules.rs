//! statfs(2) and fstatfs(2).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    folder("shut")?;
    file("shut/f", b"")?;
    yes!(t; "to nothing": symlink(c"no".as_ptr(), c"l".as_ptr());
        "in a circle": symlink(c"s".as_ptr(), c"s".as_ptr()); "shut": chmod(c"shut".as_ptr(), 0o600););
    let long = CString::new(vec![b'x'; 256]).unwrap_or_default();
    let mut found = [0i64; 32];
    let at = found.as_mut_ptr();
    let of = |path: *const c_char| raw!(SYS_statfs, path, at);
    t.refused("nothing", of(c"no".as_ptr()), ENOENT);
    t.refused("a link to nothing", of(c"l".as_ptr()), ENOENT);
    t.refused("in a file", of(c"f/x".as_ptr()), ENOTDIR);
    t.refused("in a circle", of(c"s".as_ptr()), ELOOP);
    t.refused("a long name", of(long.as_ptr()), ENAMETOOLONG);
    t.refused("named nowhere", of(8 as *const c_char), EFAULT);
    t.refused("told nowhere", raw!(SYS_statfs, c"f".as_ptr(), 8), EFAULT);
    t.refused("closed", raw!(SYS_fstatfs, 999, at), EBADF);
    t.refused("an open one's, nowhere", raw!(SYS_fstatfs, 0, 8), EFAULT);
    t.works("a file's", of(c"f".as_ptr()));
    let [_, size, blocks, free, available, ..] = found;
    t.check("a block's size", size > 0);
    t.check(
        "free ones are some of all",
        free <= blocks && available <= free,
    );
    t.same("names are of 255 bytes", found[8], 255);
    let by_name = found[0];
    let fd = call!(open(c"f".as_ptr(), O_PATH))?;
    t.works("by its place", raw!(SYS_fstatfs, fd, at));
    t.same("the same kind", found[0], by_name);
    t.works("/proc", of(c"/proc/self".as_ptr()));
    t.same("is of its kind", found[0], 0x9fa0);
    let [reader, _] = sys::pipe()?;
    t.works("a pipe", raw!(SYS_fstatfs, reader, at));
    t.same("is of its own", found[0], 0x5049_5045);
    let socket = call!(socket(AF_UNIX, SOCK_STREAM, 0))?;
    t.works("a socket", raw!(SYS_fstatfs, socket, at));
    t.same("too", found[0], 0x534f_434b);
    as_nobody(t, |t| {
        t.refused("in a shut folder", of(c"shut/f".as_ptr()), EACCES);
        Ok(())
    })
}
