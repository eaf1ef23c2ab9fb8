//! fcntl(2)'s record locks.
use crate::cases::contracts::prelude::*;

fn lock(kind: i32, start: i64, length: i64) -> flock {
    // SAFETY: plain numbers.
    let mut it: flock = unsafe { std::mem::zeroed() };
    (it.l_type, it.l_whence, it.l_start, it.l_len) = (kind as i16, SEEK_SET as i16, start, length);
    it
}

fn set(fd: i32, kind: i32, start: i64, length: i64) -> Result<i32, Errno> {
    let it = lock(kind, start, length);
    call!(fcntl(fd, F_SETLK, &raw const it))
}

fn in_the_way(fd: i32, kind: i32, start: i64, length: i64) -> Result<(i16, i64, i64), Errno> {
    let mut it = lock(kind, start, length);
    call!(fcntl(fd, F_GETLK, &raw mut it))?;
    Ok((it.l_type, it.l_start, it.l_len))
}

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"abcdef")?;
    let fd = call!(open(c"f".as_ptr(), O_RDWR))?;
    let (reading, writing) = (
        call!(open(c"f".as_ptr(), O_RDONLY))?,
        call!(open(c"f".as_ptr(), O_WRONLY))?,
    );
    t.refused(
        "to read what is written",
        set(writing, F_RDLCK, 0, 1),
        EBADF,
    );
    t.refused("to write what is read", set(reading, F_WRLCK, 0, 1), EBADF);
    t.refused("no kind", set(fd, 9, 0, 1), EINVAL);
    t.refused("before the beginning", set(fd, F_WRLCK, -1, 1), EINVAL);
    t.refused("a negative length too far", set(fd, F_WRLCK, 2, -3), EINVAL);
    t.refused("too far", set(fd, F_WRLCK, i64::MAX, 2), EOVERFLOW);
    t.refused("nothing to ask", in_the_way(fd, F_UNLCK, 0, 1), EINVAL);
    t.works("bytes 2 to 3", set(fd, F_WRLCK, 4, -2));
    t.same(
        "nothing is in its own way",
        in_the_way(fd, F_WRLCK, 0, 0).map(|it| i32::from(it.0)),
        Ok(F_UNLCK),
    );
    let others = sys::in_child(|| {
        let found = in_the_way(fd, F_RDLCK, 0, 0);
        i32::from(
            found != Ok((F_WRLCK as i16, 2, 2))
                || set(fd, F_RDLCK, 3, 1) != Err(Errno(EAGAIN))
                || set(fd, F_WRLCK, 4, 0).is_err(),
        )
    });
    t.same("in a child's", others, Ok(End::Exited(0)));
    t.works("any close", call!(close(reading)));
    let others = sys::in_child(|| i32::from(set(fd, F_WRLCK, 0, 0).is_err()));
    t.same("gives all back", others, Ok(End::Exited(0)));
    Ok(())
}
