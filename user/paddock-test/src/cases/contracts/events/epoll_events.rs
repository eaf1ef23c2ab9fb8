//! epoll(7): level and edge, once, and what is told without being asked for.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let epoll = call!(epoll_create1(0))?;
    let set = |how: i32, fd: i32, events: i32| {
        let mut event = epoll_event {
            events: events as u32,
            u64: 0x1234_5678_9abc + fd as u64,
        };
        call!(epoll_ctl(epoll, how, fd, &raw mut event)).map(drop)
    };
    let wait = || {
        let mut all = [epoll_event { events: 0, u64: 0 }; 4];
        let count = call!(epoll_wait(epoll, all.as_mut_ptr(), 4, 0)).unwrap_or(-1);
        let mut found: Vec<(i32, u64)> = Vec::new();
        for event in &all[..count.unsigned_abs() as usize] {
            found.push((event.events as i32, event.u64 - 0x1234_5678_9abc));
        }
        found
    };
    let [reader, writer] = sys::pipe()?;
    let name = reader as u64;
    set(EPOLL_CTL_ADD, reader, EPOLLIN)?;
    t.same("nothing", wait(), vec![]);
    sys::write_all(writer, b"ab")?;
    t.same("a level", wait(), vec![(EPOLLIN, name)]);
    t.same("stays", wait(), vec![(EPOLLIN, name)]);
    set(EPOLL_CTL_MOD, reader, EPOLLIN | EPOLLET)?;
    t.same("an edge, as it is changed", wait(), vec![(EPOLLIN, name)]);
    t.same("is told once", wait(), vec![]);
    sys::read(reader, &mut [0])?;
    t.same("what is left is none", wait(), vec![]);
    sys::write_all(writer, b"c")?;
    t.same("what comes is another", wait(), vec![(EPOLLIN, name)]);
    set(EPOLL_CTL_MOD, reader, EPOLLIN | EPOLLONESHOT)?;
    t.same("once", wait(), vec![(EPOLLIN, name)]);
    sys::write_all(writer, b"d")?;
    t.same("and no more", wait(), vec![]);
    set(EPOLL_CTL_MOD, reader, EPOLLIN | EPOLLONESHOT)?;
    t.same("until it is armed", wait(), vec![(EPOLLIN, name)]);
    set(EPOLL_CTL_MOD, reader, 0)?;
    t.same("nothing is asked for", wait(), vec![]);
    sys::close(writer)?;
    t.same(
        "the end is told all the same",
        wait(),
        vec![(EPOLLHUP, name)],
    );
    set(EPOLL_CTL_DEL, reader, 0)?;
    let [reader, writer] = sys::pipe()?;
    set(EPOLL_CTL_ADD, writer, EPOLLOUT)?;
    t.same("room", wait(), vec![(EPOLLOUT, writer as u64)]);
    sys::close(reader)?;
    t.same(
        "nobody reads",
        wait(),
        vec![(EPOLLOUT | EPOLLERR, writer as u64)],
    );
    set(EPOLL_CTL_DEL, writer, 0)?;
    let mut ends = [0; 2];
    call!(socketpair(AF_UNIX, SOCK_STREAM, 0, ends.as_mut_ptr()))?;
    set(EPOLL_CTL_ADD, ends[0], EPOLLIN | EPOLLRDHUP)?;
    yes!(t; "the other end is half closed": shutdown(ends[1], SHUT_WR););
    t.same(
        "is told if asked for",
        wait(),
        vec![(EPOLLIN | EPOLLRDHUP, ends[0] as u64)],
    );
    sys::close(ends[1])?;
    let all = EPOLLIN | EPOLLRDHUP | EPOLLHUP;
    t.same("both halves", wait(), vec![(all, ends[0] as u64)]);
    Ok(())
}
