//! readlink(2) and readlinkat(2).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    folder("shut")?;
    yes!(t; "a link": symlink(c"abcdef".as_ptr(), c"l".as_ptr());
        "one in a folder": symlink(c"x".as_ptr(), c"shut/l".as_ptr());
        "which is shut": chmod(c"shut".as_ptr(), 0o600););
    let mut bytes = [b'-'; 16];
    let at = bytes.as_mut_ptr().cast::<c_char>();
    let long = CString::new(vec![b'x'; 256]).unwrap_or_default();
    no!(t;
        "a file": readlink(c"f".as_ptr(), at, 16) => EINVAL;
        "a folder": readlink(c".".as_ptr(), at, 16) => EINVAL;
        "nothing": readlink(c"no".as_ptr(), at, 16) => ENOENT;
        "no name": readlink(c"".as_ptr(), at, 16) => ENOENT;
        "in a file": readlink(c"f/x".as_ptr(), at, 16) => ENOTDIR;
        "with a slash": readlink(c"l/".as_ptr(), at, 16) => ENOENT;
        "a long name": readlink(long.as_ptr(), at, 16) => ENAMETOOLONG;
        "nowhere": readlink(c"l".as_ptr(), 8 as *mut c_char, 16) => EFAULT;
    );
    let raw_at = |size: i32| raw!(SYS_readlinkat, AT_FDCWD, c"l".as_ptr(), at, size);
    t.refused("no room", raw_at(0), EINVAL);
    t.refused("less than none", raw_at(-1), EINVAL);
    t.same("cut", raw_at(3), Ok(3));
    t.same("all", raw_at(16), Ok(6));
    t.same("without a zero behind", &bytes[..8], b"abcdef--".as_slice());
    let place = call!(open(c"l".as_ptr(), O_PATH | O_NOFOLLOW))?;
    let plain = call!(open(c"f".as_ptr(), O_RDONLY))?;
    let of = |fd: i32| raw!(SYS_readlinkat, fd, c"".as_ptr(), at, 16);
    t.same("by its place", of(place), Ok(6));
    t.refused("a file's", of(plain), ENOENT);
    t.refused("a closed one's", of(999), EBADF);
    as_nobody(t, |t| {
        let hidden = raw!(SYS_readlinkat, AT_FDCWD, c"shut/l".as_ptr(), at, 16);
        t.refused("in a shut folder", hidden, EACCES);
        Ok(())
    })
}
