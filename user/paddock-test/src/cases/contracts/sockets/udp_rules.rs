//! Datagrams: their ends, and flags of send(2) and recv(2).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let fd = call!(socket(AF_INET, SOCK_DGRAM, 0))?;
    // SAFETY: plain numbers.
    let mut own: sockaddr_in = unsafe { std::mem::zeroed() };
    (own.sin_family, own.sin_addr.s_addr) = (AF_INET as u16, 0x7f00_0001u32.to_be());
    let at: *mut sockaddr = (&raw mut own).cast();
    let mut length = 16u32;
    yes!(t; "bound": bind(fd, at, 16); "its name": getsockname(fd, at, &raw mut length); "to itself": connect(fd, at, 16););
    let send =
        |bytes: &[u8], flags: i32| call!(send(fd, bytes.as_ptr().cast(), bytes.len(), flags));
    let mut bytes = [0u8; 8];
    let to: *mut c_void = bytes.as_mut_ptr().cast();
    t.refused("too long", send(&[0; 65_508], 0), EMSGSIZE);
    t.refused("out of band", send(b"x", MSG_OOB), EOPNOTSUPP);
    t.same("one", send(b"0123456789", 0), Ok(10));
    t.same("an empty one", send(b"", 0), Ok(0));
    let recv = |room: usize, flags: i32| call!(recv(fd, to, room, flags | MSG_DONTWAIT));
    t.same("looked at", recv(4, MSG_PEEK), Ok(4));
    t.same("as long as it is", recv(4, MSG_PEEK | MSG_TRUNC), Ok(10));
    t.same("its beginning", recv(4, 0), Ok(4));
    t.same("the rest is gone", recv(8, 0), Ok(0));
    t.refused("no more", recv(8, 0), EAGAIN);
    t.refused("errors", recv(8, MSG_ERRQUEUE), EAGAIN);
    // SAFETY: plain numbers.
    let mut nobody: sockaddr = unsafe { std::mem::zeroed() };
    nobody.sa_family = AF_UNSPEC as u16;
    yes!(t; "parted": connect(fd, &raw const nobody, 16););
    no!(t; "with nobody": getpeername(fd, at, &raw mut length) => ENOTCONN;);
    t.refused("to nobody", send(b"x", 0), EDESTADDRREQ);
    let messages = [0u8; 64];
    t.same(
        "none sent",
        raw!(SYS_sendmmsg, fd, messages.as_ptr(), 0, 0),
        Ok(0),
    );
    Ok(())
}
