//! send(2), sendto(2), sendmsg(2): what they refuse.
use crate::cases::contracts::prelude::*;

fn message(name: *mut c_void, length: u32, pieces: *mut iovec, count: usize) -> msghdr {
    // SAFETY: plain numbers.
    let mut it: msghdr = unsafe { std::mem::zeroed() };
    (it.msg_name, it.msg_namelen) = (name, length);
    (it.msg_iov, it.msg_iovlen) = (pieces, count as _);
    it
}

pub fn run(t: &mut Report) -> Outcome {
    t.works("SIGPIPE is ignored", ignore(SIGPIPE));
    let at: *const c_void = b"abc".as_ptr().cast();
    let tcp = call!(socket(AF_INET, SOCK_STREAM, 0))?;
    let udp = call!(socket(AF_INET, SOCK_DGRAM, 0))?;
    let unix = call!(socket(AF_UNIX, SOCK_DGRAM, 0))?;
    let stream = call!(socket(AF_UNIX, SOCK_STREAM, 0))?;
    let mut pair = [0; 2];
    call!(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair.as_mut_ptr()))?;
    let large = vec![0u8; 1 << 20];
    let many: *const c_void = large.as_ptr().cast();
    no!(t;
        "closed": send(999, at, 3, 0) => EBADF;
        "no socket": send(0, at, 3, 0) => ENOTSOCK;
        "TCP without a peer": send(tcp, at, 3, 0) => EPIPE;
        "and without its signal": send(tcp, at, 3, MSG_NOSIGNAL) => EPIPE;
        "UDP without a peer": send(udp, at, 3, 0) => EDESTADDRREQ;
        "a local one without": send(unix, at, 3, 0) => ENOTCONN;
        "a local stream without": send(stream, at, 3, 0) => ENOTCONN;
        "nowhere": send(pair[0], 8 as *const c_void, 3, 0) => EFAULT;
        "larger than any": send(pair[0], many, 1 << 20, 0) => EMSGSIZE;
        "out of band of datagrams": send(pair[0], at, 3, MSG_OOB) => EOPNOTSUPP;
    );
    // 127.0.0.1, a port that has an owner in a moment.
    // SAFETY: plain numbers.
    let mut name: sockaddr_in = unsafe { std::mem::zeroed() };
    name.sin_family = AF_INET as u16;
    name.sin_addr.s_addr = u32::from_ne_bytes([127, 0, 0, 1]);
    let to = (&raw mut name).cast::<sockaddr>();
    let udp = call!(socket(AF_INET, SOCK_DGRAM, 0))?;
    call!(bind(udp, to, 16))?;
    let mut length = 16;
    call!(getsockname(udp, to, &raw mut length))?;
    no!(t;
        "a short name": sendto(udp, at, 3, 0, to, 7) => EINVAL;
        "a name nowhere": sendto(udp, at, 3, 0, 8 as *const sockaddr, 16) => EFAULT;
        "a long one": sendto(udp, at, 3, 0, to, 4096) => EINVAL;
        "more than UDP takes": sendto(udp, many, 65_508, 0, to, 16) => EMSGSIZE;
        "nowhere, to itself": sendto(udp, 8 as *const c_void, 3, 0, to, 16) => EFAULT;
        "a stream's with a name": sendto(stream, at, 3, 0, to, 16) => EOPNOTSUPP;
    );
    t.same("to itself", call!(sendto(udp, at, 3, 0, to, 16)), Ok(3));
    let mut piece = iovec {
        iov_base: at.cast_mut(),
        iov_len: 3,
    };
    let good = message(to.cast(), 16, &raw mut piece, 1);
    t.same(
        "by a message",
        call!(sendmsg(udp, &raw const good, 0)),
        Ok(3),
    );
    let bad = message(to.cast(), 16, std::ptr::dangling_mut::<iovec>(), 1);
    let much = message(to.cast(), 16, &raw mut piece, 1025);
    no!(t;
        "pieces nowhere": sendmsg(udp, &raw const bad, 0) => EFAULT;
        "too many pieces": syscall(SYS_sendmsg, udp, &raw const much, 0) => EMSGSIZE;
        "no message": syscall(SYS_sendmsg, udp, 8, 0) => EFAULT;
        "to no socket": sendmsg(0, &raw const good, 0) => ENOTSOCK;
    );
    call!(shutdown(pair[0], SHUT_WR))?;
    no!(t; "after it has been shut": send(pair[0], at, 3, 0) => EPIPE;);
    Ok(())
}
