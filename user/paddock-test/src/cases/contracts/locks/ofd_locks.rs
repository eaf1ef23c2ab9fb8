//! Locks of open file descriptions (fcntl(2)).
use crate::cases::contracts::prelude::*;

fn with(fd: i32, how: i32, kind: i32, pid: i32) -> Result<flock, Errno> {
    // SAFETY: plain numbers.
    let mut it: flock = unsafe { std::mem::zeroed() };
    (it.l_type, it.l_whence, it.l_len, it.l_pid) = (kind as i16, SEEK_SET as i16, 10, pid);
    call!(fcntl(fd, how, &raw mut it))?;
    Ok(it)
}

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    let (one, two) = (
        call!(open(c"f".as_ptr(), O_RDWR))?,
        call!(open(c"f".as_ptr(), O_RDWR))?,
    );
    let same = call!(dup(one))?;
    let set = |fd: i32, kind: i32| with(fd, F_OFD_SETLK, kind, 0).map(|_| ());
    t.refused(
        "a process number",
        with(one, F_OFD_SETLK, F_WRLCK, 1).map(|_| ()),
        EINVAL,
    );
    t.works("taken", set(one, F_WRLCK));
    t.refused("by another", set(two, F_RDLCK), EAGAIN);
    t.works("by the same", set(same, F_WRLCK));
    let found = with(two, F_OFD_GETLK, F_WRLCK, 0)?;
    t.same(
        "nobody's number",
        (i32::from(found.l_type), found.l_pid),
        (F_WRLCK, -1),
    );
    let record = with(two, F_GETLK, F_WRLCK, 0)?;
    t.same("for records too", record.l_pid, -1);
    t.works("one close", call!(close(same)));
    t.refused("keeps it", set(two, F_RDLCK), EAGAIN);
    t.works("less", set(one, F_RDLCK));
    t.works("lets others read", set(two, F_RDLCK));
    t.refused("not write", set(two, F_WRLCK), EAGAIN);
    t.works("the last close", call!(close(one)));
    t.works("lets them", set(two, F_WRLCK));
    Ok(())
}
