//! epoll_ctl(2): epolls in epolls: no circles, and no depths.
use crate::cases::contracts::prelude::*;

fn add(epoll: i32, fd: i32) -> Result<(), Errno> {
    let mut event = epoll_event {
        events: EPOLLIN as u32,
        u64: 0,
    };
    call!(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &raw mut event)).map(drop)
}

pub fn run(t: &mut Report) -> Outcome {
    let new = || call!(epoll_create1(EPOLL_CLOEXEC));
    let (first, second) = (new()?, new()?);
    t.works("one in another", add(first, second));
    t.refused("and back", add(second, first), ELOOP);
    let third = new()?;
    t.works("a third", add(second, third));
    t.refused("back to the first", add(third, first), ELOOP);
    let [reader, writer] = sys::pipe()?;
    t.works("a pipe at the end", add(third, reader));
    t.same("nothing", ready(first, POLLIN), Ok(0));
    sys::write_all(writer, b"x")?;
    t.same("it goes through all", ready(first, POLLIN), Ok(POLLIN));
    let mut event = epoll_event { events: 0, u64: 0 };
    t.same(
        "an event of the second",
        call!(epoll_wait(first, &raw mut event, 1, 0)),
        Ok(1),
    );
    sys::read(reader, &mut [0])?;
    t.same("gone for all", ready(first, POLLIN), Ok(0));
    let mut chain = vec![new()?];
    let mut depth = 0;
    let end = loop {
        let next = new()?;
        let outer = chain.last().copied().unwrap_or(next);
        // The new one is outside: it watches what watches the others.
        match add(next, outer) {
            Ok(()) => depth += 1,
            Err(error) => break error,
        }
        chain.push(next);
        if depth > 20 {
            break Errno(0);
        }
    };
    t.same("deeper is too deep", end, Errno(ELOOP));
    t.check("four or five", (4..=5).contains(&depth));
    Ok(())
}
