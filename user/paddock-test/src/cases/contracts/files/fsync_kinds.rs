//! fsync(2), fdatasync(2), sync_file_range(2): what can be made durable.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"abc")?;
    folder("d")?;
    call!(mkfifo(c"fifo".as_ptr(), 0o600))?;
    let (reading, writing) = (opened("f", O_RDONLY)?, opened("f", O_WRONLY)?);
    let folder = opened("d", O_RDONLY)?;
    yes!(t; "a file": fsync(writing); "open to read": fsync(reading); "a folder": fsync(folder);
        "its data": fdatasync(writing); "open to read, too": fdatasync(reading); "a folder's": fdatasync(folder););
    let [reader, writer] = sys::pipe()?;
    let fifo = opened("fifo", O_RDWR)?;
    let socket = call!(socket(AF_UNIX, SOCK_STREAM, 0))?;
    let null = opened("/dev/null", O_RDWR)?;
    let place = opened("f", O_PATH)?;
    let event = call!(eventfd(0, 0))?;
    no!(t;
        "a pipe": fsync(reader) => EINVAL;
        "its other end": fdatasync(writer) => EINVAL;
        "a fifo": fsync(fifo) => EINVAL;
        "a socket": fsync(socket) => EINVAL;
        "a socket's data": fdatasync(socket) => EINVAL;
        "a device": fsync(null) => EINVAL;
        "an eventfd": fsync(event) => EINVAL;
        "a place": fsync(place) => EBADF;
        "no descriptor": fsync(-1) => EBADF;
        "nor its data": fdatasync(-1) => EBADF;
    );
    let range =
        |fd: i32, from: i64, count: i64, flags: u32| call!(sync_file_range(fd, from, count, flags));
    t.works("a range", range(writing, 0, 3, SYNC_FILE_RANGE_WRITE));
    t.works(
        "to the end",
        range(writing, 1, 0, SYNC_FILE_RANGE_WAIT_AFTER),
    );
    t.refused("a negative one", range(writing, 0, -1, 1), EINVAL);
    t.refused("one that wraps", range(writing, i64::MAX, 2, 1), EINVAL);
    t.refused("flags", range(writing, 0, 1, 8), EINVAL);
    t.refused("of a pipe", range(reader, 0, 1, 1), ESPIPE);
    t.refused("of a device", range(null, 0, 1, 1), ESPIPE);
    t.refused("of nothing", range(-1, 0, 1, 1), EBADF);
    Ok(())
}
