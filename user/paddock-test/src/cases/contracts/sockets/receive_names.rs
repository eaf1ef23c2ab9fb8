//! recvfrom(2), recvmsg(2), accept(2): whose it is, and lengths that are wrong.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    // SAFETY: plain numbers.
    let mut name: sockaddr_in = unsafe { std::mem::zeroed() };
    name.sin_family = AF_INET as u16;
    name.sin_addr.s_addr = u32::from_ne_bytes([127, 0, 0, 1]);
    let own = (&raw mut name).cast::<sockaddr>();
    let (first, second) = (
        call!(socket(AF_INET, SOCK_DGRAM, 0))?,
        call!(socket(AF_INET, SOCK_DGRAM, 0))?,
    );
    call!(bind(first, own, 16))?;
    let mut length = 16;
    call!(getsockname(first, own, &raw mut length))?;
    t.same("a name's length", length, 16);
    let port = name.sin_port;
    call!(connect(second, own, 16))?;
    let mut bytes = [0u8; 8];
    let at: *mut c_void = bytes.as_mut_ptr().cast();
    let mut other = [0u8; 32];
    let place = other.as_mut_ptr();
    let send = || call!(libc::send(second, at, 4, 0));
    let receive =
        |name: *mut u8, length: *mut u32| raw!(SYS_recvfrom, first, at, 8, 0, name, length);
    send()?;
    let mut length = 32u32;
    t.same("with its name", receive(place, &raw mut length), Ok(4));
    t.same("as long as it is", length, 16);
    send()?;
    let mut length = 3u32;
    t.same("in too little", receive(place, &raw mut length), Ok(4));
    t.same("says how long", length, 16);
    send()?;
    t.same("to nobody", receive(null_mut(), null_mut()), Ok(4));
    send()?;
    let mut length = u32::MAX;
    t.refused("a negative length", receive(place, &raw mut length), EINVAL);
    t.same("another came meanwhile", send(), Ok(4));
    t.refused("a length nowhere", receive(place, 8 as *mut u32), EFAULT);
    let mut length = 16u32;
    let ask =
        |call: i64, name: *mut u8, length: *mut u32| call!(syscall(call, second, name, length));
    t.works("the peer", ask(SYS_getpeername, place, &raw mut length));
    t.same("is it", other[2..4].to_vec(), port.to_ne_bytes().to_vec());
    let place = other.as_mut_ptr();
    t.refused(
        "told nowhere",
        ask(SYS_getpeername, 8 as *mut u8, &raw mut length),
        EFAULT,
    );
    t.refused(
        "nor how long",
        ask(SYS_getsockname, place, 8 as *mut u32),
        EFAULT,
    );
    let mut length = u32::MAX;
    t.refused(
        "of a negative length",
        ask(SYS_getsockname, place, &raw mut length),
        EINVAL,
    );
    let mut length = 16u32;
    let peer = raw!(SYS_getpeername, first, place, &raw mut length);
    t.refused("of who has none", peer, ENOTCONN);
    t.refused(
        "no socket's",
        raw!(SYS_getsockname, 0, place, &raw mut length),
        ENOTSOCK,
    );
    t.refused(
        "a closed one's",
        raw!(SYS_getsockname, 999, place, &raw mut length),
        EBADF,
    );
    Ok(())
}
