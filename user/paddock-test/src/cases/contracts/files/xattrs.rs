//! setxattr(2), getxattr(2), listxattr(2), removexattr(2).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    yes!(t; "a link": symlink(c"f".as_ptr(), c"l".as_ptr()););
    let path = c"f".as_ptr();
    let set = |name: &CStr, size: usize, flags: i32| {
        let bytes = vec![b'v'; size];
        call!(setxattr(
            path,
            name.as_ptr(),
            bytes.as_ptr().cast(),
            size,
            flags
        ))
    };
    let long = CString::new(format!("user.{}", "x".repeat(251))).unwrap_or_default();
    t.refused("no kind", set(c"name", 1, 0), EOPNOTSUPP);
    t.refused("an unknown kind", set(c"other.name", 1, 0), EOPNOTSUPP);
    t.refused("no name", set(c"", 1, 0), ERANGE);
    t.refused("a long one", set(&long, 1, 0), ERANGE);
    t.refused("nothing behind the dot", set(c"user.", 1, 0), EINVAL);
    t.refused("a large value", set(c"user.a", 65_537, 0), E2BIG);
    t.refused("a flag", set(c"user.a", 1, 4), EINVAL);
    t.refused(
        "to replace nothing",
        set(c"user.a", 1, XATTR_REPLACE),
        ENODATA,
    );
    t.works("one", set(c"user.a", 3, XATTR_CREATE));
    t.refused("made twice", set(c"user.a", 3, XATTR_CREATE), EEXIST);
    let mut bytes = [0u8; 64];
    let at: *mut c_void = bytes.as_mut_ptr().cast();
    t.same(
        "its size",
        call!(getxattr(path, c"user.a".as_ptr(), null_mut(), 0)),
        Ok(3),
    );
    no!(t; "too small": getxattr(path, c"user.a".as_ptr(), at, 2) => ERANGE;
        "another": getxattr(path, c"user.b".as_ptr(), at, 64) => ENODATA;
        "removed, that is not there": removexattr(path, c"user.b".as_ptr()) => ENODATA;
        "of a link": lsetxattr(c"l".as_ptr(), c"user.a".as_ptr(), at, 1, 0) => EPERM;
        "names in too little": listxattr(path, at.cast(), 2) => ERANGE;);
    t.same(
        "size of names",
        call!(listxattr(path, null_mut(), 0)),
        Ok(7),
    );
    t.same("an empty value", set(c"user.b", 0, 0), Ok(0));
    t.same(
        "is there",
        call!(getxattr(path, c"user.b".as_ptr(), at, 64)),
        Ok(0),
    );
    yes!(t; "removed": removexattr(path, c"user.a".as_ptr()););
    no!(t; "is gone": getxattr(path, c"user.a".as_ptr(), at, 64) => ENODATA;);
    let many =
        (0..100).map(|number| CString::new(format!("user.test{number}")).unwrap_or_default());
    let refused = many.filter(|name| set(name, 1, 0).is_err()).count();
    t.same("a hundred small ones", refused, 0);
    Ok(())
}
