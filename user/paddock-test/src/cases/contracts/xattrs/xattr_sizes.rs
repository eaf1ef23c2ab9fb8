//! getxattr(2), listxattr(2): sizes asked for, and values of all sizes.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    let path = c"f".as_ptr();
    let name = c"user.v".as_ptr();
    let mut room = vec![0u8; 4096];
    for size in [0usize, 1, 15, 16, 17, 100, 500, 1000] {
        let value = sys::Noise::new(size as u64).bytes(size);
        let set = call!(setxattr(path, name, value.as_ptr().cast(), size, 0));
        let told = call!(getxattr(path, name, null_mut(), 0));
        let got = call!(getxattr(path, name, room.as_mut_ptr().cast(), 4096));
        let good = set.is_ok()
            && told == Ok(size as isize)
            && got == Ok(size as isize)
            && room[..size] == value;
        t.check(&format!("{size} bytes"), good);
    }
    let long = word(&format!("user.{}", "n".repeat(250)));
    yes!(t; "the longest name": setxattr(path, long.as_ptr(), c"x".as_ptr().cast(), 1, 0););
    t.same(
        "is listed",
        call!(listxattr(path, null_mut(), 0)),
        Ok(7 + 256),
    );
    no!(t; "a byte too little": listxattr(path, room.as_mut_ptr().cast(), 262) => ERANGE;
        "a value of none": setxattr(path, c"user.n".as_ptr(), null(), 1, 0) => EFAULT;
        "names to nowhere": listxattr(path, 8 as *mut c_char, 4096) => EFAULT;
        "to nowhere": getxattr(path, name, 8 as *mut c_void, 4096) => EFAULT;
        "no file": listxattr(c"no".as_ptr(), null_mut(), 0) => ENOENT;
        "no file's": removexattr(c"no".as_ptr(), name) => ENOENT;
        "through a file": getxattr(c"f/x".as_ptr(), name, null_mut(), 0) => ENOTDIR;);
    yes!(t; "one goes": removexattr(path, long.as_ptr()););
    t.same(
        "the other stays",
        call!(listxattr(path, null_mut(), 0)),
        Ok(7),
    );
    yes!(t; "renamed": rename(path, c"g".as_ptr()););
    t.same(
        "with its attribute",
        call!(getxattr(c"g".as_ptr(), name, null_mut(), 0)),
        Ok(1000),
    );
    Ok(())
}
