//! readv(2) and writev(2): pieces.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"abcdef")?;
    let fd = call!(open(c"f".as_ptr(), O_RDWR))?;
    let mut bytes = [0u8; 4];
    let at: *mut c_void = bytes.as_mut_ptr().cast();
    let piece = |length: usize| iovec {
        iov_base: at,
        iov_len: length,
    };
    let many = vec![piece(0); 1025];
    let long = [piece(1), piece(usize::MAX)];
    no!(t;
        "too many": readv(fd, many.as_ptr(), 1025) => EINVAL;
        "fewer than none": readv(fd, many.as_ptr(), -1) => EINVAL;
        "a negative length": readv(fd, long.as_ptr(), 2) => EINVAL;
        "nowhere": readv(fd, std::ptr::dangling(), 1) => EFAULT;
        "closed": readv(999, many.as_ptr(), 1) => EBADF;
    );
    t.same("none", call!(readv(fd, many.as_ptr(), 0)), Ok(0));
    t.same("empty ones", call!(writev(fd, many.as_ptr(), 1024)), Ok(0));
    let bad = [
        piece(2),
        iovec {
            iov_base: 8 as *mut c_void,
            iov_len: 2,
        },
    ];
    t.same(
        "up to the bad one",
        call!(readv(fd, bad.as_ptr(), 2)),
        Ok(2),
    );
    t.same(
        "is where it went on from",
        call!(lseek(fd, 0, SEEK_CUR)),
        Ok(2),
    );
    Ok(())
}
