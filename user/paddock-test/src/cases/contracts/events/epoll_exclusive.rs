//! epoll(7): one of several who wait is woken, and two epolls of one file.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let fd = call!(eventfd(0, EFD_NONBLOCK))?;
    let (one, other) = (call!(epoll_create1(0))?, call!(epoll_create1(0))?);
    let add = |epoll: i32, events: i32| {
        let mut event = epoll_event {
            events: events as u32,
            u64: 5,
        };
        call!(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &raw mut event)).map(drop)
    };
    let wait = |epoll: i32, timeout: i32| {
        let mut event = epoll_event { events: 0, u64: 0 };
        call!(epoll_wait(epoll, &raw mut event, 1, timeout))
    };
    add(one, EPOLLIN)?;
    add(other, EPOLLIN | EPOLLET)?;
    sys::write(fd, &1u64.to_le_bytes())?;
    t.same(
        "both are told",
        (wait(one, 0), wait(other, 0)),
        (Ok(1), Ok(1)),
    );
    t.same(
        "one of them again",
        (wait(one, 0), wait(other, 0)),
        (Ok(1), Ok(0)),
    );
    sys::write(fd, &1u64.to_le_bytes())?;
    t.same("more is an edge", wait(other, 0), Ok(1));
    sys::read(fd, &mut [0; 8])?;
    t.same("neither", (wait(one, 0), wait(other, 0)), (Ok(0), Ok(0)));
    let waiters = [
        sys::fork(|| unless(wait(one, -1) == Ok(1)))?,
        sys::fork(|| unless(wait(other, -1) == Ok(1)))?,
    ];
    for child in waiters {
        sys::until_asleep(child)?;
    }
    sys::write(fd, &1u64.to_le_bytes())?;
    for child in waiters {
        t.same("a waiter of each", sys::wait(child), Ok(End::Exited(0)));
    }
    let child = sys::fork(|| {
        let caught = noted(SIGUSR1, SA_RESTART).is_ok();
        let quiet = call!(epoll_create1(0)).unwrap_or(-1);
        unless(caught && wait(quiet, -1) == Err(Errno(EINTR)))
    })?;
    sys::until_asleep(child)?;
    sys::kill(child, SIGUSR1)?;
    t.same(
        "a signal ends a wait for good",
        sys::wait(child),
        Ok(End::Exited(0)),
    );
    Ok(())
}
