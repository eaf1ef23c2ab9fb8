//! pread(2), pwrite(2), preadv2(2) and pwritev2(2).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"abcdef")?;
    let fd = call!(open(c"f".as_ptr(), O_RDWR))?;
    let [reader, writer] = sys::pipe()?;
    let mut bytes = [0u8; 4];
    let at: *mut c_void = bytes.as_mut_ptr().cast();
    let vector = [iovec {
        iov_base: at,
        iov_len: 2,
    }];
    let one = vector.as_ptr();
    no!(t;
        "before the beginning": pread(fd, at, 1, -1) => EINVAL;
        "to write there": pwrite(fd, at, 1, -1) => EINVAL;
        "a pipe": pread(reader, at, 1, 0) => ESPIPE;
        "a pipe to write": pwrite(writer, at, 1, 0) => ESPIPE;
        "a flag": preadv2(fd, one, 1, 0, 0x4000_0000) => EOPNOTSUPP;
        "one to write": pwritev2(fd, one, 1, 0, 0x4000_0000) => EOPNOTSUPP;
        "before -1": preadv2(fd, one, 1, -2, 0) => EINVAL;
    );
    t.same("at the offset", call!(preadv2(fd, one, 1, -1, 0)), Ok(2));
    t.same("which moves", call!(lseek(fd, 0, SEEK_CUR)), Ok(2));
    t.same("beyond the end", call!(pread(fd, at, 1, 100)), Ok(0));
    t.same("appended", call!(pwritev2(fd, one, 1, 0, 0x10)), Ok(2));
    t.same("at the end", text("f"), "abcdefab".into());
    t.same("where it was", call!(lseek(fd, 0, SEEK_CUR)), Ok(2));
    Ok(())
}
