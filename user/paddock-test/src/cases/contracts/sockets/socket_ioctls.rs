//! ioctl(2) of sockets: FIONREAD, SIOCATMARK, FIONBIO and what others ask.
use crate::cases::contracts::prelude::*;

const SIOCATMARK: c_ulong = 0x8905;
const SIOCGIFCONF: c_ulong = 0x8912;
const SIOCGIFFLAGS: c_ulong = 0x8913;
const SIOCGIFINDEX: c_ulong = 0x8933;

pub fn run(t: &mut Report) -> Outcome {
    let mut ends = [0; 2];
    call!(socketpair(AF_UNIX, SOCK_STREAM, 0, ends.as_mut_ptr()))?;
    let ask = |fd: i32, what: c_ulong, at: *mut i32| raw!(SYS_ioctl, fd, what, at).map(drop);
    let mut value = -1i32;
    let at = &raw mut value;
    let how_many = FIONREAD as c_ulong;
    t.works("how many bytes", ask(ends[0], how_many, at));
    t.same("none", value, 0);
    sys::write_all(ends[1], b"hello")?;
    t.works("how many now", ask(ends[0], how_many, at));
    t.same("five", value, 5);
    t.refused("to nowhere", ask(ends[0], how_many, 8 as *mut i32), EFAULT);
    t.refused("closed", ask(-1, how_many, at), EBADF);
    t.refused("no such question", ask(ends[0], 0x1234_5678, at), ENOTTY);
    t.refused("no terminal", ask(ends[0], TCGETS as c_ulong, at), ENOTTY);
    let not_waiting = |fd: i32| call!(fcntl(fd, F_GETFL)).map(|it| it & O_NONBLOCK != 0);
    let mut on = 1i32;
    t.works("not to wait", ask(ends[0], FIONBIO as c_ulong, &raw mut on));
    t.same("is a flag", not_waiting(ends[0]), Ok(true));
    on = 0;
    t.works("to wait", ask(ends[0], FIONBIO as c_ulong, &raw mut on));
    t.same("is none", not_waiting(ends[0]), Ok(false));
    let udp = call!(socket(AF_INET, SOCK_DGRAM, 0))?;
    let mut request = [0u8; 40];
    request[..2].copy_from_slice(b"lo");
    let by_name = |request: &mut [u8; 40], what: c_ulong| {
        raw!(SYS_ioctl, udp, what, request.as_mut_ptr()).map(drop)
    };
    t.works("the loopback's flags", by_name(&mut request, SIOCGIFFLAGS));
    let flags = u16::from_le_bytes([request[16], request[17]]);
    t.same("up, and a loopback", flags & 9, 9);
    t.works("its number", by_name(&mut request, SIOCGIFINDEX));
    t.same("is 1", request[16], 1);
    request = [0; 40];
    request[..4].copy_from_slice(b"none");
    t.refused("no such one", by_name(&mut request, SIOCGIFFLAGS), ENODEV);
    t.refused("nowhere", raw!(SYS_ioctl, udp, SIOCGIFFLAGS, 8), EFAULT);
    t.refused(
        "all of them, nowhere",
        raw!(SYS_ioctl, udp, SIOCGIFCONF, 8),
        EFAULT,
    );
    t.refused(
        "of a file",
        ask(opened("/dev/null", O_RDWR)?, SIOCATMARK, at),
        ENOTTY,
    );
    Ok(())
}
