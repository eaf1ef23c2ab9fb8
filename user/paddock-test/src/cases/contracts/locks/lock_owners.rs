//! fcntl(2): a record lock is a process's, for each file; fork, exec and close.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", &[b'x'; 10])?;
    let fd = opened("f", O_RDWR)?;
    let twin = call!(dup(fd))?;
    let other = opened("f", O_RDONLY)?;
    let free = |at: i64| {
        let end = sys::in_child(|| {
            let it = lock_by(F_GETLK, fd, F_WRLCK, at, 1);
            it.map_or(99, |it| i32::from(i32::from(it.l_type) != F_UNLCK))
        });
        end.map(|end| end == End::Exited(0))
    };
    let take = |fd: i32| lock_by(F_SETLK, fd, F_WRLCK, 3, 1).map(drop);
    t.works("one", take(fd));
    t.same("is in others' way", free(3), Ok(false));
    t.same(
        "not in its owner's",
        lock_by(F_GETLK, other, F_WRLCK, 3, 1).map(|it| i32::from(it.l_type)),
        Ok(F_UNLCK),
    );
    let own = own_pid();
    let end = sys::in_child(|| {
        let it = lock_by(F_GETLK, fd, F_RDLCK, 0, 0);
        unless(it.is_ok_and(|it| it.l_pid == own && it.l_whence == SEEK_SET as i16))
    });
    t.same(
        "a child is another, and told whose",
        end,
        Ok(End::Exited(0)),
    );
    let end = sys::in_child(|| unless(sys::close(fd).is_ok()));
    t.same("a child that closes", end, Ok(End::Exited(0)));
    t.same("gives nothing back", free(3), Ok(false));
    t.works("a copy is closed", call!(close(twin)));
    t.same("all are given back", free(3), Ok(true));
    t.works("again", take(fd));
    t.works("another of the file's is closed", call!(close(other)));
    t.same("likewise", free(3), Ok(true));
    let child = sys::fork(|| match take(fd) {
        Ok(()) => 0,
        Err(_) => 1,
    })?;
    sys::wait(child)?;
    t.same("an end gives back", free(3), Ok(true));
    t.works("from the place", call!(lseek(fd, 5, SEEK_SET)));
    let mut it = record(F_WRLCK, -1, 1);
    it.l_whence = SEEK_CUR as i16;
    yes!(t; "one byte before it": fcntl(fd, F_SETLK, &raw const it););
    t.same("is byte 4", free(4), Ok(false));
    (it.l_whence, it.l_start) = (SEEK_END as i16, -1);
    yes!(t; "from the end": fcntl(fd, F_SETLK, &raw const it););
    t.same("is byte 9", free(9), Ok(false));
    it.l_whence = 3;
    no!(t; "from nowhere": fcntl(fd, F_SETLK, &raw const it) => EINVAL;);
    let [reader, _] = sys::pipe()?;
    t.works("a pipe's", lock_by(F_SETLK, reader, F_RDLCK, 0, 1));
    Ok(())
}
