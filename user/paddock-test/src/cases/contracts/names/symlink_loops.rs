//! path_resolution(7): at most forty links, and none in a circle (ELOOP).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("l0", b"")?;
    for number in 1..=41 {
        let (to, name) = (format!("l{}", number - 1), format!("l{number}"));
        std::os::unix::fs::symlink(to, name).map_err(|error| error.to_string())?;
    }
    folder("d")?;
    yes!(t; "one way": symlink(c"b".as_ptr(), c"a".as_ptr()); "and back": symlink(c"a".as_ptr(), c"b".as_ptr());
        "to itself": symlink(c"s".as_ptr(), c"s".as_ptr()); "a folder": symlink(c".".as_ptr(), c"d/h".as_ptr()););
    let many = CString::new(format!("d/{}", "h/".repeat(41))).unwrap_or_default();
    let forty = CString::new(format!("d/{}", "h/".repeat(40))).unwrap_or_default();
    yes!(t; "forty": open(c"l40".as_ptr(), O_RDONLY); "in one path": open(forty.as_ptr(), O_RDONLY););
    // SAFETY: plain numbers.
    let mut found: libc::stat = unsafe { std::mem::zeroed() };
    let at = &raw mut found;
    no!(t;
        "one more": open(c"l41".as_ptr(), O_RDONLY) => ELOOP;
        "one more in one path": open(many.as_ptr(), O_RDONLY) => ELOOP;
        "a circle": open(c"a".as_ptr(), O_RDONLY) => ELOOP;
        "a small one": libc::stat(c"s".as_ptr(), at) => ELOOP;
        "through it": libc::lstat(c"s/x".as_ptr(), at) => ELOOP;
        "access": access(c"a".as_ptr(), R_OK) => ELOOP;
        "chmod": chmod(c"a".as_ptr(), 0o600) => ELOOP;
        "chown": chown(c"a".as_ptr(), 1, 1) => ELOOP;
        "truncate": truncate(c"a".as_ptr(), 0) => ELOOP;
        "chdir": chdir(c"a".as_ptr()) => ELOOP;
        "mkdir": mkdir(c"a/x".as_ptr(), 0o700) => ELOOP;
        "rename": rename(c"a/x".as_ptr(), c"y".as_ptr()) => ELOOP;
        "unlink": unlink(c"a/x".as_ptr()) => ELOOP;
        "rmdir": rmdir(c"a/x".as_ptr()) => ELOOP;
        "rmdir of a link": rmdir(c"a".as_ptr()) => ENOTDIR;
        "mkdir of a link": mkdir(c"a".as_ptr(), 0o700) => EEXIST;
        "not followed": open(c"a".as_ptr(), O_RDONLY | O_NOFOLLOW) => ELOOP;
    );
    yes!(t; "itself": libc::lstat(c"s".as_ptr(), at); "removed": unlink(c"a".as_ptr()););
    Ok(())
}
