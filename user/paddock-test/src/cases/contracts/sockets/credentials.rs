//! unix(7): SO_PEERCRED, SO_PASSCRED and SCM_CREDENTIALS.
use crate::cases::contracts::prelude::*;

/// A message of one byte with room for 64 bytes of control messages.
fn header(piece: *mut iovec, control: &mut [u64; 8], length: usize) -> msghdr {
    // SAFETY: plain numbers.
    let mut it: msghdr = unsafe { std::mem::zeroed() };
    (it.msg_iov, it.msg_iovlen) = (piece, 1);
    (it.msg_control, it.msg_controllen) = (control.as_mut_ptr().cast(), length as _);
    it
}

fn credentials(pid: u32, uid: u32, gid: u32) -> [u64; 8] {
    let mut words = [0u64; 8];
    words[0] = 28;
    words[1] = 1 | 2 << 32;
    words[2] = u64::from(pid) | u64::from(uid) << 32;
    words[3] = u64::from(gid);
    words
}

pub fn run(t: &mut Report) -> Outcome {
    let mut pair = [0; 2];
    call!(socketpair(AF_UNIX, SOCK_STREAM, 0, pair.as_mut_ptr()))?;
    let own = sys::tid() as u32;
    let mut peer = [9u32; 3];
    let mut length = 12u32;
    yes!(t; "whose the other end is": getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, peer.as_mut_ptr().cast(), &raw mut length););
    t.same("its maker's", (peer, length), ([own, 0, 0], 12));
    let mut byte = 7u8;
    let mut piece = iovec {
        iov_base: (&raw mut byte).cast(),
        iov_len: 1,
    };
    let at = &raw mut piece;
    let one = 1i32;
    let pass = |fd: i32| {
        call!(setsockopt(
            fd,
            SOL_SOCKET,
            SO_PASSCRED,
            (&raw const one).cast(),
            4
        ))
    };
    t.works("asked for", pass(pair[0]));
    t.works("a byte", sys::write(pair[1], b"x"));
    let mut control = [0u64; 8];
    let mut message = header(at, &mut control, 64);
    t.same(
        "received",
        call!(recvmsg(pair[0], &raw mut message, 0)),
        Ok(1),
    );
    t.same(
        "with who sent it",
        control[..4].to_vec(),
        credentials(own, 0, 0)[..4].to_vec(),
    );
    let send = |words: [u64; 8]| {
        let mut words = words;
        let message = header(at, &mut words, 32);
        call!(sendmsg(pair[1], &raw const message, 0))
    };
    t.works("root says another", send(credentials(1, 5, 6)));
    let mut message = header(at, &mut control, 64);
    t.same(
        "received too",
        call!(recvmsg(pair[0], &raw mut message, 0)),
        Ok(1),
    );
    t.same(
        "is told",
        control[..4].to_vec(),
        credentials(1, 5, 6)[..4].to_vec(),
    );
    t.refused(
        "nobody's number",
        send(credentials(NOBODYS as u32, 0, 0)),
        ESRCH,
    );
    as_nobody(t, |t| {
        let own = sys::tid() as u32;
        t.refused(
            "another process",
            send(credentials(1, NOBODY, NOBODY)),
            EPERM,
        );
        t.refused("another user", send(credentials(own, 0, NOBODY)), EPERM);
        t.refused("another group", send(credentials(own, NOBODY, 0)), EPERM);
        t.works("itself", send(credentials(own, NOBODY, NOBODY)));
        Ok(())
    })?;
    let mut short = credentials(own, 0, 0);
    short[0] = 20;
    t.refused("too short", send(short), EINVAL);
    let mut unknown = credentials(own, 0, 0);
    unknown[1] = 1 | 77 << 32;
    t.refused("of no kind", send(unknown), EINVAL);
    Ok(())
}
