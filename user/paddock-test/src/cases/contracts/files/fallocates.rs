//! fallocate(2), posix_fadvise(2), sync_file_range(2), readahead(2).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"abc")?;
    let fd = call!(open(c"f".as_ptr(), O_RDWR))?;
    let reading = call!(open(c"f".as_ptr(), O_RDONLY))?;
    let [pipe, writer] = sys::pipe()?;
    no!(t;
        "no length": fallocate(fd, 0, 0, 0) => EINVAL;
        "a negative one": fallocate(fd, 0, 0, -1) => EINVAL;
        "a negative place": fallocate(fd, 0, -1, 1) => EINVAL;
        "too far": fallocate(fd, 0, i64::MAX, 1) => EFBIG;
        "what is read": fallocate(reading, 0, 0, 1) => EBADF;
        "a pipe": fallocate(writer, 0, 0, 1) => ESPIPE;
        "no such mode": fallocate(fd, 0x100, 0, 1) => EOPNOTSUPP;
        "a hole that changes the length": fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 1) => EOPNOTSUPP;
        "sync of a flag": sync_file_range(fd, 0, 0, 8) => EINVAL;
        "of a negative place": sync_file_range(fd, -1, 0, 0) => EINVAL;
        "of a pipe": sync_file_range(pipe, 0, 0, 0) => ESPIPE;
        "readahead of a pipe": readahead(pipe, 0, 1) => EINVAL;
        "of what is written": readahead(writer, 0, 1) => EBADF;
    );
    yes!(t; "longer": fallocate(fd, 0, 0, 10););
    t.same("it is", stat_of(fd)?.st_size, 10);
    yes!(t; "not longer": fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 100););
    t.same("it stays", stat_of(fd)?.st_size, 10);
    yes!(t; "a hole": fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1, 1););
    t.same("is zero", text("f"), "a\0c\0\0\0\0\0\0\0".into());
    t.refused("no advice", raw!(SYS_fadvise64, fd, 0, 0, 99), EINVAL);
    t.refused("for a pipe", raw!(SYS_fadvise64, pipe, 0, 0, 0), ESPIPE);
    t.refused(
        "a negative length of it",
        raw!(SYS_fadvise64, fd, 0, -1i64, 0),
        EINVAL,
    );
    Ok(())
}
