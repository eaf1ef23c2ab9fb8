//! poll(2): POLLHUP, POLLERR, POLLRDHUP of pipes and sockets whose other end is gone.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    const RDHUP: i16 = 0x2000;
    let all = POLLIN | POLLOUT;
    let [reader, writer] = sys::pipe()?;
    sys::write_all(writer, b"x")?;
    sys::close(writer)?;
    t.same(
        "bytes and no writer",
        ready(reader, all),
        Ok(POLLIN | POLLHUP),
    );
    sys::read(reader, &mut [0])?;
    t.same("no writer", ready(reader, all), Ok(POLLHUP));
    t.same("asked for nothing", ready(reader, 0), Ok(POLLHUP));
    let [reader, writer] = sys::pipe()?;
    sys::close(reader)?;
    t.same("no reader", ready(writer, all), Ok(POLLOUT | POLLERR));
    t.same("nothing asked", ready(writer, 0), Ok(POLLERR));
    yes!(t; "a fifo": mkfifo(c"p".as_ptr(), 0o600););
    let fifo = call!(open(c"p".as_ptr(), O_RDONLY | O_NONBLOCK))?;
    t.same("nobody has written yet", ready(fifo, all), Ok(0));
    sys::close(call!(open(c"p".as_ptr(), O_WRONLY))?)?;
    t.same("the writer has gone", ready(fifo, all), Ok(POLLHUP));
    let mut pair = [0; 2];
    call!(socketpair(AF_UNIX, SOCK_STREAM, 0, pair.as_mut_ptr()))?;
    t.same("a socket", ready(pair[0], all | RDHUP), Ok(POLLOUT));
    call!(shutdown(pair[1], SHUT_WR))?;
    t.same(
        "no more comes",
        ready(pair[0], all | RDHUP),
        Ok(POLLIN | POLLOUT | RDHUP),
    );
    call!(shutdown(pair[0], SHUT_WR))?;
    t.same(
        "nor goes",
        ready(pair[0], all | RDHUP),
        Ok(POLLIN | POLLOUT | RDHUP | POLLHUP),
    );
    sys::close(pair[1])?;
    t.same("gone", ready(pair[0], RDHUP), Ok(RDHUP | POLLHUP));
    let tcp = call!(socket(AF_INET, SOCK_STREAM, 0))?;
    t.same("not connected", ready(tcp, all), Ok(POLLOUT | POLLHUP));
    let listener = call!(socket(AF_UNIX, SOCK_STREAM, 0))?;
    t.same("of no name", ready(listener, all), Ok(POLLOUT | POLLHUP));
    Ok(())
}
