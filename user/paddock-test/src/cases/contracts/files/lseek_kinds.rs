//! lseek(2): which files have a place, and which places there are.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"abcdefg")?;
    call!(mkfifo(c"fifo".as_ptr(), 0o600))?;
    let fd = opened("f", O_RDWR)?;
    t.same("from the beginning", call!(lseek(fd, 4, SEEK_SET)), Ok(4));
    t.same("from there", call!(lseek(fd, -2, SEEK_CUR)), Ok(2));
    t.same("from the end", call!(lseek(fd, -2, SEEK_END)), Ok(5));
    t.same("beyond it", call!(lseek(fd, 100, SEEK_END)), Ok(107));
    let mut bytes = [7u8; 8];
    t.same("nothing is there", sys::read(fd, &mut bytes), Ok(0));
    t.same("nor a longer file", stat_of(fd)?.st_size, 7);
    sys::write_all(fd, b"x")?;
    t.same("until one writes", stat_of(fd)?.st_size, 108);
    t.same(
        "zeros between",
        call!(pread(fd, bytes.as_mut_ptr().cast(), 2, 50)),
        Ok(2),
    );
    t.same("they are zeros", bytes[..2].to_vec(), vec![0, 0]);
    no!(t;
        "before the beginning": lseek(fd, -1, SEEK_SET) => EINVAL;
        "from the place as well": lseek(fd, -109, SEEK_CUR) => EINVAL;
        "too far": lseek(fd, i64::MAX, SEEK_END) => EINVAL;
        "from nowhere": lseek(fd, 0, 5) => EINVAL;
        "no descriptor": lseek(-1, 0, SEEK_SET) => EBADF;
    );
    t.same("it has not moved", call!(lseek(fd, 0, SEEK_CUR)), Ok(108));
    let twin = call!(dup(fd))?;
    yes!(t; "a copy moves": lseek(twin, 3, SEEK_SET););
    t.same("with it", call!(lseek(fd, 0, SEEK_CUR)), Ok(3));
    let [reader, writer] = sys::pipe()?;
    let fifo = opened("fifo", O_RDWR)?;
    let socket = call!(socket(AF_UNIX, SOCK_STREAM, 0))?;
    no!(t;
        "a pipe": lseek(reader, 0, SEEK_SET) => ESPIPE;
        "its other end": lseek(writer, 0, SEEK_CUR) => ESPIPE;
        "a fifo": lseek(fifo, 0, SEEK_END) => ESPIPE;
        "a socket": lseek(socket, 0, SEEK_SET) => ESPIPE;
    );
    let null = opened("/dev/null", O_RDWR)?;
    t.same(
        "a device without bytes",
        call!(lseek(null, 55, SEEK_SET)),
        Ok(0),
    );
    Ok(())
}
