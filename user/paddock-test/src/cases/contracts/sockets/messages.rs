//! sendmsg(2) and recvmsg(2) of AF_UNIX: descriptors, cut messages, iovecs.
use crate::cases::contracts::prelude::*;

fn sent(fd: i32, pieces: usize, control: &[u64], length: usize) -> Result<isize, Errno> {
    let vector = vec![
        iovec {
            iov_base: c"x".as_ptr() as *mut c_void,
            iov_len: 1
        };
        pieces.min(2000)
    ];
    // SAFETY: plain numbers.
    let mut message: msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = vector.as_ptr().cast_mut();
    message.msg_iovlen = pieces as _;
    message.msg_control = control.as_ptr() as *mut c_void;
    message.msg_controllen = length as _;
    call!(sendmsg(fd, &raw const message, MSG_DONTWAIT))
}

fn rights(fds: &[i32]) -> (Vec<u64>, usize) {
    let length = 16 + 4 * fds.len();
    let mut words = vec![length as u64, 1 << 32 | 1];
    words.extend(
        fds.chunks(2).map(|two| {
            two[0] as u32 as u64 | (two.get(1).copied().unwrap_or(0) as u32 as u64) << 32
        }),
    );
    (words, length)
}

pub fn run(t: &mut Report) -> Outcome {
    let mut pair = [0; 2];
    yes!(t; "a pair": socketpair(AF_UNIX, SOCK_DGRAM, 0, pair.as_mut_ptr()););
    t.refused("too many pieces", sent(pair[0], 1025, &[], 0), EMSGSIZE);
    t.same("many", sent(pair[0], 1024, &[], 0), Ok(1024));
    let (words, length) = rights(&[999]);
    t.refused(
        "a descriptor that is none",
        sent(pair[0], 1, &words, length),
        EBADF,
    );
    let (words, length) = rights(&[1; 254]);
    t.refused("too many of them", sent(pair[0], 1, &words, length), EINVAL);
    t.refused(
        "a header that is too long",
        sent(pair[0], 1, &[100, 1 << 32 | 1, 0], 24),
        EINVAL,
    );
    t.refused(
        "one that is too short",
        sent(pair[0], 1, &[8, 1 << 32 | 1, 0], 24),
        EINVAL,
    );
    let (words, length) = rights(&[1, 1]);
    t.same("two", sent(pair[0], 1, &words, length), Ok(1));
    let (mut bytes, mut control) = ([0u8; 16], [0u64; 8]);
    let mut vector = iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: 16,
    };
    // SAFETY: plain numbers.
    let mut message: msghdr = unsafe { std::mem::zeroed() };
    (message.msg_iov, message.msg_iovlen) = (&raw mut vector, 1);
    (message.msg_control, message.msg_controllen) = (control.as_mut_ptr().cast(), 64);
    let at = &raw mut message;
    t.same("the many, cut", call!(recvmsg(pair[1], at, 0)), Ok(16));
    t.same("which is said", message.msg_flags, MSG_TRUNC);
    message.msg_controllen = 20;
    let at = &raw mut message;
    t.same(
        "the two, with room for one",
        call!(recvmsg(pair[1], at, MSG_CMSG_CLOEXEC)),
        Ok(1),
    );
    t.same(
        "is said too",
        (message.msg_flags & MSG_CTRUNC, control[0]),
        (MSG_CTRUNC, 20),
    );
    let fd = control[2] as u32 as i32;
    t.same(
        "and closes on exec",
        call!(fcntl(fd, F_GETFD)),
        Ok(FD_CLOEXEC),
    );
    Ok(())
}
