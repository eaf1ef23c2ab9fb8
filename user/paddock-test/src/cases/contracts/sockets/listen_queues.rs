//! listen(2): how many wait, and who is not let in (unix(7)).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let listener = call!(socket(AF_UNIX, SOCK_STREAM, 0))?;
    // SAFETY: plain numbers.
    let mut it: sockaddr_un = unsafe { std::mem::zeroed() };
    it.sun_family = AF_UNIX as _;
    it.sun_path[0] = b's' as _;
    yes!(t; "a name": bind(listener, (&raw const it).cast(), 4););
    let name = it;
    let new = || call!(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
    let reach = |fd: i32| call!(connect(fd, (&raw const name).cast(), 4)).map(drop);
    t.refused("nobody listens", reach(new()?), ECONNREFUSED);
    yes!(t; "it listens": listen(listener, 2););
    let mut waiting = 0;
    let end = loop {
        match reach(new()?) {
            Ok(()) if waiting < 20 => waiting += 1,
            end => break end,
        }
    };
    t.refused("then they do not fit", end, EAGAIN);
    t.same("as many as were let, and one", waiting, 3);
    yes!(t; "one is taken": accept(listener, null_mut(), null_mut()););
    t.works("one more fits", reach(new()?));
    yes!(t; "more": listen(listener, 5););
    t.works("fit now", reach(new()?));
    let mut value = 0i32;
    let mut length = 4u32;
    yes!(t; "SO_ACCEPTCONN": getsockopt(listener, SOL_SOCKET, SO_ACCEPTCONN, (&raw mut value).cast(), &raw mut length););
    t.same("is told", value, 1);
    t.refused("a listener does not connect", reach(listener), EINVAL);
    let datagrams = call!(socket(AF_UNIX, SOCK_DGRAM, 0))?;
    t.refused("another kind", reach(datagrams), EPROTOTYPE);
    sys::close(listener)?;
    t.refused("closed", reach(new()?), ECONNREFUSED);
    yes!(t; "its name goes": unlink(c"s".as_ptr()););
    t.refused("nothing", reach(new()?), ENOENT);
    file("s", b"")?;
    t.refused("no socket", reach(new()?), ECONNREFUSED);
    yes!(t; "not to be written": chmod(c"s".as_ptr(), 0o600););
    as_nobody(t, |t| {
        t.refused("by nobody", reach(new()?), EACCES);
        Ok(())
    })
}
