//! lseek(2).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"abcdef")?;
    let fd = call!(open(c"f".as_ptr(), O_RDWR))?;
    let [pipe, _] = sys::pipe()?;
    no!(t;
        "before the beginning": lseek(fd, -1, SEEK_SET) => EINVAL;
        "before it from the end": lseek(fd, -7, SEEK_END) => EINVAL;
        "no such way": lseek(fd, 0, 5) => EINVAL;
        "too far": lseek(fd, i64::MAX, SEEK_END) => EINVAL;
        "a pipe": lseek(pipe, 0, SEEK_CUR) => ESPIPE;
        "data beyond the end": lseek(fd, 6, SEEK_DATA) => ENXIO;
        "a hole beyond the end": lseek(fd, 7, SEEK_HOLE) => ENXIO;
        "negative data": lseek(fd, -1, SEEK_DATA) => ENXIO;
    );
    t.same("data", call!(lseek(fd, 2, SEEK_DATA)), Ok(2));
    t.same("the hole at the end", call!(lseek(fd, 2, SEEK_HOLE)), Ok(6));
    t.same("beyond the end", call!(lseek(fd, 100, SEEK_END)), Ok(106));
    sys::write_all(fd, b"x")?;
    t.same("leaves zeros", text("f").len(), 107);
    placeless(t)
}

/// Files without a place stay at their start.
fn placeless(t: &mut Report) -> Outcome {
    // SAFETY: plain numbers.
    let mut none: sigset_t = unsafe { std::mem::zeroed() };
    call!(sigemptyset(&raw mut none))?;
    let all = [
        ("an eventfd", call!(eventfd(0, 0))?),
        ("an epoll", call!(epoll_create1(0))?),
        ("a timerfd", call!(timerfd_create(CLOCK_MONOTONIC, 0))?),
        ("a signalfd", call!(signalfd(-1, &raw const none, 0))?),
        ("an inotify", call!(inotify_init1(0))?),
    ];
    for (name, fd) in all {
        t.same(name, call!(lseek(fd, 3, SEEK_SET)), Ok(0));
        t.same(name, call!(lseek(fd, -3, SEEK_END)), Ok(0));
        t.refused(name, call!(lseek(fd, 0, 5)), EINVAL);
        let mut byte = 0u8;
        t.refused(name, call!(pread(fd, (&raw mut byte).cast(), 1, 0)), ESPIPE);
    }
    Ok(())
}
