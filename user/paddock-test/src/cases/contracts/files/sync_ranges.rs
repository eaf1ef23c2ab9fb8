//! sync_file_range(2), syncfs(2), fsync(2) and fdatasync(2).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", &[1; 10_000])?;
    let fd = call!(open(c"f".as_ptr(), O_RDWR))?;
    let reading = call!(open(c"f".as_ptr(), O_RDONLY))?;
    let place = call!(open(c"f".as_ptr(), O_PATH))?;
    let [reader, writer] = sys::pipe()?;
    let range = |fd: i32, from: i64, count: i64, flags: u32| {
        raw!(SYS_sync_file_range, fd, from, count, flags)
    };
    t.same("all", range(fd, 0, 0, 7), Ok(0));
    t.same("no flags", range(fd, 0, 100, 0), Ok(0));
    t.same("what is only read", range(reading, 0, 4096, 2), Ok(0));
    t.same("beyond the end", range(fd, 1 << 20, 4096, 2), Ok(0));
    t.refused("a flag", range(fd, 0, 1, 8), EINVAL);
    t.refused("a negative place", range(fd, -1, 1, 2), EINVAL);
    t.refused("a negative count", range(fd, 0, -1, 2), EINVAL);
    t.refused("beyond all numbers", range(fd, i64::MAX, 10, 2), EINVAL);
    t.refused("a pipe", range(reader, 0, 1, 2), ESPIPE);
    t.refused("closed", range(999, 0, 1, 2), EBADF);
    t.refused("a place in the tree", range(place, 0, 1, 2), EBADF);
    no!(t;
        "a pipe's bytes": fsync(reader) => EINVAL;
        "its data": fdatasync(writer) => EINVAL;
        "a closed one": fsync(999) => EBADF;
        "a closed one's data": fdatasync(-1) => EBADF;
        "a closed one's filesystem": syncfs(999) => EBADF;
        "a place's filesystem": syncfs(place) => EBADF;
    );
    let folder = call!(open(c".".as_ptr(), O_RDONLY))?;
    yes!(t; "what is only read, too": fsync(reading); "a folder": fsync(folder);
        "its filesystem": syncfs(folder); "a pipe's filesystem": syncfs(reader););
    Ok(())
}
