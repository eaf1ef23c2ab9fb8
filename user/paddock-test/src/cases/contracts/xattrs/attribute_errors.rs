//! getxattr(2), fsetxattr(2), flistxattr(2), fremovexattr(2): what they refuse.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    yes!(t; "a link": symlink(c"f".as_ptr(), c"l".as_ptr()););
    let fd = call!(open(c"f".as_ptr(), O_RDONLY))?;
    let place = call!(open(c"f".as_ptr(), O_PATH))?;
    let name = c"user.a".as_ptr();
    let value: *const c_void = c"value".as_ptr().cast();
    let bad = 8 as *const c_char;
    let mut bytes = [0u8; 16];
    let at: *mut c_void = bytes.as_mut_ptr().cast();
    yes!(t; "by a descriptor to read": fsetxattr(fd, name, value, 5, 0););
    no!(t;
        "of nothing": setxattr(c"no".as_ptr(), name, value, 5, 0) => ENOENT;
        "a name nowhere": setxattr(c"f".as_ptr(), bad, value, 5, 0) => EFAULT;
        "a value nowhere": setxattr(c"f".as_ptr(), name, bad.cast(), 5, 0) => EFAULT;
        "closed": fsetxattr(999, name, value, 5, 0) => EBADF;
        "a place": fsetxattr(place, name, value, 5, 0) => EBADF;
        "asked of nothing": getxattr(c"no".as_ptr(), name, at, 16) => ENOENT;
        "told nowhere": getxattr(c"f".as_ptr(), name, 8 as *mut c_void, 16) => EFAULT;
        "asked of a closed one": fgetxattr(999, name, at, 16) => EBADF;
        "asked of a place": fgetxattr(place, name, at, 16) => EBADF;
        "the names of a closed one": flistxattr(999, at.cast(), 16) => EBADF;
        "names nowhere": flistxattr(fd, 8 as *mut c_char, 16) => EFAULT;
        "names in too little": flistxattr(fd, at.cast(), 3) => ERANGE;
        "names of nothing": listxattr(c"no".as_ptr(), at.cast(), 16) => ENOENT;
        "removed from nothing": removexattr(c"no".as_ptr(), name) => ENOENT;
        "by a name nowhere": removexattr(c"f".as_ptr(), bad) => EFAULT;
        "from a closed one": fremovexattr(999, name) => EBADF;
        "from a place": fremovexattr(place, name) => EBADF;
        "that is not there": fremovexattr(fd, c"user.b".as_ptr()) => ENODATA;
    );
    t.same(
        "by its link",
        call!(getxattr(c"l".as_ptr(), name, at, 16)),
        Ok(5),
    );
    t.same("the value", &bytes[..6], b"value\0".as_slice());
    no!(t; "a link has none": lgetxattr(c"l".as_ptr(), name, at, 16) => ENODATA;);
    t.same(
        "nor names",
        call!(llistxattr(c"l".as_ptr(), at.cast(), 16)),
        Ok(0),
    );
    yes!(t; "replaced": fsetxattr(fd, name, c"x".as_ptr().cast(), 1, XATTR_REPLACE););
    t.same("is short", call!(fgetxattr(fd, name, at, 16)), Ok(1));
    let before = stat_of(fd)?;
    yes!(t; "no size": fsetxattr(fd, name, null(), 0, 0); "removed": fremovexattr(fd, name););
    no!(t; "is gone": fgetxattr(fd, name, at, 16) => ENODATA;);
    let after = stat_of(fd)?;
    t.same(
        "its content's time stays",
        after.st_mtime_nsec,
        before.st_mtime_nsec,
    );
    Ok(())
}
