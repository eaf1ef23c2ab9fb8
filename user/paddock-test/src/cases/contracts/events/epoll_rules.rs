//! epoll_ctl(2) and epoll_wait(2): what they refuse.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    const EXCLUSIVE: u32 = 1 << 28;
    file("f", b"")?;
    let plain = call!(open(c"f".as_ptr(), O_RDONLY))?;
    let folder = call!(open(c".".as_ptr(), O_RDONLY))?;
    let epoll = call!(epoll_create1(0))?;
    let [reader, writer] = sys::pipe()?;
    let set = |how: i32, fd: i32, events: u32| {
        let mut event = epoll_event { events, u64: 7 };
        call!(epoll_ctl(epoll, how, fd, &raw mut event))
    };
    let (add, change, remove) = (EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL);
    t.refused("a flag", call!(epoll_create1(1)), EINVAL);
    t.refused("a file", set(add, plain, 1), EPERM);
    t.refused("a folder", set(add, folder, 1), EPERM);
    t.refused("itself", set(add, epoll, 1), EINVAL);
    t.refused("closed", set(add, 999, 1), EBADF);
    t.refused("not there to change", set(change, reader, 1), ENOENT);
    t.refused("nor to remove", set(remove, reader, 1), ENOENT);
    t.works("added", set(add, reader, 1));
    t.refused("twice", set(add, reader, 1), EEXIST);
    t.refused("no such thing to do", set(9, reader, 1), EINVAL);
    t.refused(
        "exclusive later",
        set(change, reader, 1 | EXCLUSIVE),
        EINVAL,
    );
    t.refused(
        "exclusive and once",
        set(add, writer, 4 | EXCLUSIVE | EPOLLONESHOT as u32),
        EINVAL,
    );
    t.works("exclusive", set(add, writer, 4 | EXCLUSIVE));
    t.refused("which does not change", set(change, writer, 4), EINVAL);
    let mut events = [epoll_event { events: 0, u64: 0 }; 4];
    let at = events.as_mut_ptr();
    no!(t; "room for none": epoll_wait(epoll, at, 0, 0) => EINVAL;
        "less than none": epoll_wait(epoll, at, -1, 0) => EINVAL;
        "not an epoll": epoll_wait(reader, at, 1, 0) => EINVAL;
        "no epoll at all": epoll_wait(999, at, 1, 0) => EBADF;
        "nowhere": epoll_ctl(epoll, EPOLL_CTL_ADD, reader, 8 as *mut epoll_event) => EFAULT;);
    t.same("the writer", call!(epoll_wait(epoll, at, 4, 0)), Ok(1));
    let inner = call!(epoll_create1(0))?;
    t.works("another epoll", set(add, inner, 1));
    let mut event = epoll_event { events: 1, u64: 0 };
    no!(t; "a circle": epoll_ctl(inner, EPOLL_CTL_ADD, epoll, &raw mut event) => ELOOP;);
    many(t)
}

/// All that there is to tell comes at once where there is room for it.
fn many(t: &mut Report) -> Outcome {
    const MANY: i32 = 1500;
    let limit = rlimit {
        rlim_cur: 4096,
        rlim_max: 4096,
    };
    call!(setrlimit(RLIMIT_NOFILE, &raw const limit))?;
    let epoll = call!(epoll_create1(0))?;
    for _ in 0..MANY {
        let fd = call!(eventfd(1, 0))?;
        let mut event = epoll_event { events: 1, u64: 0 };
        call!(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &raw mut event))?;
    }
    let mut events = vec![epoll_event { events: 0, u64: 0 }; 2000];
    let found = call!(epoll_wait(epoll, events.as_mut_ptr(), 2000, 0));
    t.same("many at once", found, Ok(MANY));
    let found = call!(epoll_wait(epoll, events.as_mut_ptr(), 1200, 0));
    t.same("as many as there is room for", found, Ok(1200));
    Ok(())
}
