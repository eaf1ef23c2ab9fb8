//! A folder that is removed while one is in it.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    folder("d")?;
    yes!(t; "in": chdir(c"d".as_ptr()); "removed": rmdir(c"../d".as_ptr()););
    let mut path = [0u8; 4096];
    t.refused(
        "getcwd",
        raw!(SYS_getcwd, path.as_mut_ptr(), path.len()),
        ENOENT,
    );
    no!(t;
        "nothing is made in it": mkdir(c"x".as_ptr(), 0o755) => ENOENT;
        "nor opened": open(c"x".as_ptr(), O_CREAT | O_WRONLY, 0o644) => ENOENT;
        "nor linked": symlink(c"a".as_ptr(), c"x".as_ptr()) => ENOENT;
    );
    let fd = call!(open(c".".as_ptr(), O_RDONLY))?;
    t.same("no links are left", stat_of(fd)?.st_nlink as u64, 0);
    t.refused(
        "its names",
        raw!(SYS_getdents64, fd, path.as_mut_ptr(), path.len()),
        ENOENT,
    );
    yes!(t; "out": chdir(c"..".as_ptr()););
    Ok(())
}
