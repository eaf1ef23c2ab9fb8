//! fcntl(2) and flock(2): locks of one kind are not in the way of those of another.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", &[b'x'; 10])?;
    call!(link(c"f".as_ptr(), c"g".as_ptr()))?;
    let (one, other) = (opened("f", O_RDWR)?, opened("g", O_RDWR)?);
    t.works("of the whole", call!(flock(one, LOCK_EX | LOCK_NB)));
    t.refused(
        "by another name",
        call!(flock(other, LOCK_EX | LOCK_NB)),
        EWOULDBLOCK,
    );
    t.works("a record of it", lock_by(F_SETLK, other, F_WRLCK, 0, 0));
    let end = sys::in_child(|| {
        unless(lock_by(F_SETLK, one, F_RDLCK, 5, 1).is_err_and(|it| it == Errno(EAGAIN)))
    });
    t.same("by another name, too", end, Ok(End::Exited(0)));
    t.works("given back", lock_by(F_SETLK, one, F_UNLCK, 0, 0));
    t.works("a description's", lock_by(F_OFD_SETLK, one, F_WRLCK, 0, 5));
    t.refused(
        "is in another's way",
        lock_by(F_OFD_SETLK, other, F_WRLCK, 4, 1).map(drop),
        EAGAIN,
    );
    t.refused(
        "and a process's, its own",
        lock_by(F_SETLK, other, F_WRLCK, 4, 1).map(drop),
        EAGAIN,
    );
    t.works("not behind it", lock_by(F_SETLK, other, F_WRLCK, 5, 1));
    let told =
        lock_by(F_OFD_GETLK, other, F_WRLCK, 0, 0).map(|it| (it.l_pid, it.l_start, it.l_len));
    t.same("told without a process", told, Ok((-1, 0, 5)));
    let end = sys::in_child(|| unless(lock_by(F_OFD_SETLK, one, F_UNLCK, 0, 0).is_ok()));
    t.same("a child gives it back", end, Ok(End::Exited(0)));
    t.works("for all", lock_by(F_OFD_SETLK, other, F_WRLCK, 0, 5));
    let mut wrong = record(F_WRLCK, 0, 1);
    wrong.l_pid = 1;
    no!(t; "with a process": fcntl(one, F_OFD_SETLK, &raw const wrong) => EINVAL;
        "nowhere": fcntl(one, F_SETLK, 8) => EFAULT; "closed": fcntl(-1, F_SETLK, &raw const wrong) => EBADF;);
    sys::close(other)?;
    t.works(
        "a close gives all back",
        lock_by(F_OFD_SETLK, one, F_WRLCK, 0, 0),
    );
    Ok(())
}
