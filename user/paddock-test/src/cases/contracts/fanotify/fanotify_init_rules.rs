//! fanotify_init(2): which flags go together.
use super::*;

pub fn run(t: &mut Report) -> Outcome {
    let init = |flags: u32, events: i32| int!(SYS_fanotify_init, flags, events);
    for flags in [
        0x10_0000,
        CONTENT | PRE_CONTENT,
        CONTENT | FID,
        PRE_CONTENT | FID,
        NAME,
        FID | NAME,
        TARGET_FID | DIR_FID | NAME,
        TARGET_FID | DIR_FID | FID,
        PIDFD | TID,
    ] {
        t.refused("flags", init(flags, O_RDONLY), EINVAL);
    }
    for flags in [3, O_CREAT, O_DIRECTORY, O_PATH, O_DIRECT] {
        t.refused("flags of descriptors", init(0, flags), EINVAL);
    }
    for flags in [
        0,
        CONTENT,
        PRE_CONTENT,
        PIDFD,
        TID,
        UNLIMITED_QUEUE | UNLIMITED_MARKS,
        FID,
        DIR_FID,
        DIR_FID | NAME,
        FID | DIR_FID | NAME | TARGET_FID,
        FID | PIDFD,
    ] {
        if let Some(fd) = t.works("a group", init(flags, O_RDONLY)) {
            sys::close(fd)?;
        }
    }
    let events = O_RDWR | O_APPEND | O_NONBLOCK | O_SYNC | O_CLOEXEC | O_NOATIME;
    let fd = init(1, events)?;
    t.same(
        "closed by execve",
        call!(fcntl(fd, F_GETFD)),
        Ok(FD_CLOEXEC),
    );
    let waits = call!(fcntl(fd, F_GETFL)).map(|flags| flags & (O_ACCMODE | O_NONBLOCK));
    t.same("both ways", waits, Ok(O_RDWR));
    let fd = init(NONBLOCK, O_RDONLY)?;
    t.refused("nothing yet", sys::read(fd, &mut [0; 64]), EAGAIN);
    t.refused("no offset", sys::write(fd, &[0; 4]), EINVAL);
    t.same("stays at its start", call!(lseek(fd, 5, SEEK_SET)), Ok(0));
    Ok(())
}
