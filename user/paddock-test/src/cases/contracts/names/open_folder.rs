//! Folders are opened to be read only (open(2)).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    folder("d")?;
    no!(t;
        "to write": open(c"d".as_ptr(), O_WRONLY) => EISDIR;
        "to read and write": open(c"d".as_ptr(), O_RDWR) => EISDIR;
        "O_CREAT": open(c"d".as_ptr(), O_CREAT | O_RDONLY, 0o644) => EISDIR;
        "O_TRUNC": open(c"d".as_ptr(), O_RDONLY | O_TRUNC) => EISDIR;
        "creat": creat(c"d".as_ptr(), 0o644) => EISDIR;
        "truncate": truncate(c"d".as_ptr(), 0) => EISDIR;
    );
    let fd = call!(open(c"d".as_ptr(), O_RDONLY))?;
    let mut byte = 0u8;
    let at = (&raw mut byte).cast();
    no!(t;
        "read": read(fd, at, 1) => EISDIR;
        "pread": pread(fd, at, 1, 0) => EISDIR;
        "write": write(fd, at, 1) => EBADF;
        "ftruncate": ftruncate(fd, 0) => EINVAL;
        "mmap": mmap(null_mut(), 4096, PROT_READ, MAP_PRIVATE, fd, 0) => ENODEV;
        "fallocate": fallocate(fd, 0, 0, 1) => EBADF;
    );
    yes!(t; "fsync": fsync(fd); "flock": flock(fd, LOCK_EX););
    Ok(())
}
