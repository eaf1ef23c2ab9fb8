//! What a descriptor of O_PATH is good for (open(2)).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"abc")?;
    let fd = call!(open(c"f".as_ptr(), O_PATH))?;
    let mut byte = 0u8;
    let at = (&raw mut byte).cast();
    no!(t;
        "read": read(fd, at, 1) => EBADF;
        "write": write(fd, at, 1) => EBADF;
        "lseek": lseek(fd, 0, SEEK_SET) => EBADF;
        "fchmod": syscall(SYS_fchmod, fd, 0o600) => EBADF;
        "fchown": syscall(SYS_fchown, fd, 0, 0) => EBADF;
        "ftruncate": ftruncate(fd, 0) => EBADF;
        "fsync": fsync(fd) => EBADF;
        "ioctl": ioctl(fd, FIOCLEX) => EBADF;
        "flock": flock(fd, LOCK_SH) => EBADF;
        "F_SETFL": fcntl(fd, F_SETFL, O_NONBLOCK) => EBADF;
        "F_GETOWN": fcntl(fd, F_GETOWN) => EBADF;
        "mmap": mmap(null_mut(), 4096, PROT_READ, MAP_PRIVATE, fd, 0) => EBADF;
        "fchdir": fchdir(fd) => ENOTDIR;
    );
    t.same(
        "F_GETFL",
        call!(fcntl(fd, F_GETFL)).map(|it| it & O_PATH),
        Ok(O_PATH),
    );
    yes!(t; "dup": dup(fd); "F_SETFD": fcntl(fd, F_SETFD, FD_CLOEXEC););
    t.same("fstat", kind(fd)?, S_IFREG);
    let folder = call!(open(c".".as_ptr(), O_PATH | O_DIRECTORY))?;
    yes!(t; "fchdir to a folder": fchdir(folder); "openat": openat(folder, c"f".as_ptr(), O_RDONLY);
        "close": close(fd););
    Ok(())
}
