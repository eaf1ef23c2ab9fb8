//! epoll_wait(2), epoll_pwait(2), epoll_pwait2(2): arguments, time and signals.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let epoll = call!(epoll_create1(0))?;
    let mut all = [epoll_event { events: 0, u64: 0 }; 2];
    let at = all.as_mut_ptr();
    let [reader, writer] = sys::pipe()?;
    no!(t;
        "room for none": epoll_wait(epoll, at, 0, 0) => EINVAL;
        "for less": epoll_wait(epoll, at, -1, 0) => EINVAL;
        "for too many": epoll_wait(epoll, at, i32::MAX, 0) => EINVAL;
        "no epoll": epoll_wait(reader, at, 1, 0) => EINVAL;
        "closed": epoll_wait(-1, at, 1, 0) => EBADF;
    );
    let pwait = |set: *const u64, size: usize| raw!(SYS_epoll_pwait, epoll, at, 2, 0, set, size);
    let blocked = 1u64 << (SIGUSR1 - 1);
    t.refused("another size", pwait(&raw const blocked, 4), EINVAL);
    t.refused("a set nowhere", pwait(8 as *const u64, 8), EFAULT);
    t.works("no set", pwait(null(), 8));
    let wait2 = |time: &timespec| raw!(SYS_epoll_pwait2, epoll, at, 2, &raw const *time, 0, 8usize);
    t.same("no time", wait2(&time(0, 0)), Ok(0));
    t.same("a little", wait2(&time(0, 1_000_000)), Ok(0));
    t.refused("too many parts", wait2(&time(0, 1_000_000_000)), EINVAL);
    t.refused("negative parts", wait2(&time(0, -1)), EINVAL);
    t.refused("negative", wait2(&time(-1, 0)), EINVAL);
    t.refused(
        "nowhere",
        raw!(SYS_epoll_pwait2, epoll, at, 2, 8, 0, 8usize),
        EFAULT,
    );
    let mut event = epoll_event {
        events: EPOLLIN as u32,
        u64: 0,
    };
    call!(epoll_ctl(epoll, EPOLL_CTL_ADD, reader, &raw mut event))?;
    event.events = EPOLLOUT as u32;
    call!(epoll_ctl(epoll, EPOLL_CTL_ADD, writer, &raw mut event))?;
    t.same("one", call!(epoll_wait(epoll, at, 2, -1)), Ok(1));
    sys::write_all(writer, b"x")?;
    t.same("two", call!(epoll_wait(epoll, at, 2, -1)), Ok(2));
    t.same("room for one", call!(epoll_wait(epoll, at, 1, -1)), Ok(1));
    t.refused(
        "to nowhere",
        raw!(SYS_epoll_pwait, epoll, 8, 1, 0, 0, 8usize),
        EFAULT,
    );
    t.same(
        "nothing is lost",
        call!(epoll_wait(epoll, at, 2, -1)),
        Ok(2),
    );
    noted(SIGUSR1, SA_RESTART)?;
    sys::block_signals(&[SIGUSR1])?;
    let quiet = call!(epoll_create1(0))?;
    let none = 0u64;
    sys::kill(own_pid(), SIGUSR1)?;
    let it = raw!(SYS_epoll_pwait, quiet, at, 1, -1, &raw const none, 8usize);
    t.refused("a signal that its set lets through", it, EINTR);
    t.same("is handled", NOTED.load(Relaxed), 1);
    sys::kill(own_pid(), SIGUSR1)?;
    t.same(
        "none that is blocked",
        call!(epoll_wait(quiet, at, 1, 1)),
        Ok(0),
    );
    t.same("is not", NOTED.load(Relaxed), 1);
    Ok(())
}
