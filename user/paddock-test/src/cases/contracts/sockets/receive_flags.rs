//! recv(2): MSG_PEEK, MSG_TRUNC, MSG_WAITALL, MSG_DONTWAIT and what is refused.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let mut pair = [0; 2];
    let mut datagrams = [0; 2];
    call!(socketpair(AF_UNIX, SOCK_STREAM, 0, pair.as_mut_ptr()))?;
    call!(socketpair(AF_UNIX, SOCK_DGRAM, 0, datagrams.as_mut_ptr()))?;
    let mut bytes = [0u8; 8];
    let at: *mut c_void = bytes.as_mut_ptr().cast();
    let tcp = call!(socket(AF_INET, SOCK_STREAM, 0))?;
    no!(t;
        "closed": recv(999, at, 8, 0) => EBADF;
        "no socket": recv(0, at, 8, 0) => ENOTSOCK;
        "nothing": recv(pair[0], at, 8, MSG_DONTWAIT) => EAGAIN;
        "not connected": recv(tcp, at, 8, 0) => ENOTCONN;
        "errors, of which there are none": recv(datagrams[0], at, 8, MSG_ERRQUEUE | MSG_DONTWAIT) => EAGAIN;
        "out of band, of datagrams": recv(datagrams[0], at, 8, MSG_OOB) => EOPNOTSUPP;
    );
    sys::write_all(pair[1], b"abcdef")?;
    t.same("looked at", call!(recv(pair[0], at, 3, MSG_PEEK)), Ok(3));
    t.same(
        "and at the same",
        call!(recv(pair[0], at, 8, MSG_PEEK)),
        Ok(6),
    );
    no!(t; "told nowhere": recv(pair[0], 8 as *mut c_void, 8, 0) => EFAULT;);
    t.same("all of it", call!(recv(pair[0], at, 8, 0)), Ok(6));
    t.same("in order", &bytes[..6], b"abcdef".as_slice());
    let child = sys::fork(|| {
        let first = sys::write(pair[1], b"12");
        let waits = sys::until_asleep(call!(getppid()).unwrap_or(0));
        let second = sys::write(pair[1], b"345");
        i32::from(waits.is_err() || first != Ok(2) || second != Ok(3))
    })?;
    t.same(
        "until all is there",
        call!(recv(pair[0], at, 5, MSG_WAITALL)),
        Ok(5),
    );
    t.same("in two parts", sys::wait(child), Ok(End::Exited(0)));
    sys::write_all(datagrams[1], b"abcdef")?;
    sys::write_all(datagrams[1], b"gh")?;
    let peek = MSG_PEEK | MSG_TRUNC;
    t.same(
        "how long it is",
        call!(recv(datagrams[0], at, 2, peek)),
        Ok(6),
    );
    t.same("cut", call!(recv(datagrams[0], at, 2, 0)), Ok(2));
    t.same(
        "and the rest is gone",
        call!(recv(datagrams[0], at, 8, MSG_WAITALL)),
        Ok(2),
    );
    t.same("empty ones", call!(send(datagrams[1], at, 0, 0)), Ok(0));
    t.same("are received", call!(recv(datagrams[0], at, 8, 0)), Ok(0));
    sys::close(pair[1])?;
    t.same("no more", call!(recv(pair[0], at, 8, 0)), Ok(0));
    let mut length = 16u32;
    let from = raw!(
        SYS_recvfrom,
        datagrams[0],
        at,
        8,
        MSG_DONTWAIT,
        8usize,
        &raw mut length
    );
    t.refused("nothing from anybody", from, EAGAIN);
    Ok(())
}
