//! mkdirat(2), mknodat(2), faccessat(2), fchmodat(2), fchownat(2), fstatat(2): from a folder.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    folder("d")?;
    file("f", b"")?;
    let (folder, plain) = (opened("d", O_RDONLY)?, opened("f", O_RDONLY)?);
    let place = opened("d", O_PATH)?;
    let here = std::env::current_dir().map_err(|error| error.to_string())?;
    let whole = word(&here.join("d/whole").display().to_string());
    // SAFETY: plain numbers.
    let mut it: libc::stat = unsafe { std::mem::zeroed() };
    let at = &raw mut it;
    yes!(t;
        "a folder": mkdirat(folder, c"e".as_ptr(), 0o755);
        "by a place": mkdirat(place, c"g".as_ptr(), 0o755);
        "a file": mknodat(folder, c"n".as_ptr(), S_IFREG | 0o644, 0);
        "a whole path, from nowhere": mkdirat(-1, whole.as_ptr(), 0o755);
        "from a file": mknodat(plain, c"/proc/self/cwd/d/w".as_ptr(), S_IFREG | 0o644, 0);
        "a right": faccessat(folder, c"e".as_ptr(), X_OK, 0);
        "a mode": fchmodat(folder, c"n".as_ptr(), 0o600, 0);
        "an owner": fchownat(folder, c"n".as_ptr(), 1, 2, 0);
        "a status": fstatat(folder, c"n".as_ptr(), at, 0);
    );
    t.same(
        "as it was set",
        (it.st_mode & 0o777, it.st_uid, it.st_gid),
        (0o600, 1, 2),
    );
    no!(t;
        "mkdirat from none": mkdirat(-1, c"x".as_ptr(), 0o755) => EBADF;
        "mknodat": mknodat(-1, c"x".as_ptr(), S_IFREG, 0) => EBADF;
        "faccessat": faccessat(-1, c"x".as_ptr(), F_OK, 0) => EBADF;
        "fchmodat": fchmodat(-1, c"x".as_ptr(), 0, 0) => EBADF;
        "fchownat": fchownat(-1, c"x".as_ptr(), 0, 0, 0) => EBADF;
        "fstatat": fstatat(-1, c"x".as_ptr(), at, 0) => EBADF;
        "mkdirat from a file": mkdirat(plain, c"x".as_ptr(), 0o755) => ENOTDIR;
        "mknodat likewise": mknodat(plain, c"x".as_ptr(), S_IFREG, 0) => ENOTDIR;
        "faccessat likewise": faccessat(plain, c"x".as_ptr(), F_OK, 0) => ENOTDIR;
        "fchmodat likewise": fchmodat(plain, c"x".as_ptr(), 0, 0) => ENOTDIR;
        "fchownat likewise": fchownat(plain, c"x".as_ptr(), 0, 0, 0) => ENOTDIR;
        "fstatat likewise": fstatat(plain, c"x".as_ptr(), at, 0) => ENOTDIR;
        "an unknown flag": fstatat(folder, c"n".as_ptr(), at, 1) => EINVAL;
    );
    yes!(t; "removed": unlinkat(folder, c"e".as_ptr(), AT_REMOVEDIR); "and its folder's name": rename(c"d".as_ptr(), c"moved".as_ptr());
        "which is followed": mkdirat(folder, c"later".as_ptr(), 0o755););
    t.check("there", status("moved/later").is_ok());
    Ok(())
}
