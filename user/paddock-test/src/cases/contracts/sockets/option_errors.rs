//! setsockopt(2), getsockopt(2): what they refuse, and values that are kept.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let tcp = call!(socket(AF_INET, SOCK_STREAM, 0))?;
    let udp = call!(socket(AF_INET, SOCK_DGRAM, 0))?;
    let one = 1i32;
    let at: *const c_void = (&raw const one).cast();
    let bad = 8 as *const c_void;
    let mut value = 0i32;
    let place: *mut c_void = (&raw mut value).cast();
    let mut length = 4u32;
    let size = &raw mut length;
    no!(t;
        "closed": setsockopt(999, SOL_SOCKET, SO_REUSEADDR, at, 4) => EBADF;
        "no socket": setsockopt(0, SOL_SOCKET, SO_REUSEADDR, at, 4) => ENOTSOCK;
        "nowhere": setsockopt(tcp, SOL_SOCKET, SO_REUSEADDR, bad, 4) => EFAULT;
        "nothing": setsockopt(tcp, SOL_SOCKET, SO_REUSEADDR, at, 0) => EINVAL;
        "too short": setsockopt(tcp, SOL_SOCKET, SO_REUSEADDR, at, 3) => EINVAL;
        "no such level": setsockopt(tcp, 500, 1, at, 4) => ENOPROTOOPT;
        "no such option": setsockopt(tcp, SOL_SOCKET, 999, at, 4) => ENOPROTOOPT;
        "UDP's of TCP": setsockopt(udp, IPPROTO_TCP, TCP_NODELAY, at, 4) => ENOPROTOOPT;
        "one that is only told": setsockopt(tcp, SOL_SOCKET, SO_TYPE, at, 4) => ENOPROTOOPT;
        "no such option of IP": setsockopt(udp, IPPROTO_IP, 999, at, 4) => ENOPROTOOPT;
        "short linger": setsockopt(tcp, SOL_SOCKET, SO_LINGER, at, 4) => EINVAL;
        "a short time": setsockopt(tcp, SOL_SOCKET, SO_RCVTIMEO, at, 4) => EINVAL;
        "asked of nothing": getsockopt(999, SOL_SOCKET, SO_TYPE, place, size) => EBADF;
        "asked of no socket": getsockopt(0, SOL_SOCKET, SO_TYPE, place, size) => ENOTSOCK;
        "told nowhere": getsockopt(tcp, SOL_SOCKET, SO_TYPE, 8 as *mut c_void, size) => EFAULT;
        "nor how long": getsockopt(tcp, SOL_SOCKET, SO_TYPE, place, 8 as *mut u32) => EFAULT;
        "no such level to ask": getsockopt(tcp, 500, 1, place, size) => EOPNOTSUPP;
        "no such option to ask": getsockopt(tcp, SOL_SOCKET, 999, place, size) => ENOPROTOOPT;
        "no such option of UDP": getsockopt(udp, IPPROTO_UDP, 999, place, size) => ENOPROTOOPT;
        "none of TCP": getsockopt(tcp, IPPROTO_TCP, 999, place, size) => ENOPROTOOPT;
    );
    let mut negative = u32::MAX;
    no!(t; "a negative length": getsockopt(tcp, SOL_SOCKET, SO_TYPE, place, &raw mut negative) => EINVAL;);
    yes!(t; "its type": getsockopt(tcp, SOL_SOCKET, SO_TYPE, place, size););
    t.same("is a stream", (value, length), (SOCK_STREAM, 4));
    let mut short = 2u32;
    let mut bytes = [0xffu8; 4];
    yes!(t; "in too little": getsockopt(tcp, SOL_SOCKET, SO_TYPE, bytes.as_mut_ptr().cast(), &raw mut short););
    t.same("is cut", (bytes[2], short), (0xff, 2));
    let many = [1i64; 4];
    let time_ = [0i64, 1_000_000];
    no!(t; "too many microseconds": setsockopt(tcp, SOL_SOCKET, SO_SNDTIMEO, time_.as_ptr().cast(), 16) => EDOM;);
    yes!(t; "more than is needed": setsockopt(tcp, SOL_SOCKET, SO_REUSEADDR, many.as_ptr().cast(), 32););
    Ok(())
}
