//! fsetxattr(2), fgetxattr(2), flistxattr(2), fremovexattr(2): by descriptors.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    let fd = opened("f", O_RDONLY)?;
    let place = opened("f", O_PATH)?;
    let mut room = [0u8; 64];
    let at: *mut c_void = room.as_mut_ptr().cast();
    let name = c"user.key".as_ptr();
    yes!(t; "by one to read": fsetxattr(fd, name, c"value".as_ptr().cast(), 5, XATTR_CREATE););
    t.same("its size", call!(fgetxattr(fd, name, at, 0)), Ok(5));
    t.same("its bytes", call!(fgetxattr(fd, name, at, 64)), Ok(5));
    t.same("as they were", room[..5].to_vec(), b"value".to_vec());
    no!(t;
        "too little room": fgetxattr(fd, name, at, 4) => ERANGE;
        "to nowhere": fgetxattr(fd, name, 8 as *mut c_void, 64) => EFAULT;
        "another": fgetxattr(fd, c"user.no".as_ptr(), at, 64) => ENODATA;
        "made twice": fsetxattr(fd, name, at, 1, XATTR_CREATE) => EEXIST;
        "both flags": fsetxattr(fd, name, at, 1, 4) => EINVAL;
        "nowhere": fsetxattr(fd, name, 8 as *const c_void, 64, 0) => EFAULT;
        "a name nowhere": fgetxattr(fd, 8 as *const c_char, at, 64) => EFAULT;
        "by a place": fgetxattr(place, name, at, 64) => EBADF;
        "set by it": fsetxattr(place, name, at, 1, 0) => EBADF;
        "listed by it": flistxattr(place, at.cast(), 64) => EBADF;
        "closed": fgetxattr(-1, name, at, 64) => EBADF;
        "removed of none": fremovexattr(-1, name) => EBADF;
        "removed by a place": fremovexattr(place, name) => EBADF;
        "another removed": fremovexattr(fd, c"user.no".as_ptr()) => ENODATA;
        "of an unknown kind": fremovexattr(fd, c"none.key".as_ptr()) => EOPNOTSUPP;
    );
    t.same("listed", call!(flistxattr(fd, at.cast(), 64)), Ok(9));
    t.same("with its end", room[..9].to_vec(), b"user.key\0".to_vec());
    t.same("so much room", call!(flistxattr(fd, null_mut(), 0)), Ok(9));
    no!(t; "too little for it": flistxattr(fd, at.cast(), 8) => ERANGE;);
    yes!(t; "replaced": fsetxattr(fd, name, c"x".as_ptr().cast(), 1, XATTR_REPLACE););
    t.same("shorter", call!(fgetxattr(fd, name, at, 64)), Ok(1));
    yes!(t; "another name": link(c"f".as_ptr(), c"g".as_ptr()););
    t.same(
        "has the same",
        call!(getxattr(c"g".as_ptr(), name, at, 64)),
        Ok(1),
    );
    yes!(t; "removed": fremovexattr(fd, name););
    no!(t; "for both": getxattr(c"g".as_ptr(), name, at, 64) => ENODATA;);
    Ok(())
}
