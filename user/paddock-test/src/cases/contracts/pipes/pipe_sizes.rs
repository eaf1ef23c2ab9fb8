//! The room in a pipe (fcntl(2), pipe(7)).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    let [reader, writer] = sys::pipe()?;
    // Written to, so that it is there.
    let bytes = std::hint::black_box([1u8; 8192]);
    sys::set_nonblocking(writer, true)?;
    t.same("at first", call!(fcntl(reader, F_GETPIPE_SZ)), Ok(65_536));
    t.same(
        "rounded up",
        call!(fcntl(writer, F_SETPIPE_SZ, 5000)),
        Ok(8192),
    );
    t.same(
        "a page at the least",
        call!(fcntl(writer, F_SETPIPE_SZ, 1)),
        Ok(4096),
    );
    t.same(
        "as much goes in",
        sys::write(writer, &bytes[..5000]),
        Ok(4096),
    );
    t.refused("no more", sys::write(writer, &[1]), EAGAIN);
    t.same(
        "larger",
        call!(fcntl(writer, F_SETPIPE_SZ, 16_384)),
        Ok(16_384),
    );
    sys::write_all(writer, &bytes)?;
    no!(t; "less than what is in it": fcntl(writer, F_SETPIPE_SZ, 4096) => EBUSY;);
    let fd = call!(open(c"f".as_ptr(), O_RDWR))?;
    no!(t; "a file": fcntl(fd, F_GETPIPE_SZ) => EBADF; "a file to be set": fcntl(fd, F_SETPIPE_SZ, 4096) => EBADF;);
    let mut count = 0i32;
    yes!(t; "FIONREAD": ioctl(reader, FIONREAD, &raw mut count););
    t.same("what is in it", count, 12_288);
    Ok(())
}
