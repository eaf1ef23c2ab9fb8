//! tee(2) and vmsplice(2).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    const NONBLOCK: usize = 2;
    file("f", b"abc")?;
    let fd = call!(open(c"f".as_ptr(), O_RDWR))?;
    let ([reader, writer], [reader2, writer2]) = (sys::pipe()?, sys::pipe()?);
    let tee =
        |from: i32, to: i32, count: usize, flags: usize| raw!(SYS_tee, from, to, count, flags);
    t.refused("a file", tee(fd, writer, 1, 0), EINVAL);
    t.refused("to a file", tee(reader, fd, 1, 0), EINVAL);
    t.refused("closed", tee(999, writer, 1, 0), EBADF);
    t.refused("to itself", tee(reader, writer, 1, 0), EINVAL);
    t.refused("a flag", tee(reader, writer2, 1, 0x10), EINVAL);
    t.refused("the wrong end", tee(writer, writer2, 1, 0), EBADF);
    t.refused("nothing", tee(reader, writer2, 1, NONBLOCK), EAGAIN);
    t.same("none", tee(reader, writer2, 0, 0), Ok(0));
    sys::write_all(writer, b"abcdef")?;
    t.same("some", tee(reader, writer2, 4, 0), Ok(4));
    let mut bytes = [0; 8];
    t.same("are there", sys::read(reader2, &mut bytes), Ok(4));
    t.same("the first", &bytes[..4], b"abcd".as_slice());
    t.same("and still here", sys::read(reader, &mut bytes), Ok(6));
    let mut place = *b"xyz";
    let pieces = [iovec {
        iov_base: place.as_mut_ptr().cast(),
        iov_len: 3,
    }];
    let splice = |fd: i32, pieces: *const iovec, count: usize, flags: usize| {
        raw!(SYS_vmsplice, fd, pieces, count, flags)
    };
    let one = pieces.as_ptr();
    t.refused("memory to a file", splice(fd, one, 1, 0), EBADF);
    t.refused("to a closed one", splice(999, one, 1, 0), EBADF);
    t.refused("too many pieces", splice(writer, one, 1025, 0), EINVAL);
    t.refused("an unknown flag", splice(writer, one, 1, 0x10), EINVAL);
    t.refused(
        "pieces nowhere",
        splice(writer, std::ptr::dangling::<iovec>(), 1, 0),
        EFAULT,
    );
    t.same("none at all", splice(writer, one, 0, 0), Ok(0));
    t.same("memory to a pipe", splice(writer, one, 1, 0), Ok(3));
    t.same("is read", sys::read(reader, &mut bytes), Ok(3));
    t.same("as it was", &bytes[..3], b"xyz".as_slice());
    sys::write_all(writer, b"12")?;
    t.same("a pipe to memory", splice(reader, one, 1, 0), Ok(2));
    t.same("with what was in it", place, *b"12z");
    let full = call!(fcntl(writer, F_GETPIPE_SZ))?;
    sys::write_all(writer, &vec![0; full as usize])?;
    t.refused("a full one", splice(writer, one, 1, NONBLOCK), EAGAIN);
    Ok(())
}
