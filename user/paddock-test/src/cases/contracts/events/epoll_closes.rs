//! epoll(7): what is watched is an open file description, until all its descriptors are closed.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let epoll = call!(epoll_create1(EPOLL_CLOEXEC))?;
    t.same(
        "EPOLL_CLOEXEC",
        call!(fcntl(epoll, F_GETFD)),
        Ok(FD_CLOEXEC),
    );
    let set = |how: i32, fd: i32| {
        let mut event = epoll_event {
            events: EPOLLIN as u32,
            u64: fd as u64,
        };
        call!(epoll_ctl(epoll, how, fd, &raw mut event)).map(drop)
    };
    let wait = || {
        let mut event = epoll_event { events: 0, u64: 99 };
        let count = call!(epoll_wait(epoll, &raw mut event, 1, 0));
        let named = event.u64;
        count.map(|count| (count, named))
    };
    let [reader, writer] = sys::pipe()?;
    sys::write_all(writer, b"x")?;
    t.works("one", set(EPOLL_CTL_ADD, reader));
    let listed = |fd: i32| {
        let info = text(&format!("/proc/self/fdinfo/{epoll}"));
        let mut lines = info.lines().filter(|line| line.starts_with("tfd:"));
        lines.any(|line| line.split_whitespace().nth(1) == Some(&fd.to_string()))
    };
    t.check("is listed", listed(reader));
    let twin = call!(dup(reader))?;
    t.works("its copy as another", set(EPOLL_CTL_ADD, twin));
    t.check("is listed too", listed(twin));
    t.works("which is taken out", set(EPOLL_CTL_DEL, twin));
    t.works("closed", call!(close(reader)));
    t.same("still there by its copy", wait(), Ok((1, reader as u64)));
    t.refused("out of reach", set(EPOLL_CTL_DEL, reader), EBADF);
    t.works("the last", call!(close(twin)));
    t.same("it is gone", wait(), Ok((0, 99)));
    t.check("and not listed", !listed(reader));
    let [reader, writer] = sys::pipe()?;
    sys::write_all(writer, b"x")?;
    t.works("another", set(EPOLL_CTL_ADD, reader));
    let end = sys::in_child(|| {
        let seen = wait() == Ok((1, reader as u64));
        unless(seen && set(EPOLL_CTL_DEL, reader).is_ok())
    });
    t.same("a child has the same", end, Ok(End::Exited(0)));
    t.same("and takes it out", wait(), Ok((0, 99)));
    no!(t; "an old size of none": syscall(SYS_epoll_create1, -1) => EINVAL;
        "epoll's own": epoll_ctl(epoll, EPOLL_CTL_ADD, epoll, null_mut()) => EFAULT;
        "an event nowhere": epoll_ctl(epoll, EPOLL_CTL_ADD, reader, null_mut()) => EFAULT;
        "no descriptor": epoll_ctl(epoll, EPOLL_CTL_DEL, -1, null_mut()) => EBADF;
        "no epoll": epoll_ctl(reader, EPOLL_CTL_DEL, writer, null_mut()) => EINVAL;);
    Ok(())
}
