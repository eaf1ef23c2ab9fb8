//! recvmmsg(2), sendmmsg(2).
use crate::cases::contracts::prelude::*;

#[repr(C)]
#[derive(Clone, Copy)]
struct Many {
    header: msghdr,
    length: u32,
}

fn headers(pieces: &mut [iovec]) -> Vec<Many> {
    let all = pieces.iter_mut().map(|piece| {
        // SAFETY: plain numbers.
        let mut header: msghdr = unsafe { std::mem::zeroed() };
        (header.msg_iov, header.msg_iovlen) = (std::ptr::from_mut(piece), 1);
        Many { header, length: 77 }
    });
    all.collect()
}

fn send(fd: i32, all: *mut Many, count: u32, flags: i32) -> Result<i64, Errno> {
    raw!(SYS_sendmmsg, fd, all, count, flags)
}

fn receive(
    fd: i32,
    all: *mut Many,
    count: u32,
    flags: i32,
    wait: *const timespec,
) -> Result<i64, Errno> {
    raw!(SYS_recvmmsg, fd, all, count, flags, wait)
}

fn refused_times(t: &mut Report, fd: i32, list: *mut Many) {
    let (odd, negative) = (time(0, 1_000_000_000), time(-1, 0));
    t.refused(
        "too many nanoseconds",
        receive(fd, list, 3, 0, &raw const odd),
        EINVAL,
    );
    t.refused(
        "a negative time",
        receive(fd, list, 3, 0, &raw const negative),
        EINVAL,
    );
    t.refused(
        "a time nowhere",
        receive(fd, list, 3, 0, std::ptr::dangling::<timespec>()),
        EFAULT,
    );
}

pub fn run(t: &mut Report) -> Outcome {
    let mut pair = [0; 2];
    call!(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair.as_mut_ptr()))?;
    let mut bytes = *b"abcdefghijkl";
    let at = bytes.as_mut_ptr();
    let mut pieces: Vec<iovec> = (0..3)
        .map(|number| iovec {
            iov_base: at.wrapping_add(4 * number).cast(),
            iov_len: number + 1,
        })
        .collect();
    let mut all = headers(&mut pieces);
    t.refused("sent on nothing", send(999, all.as_mut_ptr(), 3, 0), EBADF);
    t.refused("on no socket", send(0, all.as_mut_ptr(), 3, 0), ENOTSOCK);
    t.refused(
        "from nowhere",
        send(pair[0], std::ptr::dangling_mut::<Many>(), 3, 0),
        EFAULT,
    );
    t.same("none", send(pair[0], all.as_mut_ptr(), 0, 0), Ok(0));
    t.same("three", send(pair[0], all.as_mut_ptr(), 3, 0), Ok(3));
    t.same(
        "how long each is",
        [0, 1, 2].map(|it: usize| all[it].length),
        [1, 2, 3],
    );
    let mut all = headers(&mut pieces);
    let list = all.as_mut_ptr();
    t.refused(
        "received on nothing",
        receive(999, list, 3, 0, null()),
        EBADF,
    );
    t.refused(
        "on no socket at all",
        receive(0, list, 3, 0, null()),
        ENOTSOCK,
    );
    refused_times(t, pair[1], list);
    t.refused(
        "to nowhere",
        receive(pair[1], std::ptr::dangling_mut::<Many>(), 3, 0, null()),
        EFAULT,
    );
    t.same(
        "what is there",
        receive(pair[1], list, 3, MSG_WAITFORONE, null()),
        Ok(3),
    );
    t.same("each", [0, 1, 2].map(|it: usize| all[it].length), [1, 2, 3]);
    t.refused(
        "no more",
        receive(pair[1], all.as_mut_ptr(), 3, MSG_DONTWAIT, null()),
        EAGAIN,
    );
    t.works("one", sys::write(pair[0], b"x"));
    let wait = time(0, 1_000_000);
    let list = all.as_mut_ptr();
    t.same(
        "one, and not longer",
        receive(pair[1], list, 3, MSG_WAITFORONE, &raw const wait),
        Ok(1),
    );
    Ok(())
}
