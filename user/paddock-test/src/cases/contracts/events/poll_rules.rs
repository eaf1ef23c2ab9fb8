//! poll(2), ppoll(2) and select(2): what they say of what they are given.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    let fd = call!(open(c"f".as_ptr(), O_RDONLY))?;
    t.same(
        "a file",
        ready(fd, POLLIN | POLLOUT | POLLPRI),
        Ok(POLLIN | POLLOUT),
    );
    t.same("closed", ready(999, POLLIN), Ok(POLLNVAL));
    t.same("a negative one", ready(-1, POLLIN), Ok(0));
    let null_fd = call!(open(c"/dev/null".as_ptr(), O_RDWR))?;
    t.same(
        "/dev/null",
        ready(null_fd, POLLIN | POLLOUT),
        Ok(POLLIN | POLLOUT),
    );
    let bad = time(0, 1_000_000_000);
    t.refused(
        "too many nanoseconds",
        raw!(SYS_ppoll, 0, 0, &raw const bad, 0, 8),
        EINVAL,
    );
    t.refused(
        "a mask of another size",
        raw!(SYS_ppoll, 0, 0, 0, 8, 4),
        EINVAL,
    );
    t.refused("too many", raw!(SYS_ppoll, 0, 0x10_0000, 0, 0, 8), EINVAL);
    t.refused("nowhere", raw!(SYS_ppoll, 8, 1, 0, 0, 8), EFAULT);
    let at_once = time(0, 0);
    let mut set = [0u64; 16];
    t.refused(
        "select of fewer than none",
        raw!(SYS_pselect6, -1, 0, 0, 0, &raw const at_once, 0),
        EINVAL,
    );
    set[0] = 1 << 60;
    t.refused(
        "of a closed one",
        raw!(
            SYS_pselect6,
            61,
            set.as_mut_ptr(),
            0,
            0,
            &raw const at_once,
            0
        ),
        EBADF,
    );
    set = [0; 16];
    set[0] = 1 << fd;
    t.same(
        "of a file",
        raw!(
            SYS_pselect6,
            fd + 1,
            set.as_mut_ptr(),
            set.as_mut_ptr(),
            0,
            &raw const at_once,
            0
        ),
        Ok(2),
    );
    t.refused(
        "of too many nanoseconds",
        raw!(SYS_pselect6, 0, 0, 0, 0, &raw const bad, 0),
        EINVAL,
    );
    Ok(())
}
