//! preadv(2) and pwritev(2).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"abcdefgh")?;
    let fd = call!(open(c"f".as_ptr(), O_RDWR))?;
    let reading = call!(open(c"f".as_ptr(), O_RDONLY))?;
    let writing = call!(open(c"f".as_ptr(), O_WRONLY))?;
    let folder = call!(open(c".".as_ptr(), O_RDONLY))?;
    let [pipe, writer] = sys::pipe()?;
    let mut bytes = [0u8; 8];
    let at: *mut c_void = bytes.as_mut_ptr().cast();
    let piece = |iov_base: *mut c_void, iov_len: usize| iovec { iov_base, iov_len };
    let two = [piece(at, 2), piece(at.wrapping_byte_add(4), 3)];
    let bad = [piece(8 as *mut c_void, 2)];
    let endless = [piece(at, usize::MAX)];
    let (good, bad, endless) = (two.as_ptr(), bad.as_ptr(), endless.as_ptr());
    no!(t;
        "a negative place": preadv(fd, good, 2, -1) => EINVAL;
        "a negative count": preadv(fd, good, -1, 0) => EINVAL;
        "a negative length": preadv(fd, endless, 1, 0) => EINVAL;
        "nowhere": preadv(fd, bad, 1, 0) => EFAULT;
        "closed": preadv(999, good, 2, 0) => EBADF;
        "only written": preadv(writing, good, 2, 0) => EBADF;
        "a folder": preadv(folder, good, 2, 0) => EISDIR;
        "a pipe": preadv(pipe, good, 2, 0) => ESPIPE;
        "to write, a negative place": pwritev(fd, good, 2, -1) => EINVAL;
        "to write a negative length": pwritev(fd, endless, 1, 0) => EINVAL;
        "to write nowhere": pwritev(fd, bad, 1, 0) => EFAULT;
        "only read": pwritev(reading, good, 2, 0) => EBADF;
        "to write to a pipe": pwritev(writer, good, 2, 0) => ESPIPE;
    );
    t.same("five", call!(preadv(fd, good, 2, 1)), Ok(5));
    t.same("each in its place", bytes, *b"bc\0\0def\0");
    t.same("less at the end", call!(preadv(fd, good, 2, 7)), Ok(1));
    t.same("none behind it", call!(preadv(fd, good, 2, 8)), Ok(0));
    bytes = *b"12..345.";
    t.same("written", call!(pwritev(fd, two.as_ptr(), 2, 6)), Ok(5));
    t.same("as told", text("f"), "abcdef12345".into());
    t.same("the place stays", call!(lseek(fd, 0, SEEK_CUR)), Ok(0));
    t.same("bytes were used", bytes[0], b'1');
    Ok(())
}
