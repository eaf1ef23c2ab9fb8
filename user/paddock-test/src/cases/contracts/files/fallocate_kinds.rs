//! fallocate(2): which files, which places.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"abc")?;
    call!(mkfifo(c"fifo".as_ptr(), 0o600))?;
    let (reading, fd) = (opened("f", O_RDONLY)?, opened("f", O_RDWR)?);
    let [_, writer] = sys::pipe()?;
    let fifo = opened("fifo", O_RDWR)?;
    let socket = call!(socket(AF_UNIX, SOCK_STREAM, 0))?;
    let null = opened("/dev/null", O_RDWR)?;
    let folder = opened(".", O_RDONLY)?;
    let (keep, punch, zero) = (1, 2, 16);
    no!(t;
        "open to read": fallocate(reading, 0, 0, 1) => EBADF;
        "no descriptor": fallocate(-1, 0, 0, 1) => EBADF;
        "a folder": fallocate(folder, 0, 0, 1) => EBADF;
        "a pipe": fallocate(writer, 0, 0, 1) => ESPIPE;
        "a fifo": fallocate(fifo, 0, 0, 1) => ESPIPE;
        "a socket": fallocate(socket, 0, 0, 1) => ENODEV;
        "a device": fallocate(null, 0, 0, 1) => ENODEV;
        "before the beginning": fallocate(fd, 0, -1, 1) => EINVAL;
        "a negative length": fallocate(fd, 0, 0, -1) => EINVAL;
        "no length": fallocate(fd, 0, 0, 0) => EINVAL;
        "too far": fallocate(fd, 0, i64::MAX, 1) => EFBIG;
        "too long": fallocate(fd, 0, 1, i64::MAX) => EFBIG;
        "a hole alone": fallocate(fd, punch, 0, 1) => EOPNOTSUPP;
        "a hole and zeros": fallocate(fd, punch | keep | zero, 0, 1) => EOPNOTSUPP;
        "an unknown mode": fallocate(fd, 0x200, 0, 1) => EOPNOTSUPP;
    );
    let size = || stat_of(fd).map(|it| it.st_size);
    yes!(t; "KEEP_SIZE": fallocate(fd, keep, 0, 100_000););
    t.same("keeps it", size(), Ok(3));
    t.check("has blocks", stat_of(fd)?.st_blocks * 512 >= 100_000);
    yes!(t; "else": fallocate(fd, 0, 10, 20_000););
    t.same("it grows", size(), Ok(20_010));
    t.same(
        "what was there stays",
        text("f").as_bytes()[..4].to_vec(),
        b"abc\0".to_vec(),
    );
    yes!(t; "a hole": fallocate(fd, punch | keep, 1, 1););
    t.same(
        "is zeros",
        text("f").as_bytes()[..3].to_vec(),
        b"a\0c".to_vec(),
    );
    yes!(t; "a hole beyond the end": fallocate(fd, punch | keep, 30_000, 10););
    t.same("does not", size(), Ok(20_010));
    Ok(())
}
