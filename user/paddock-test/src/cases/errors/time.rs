//! Calls on clocks and timers, and of sockets.

use super::{BAD, CLOSED, NONE, Outcome, refused};
use crate::report::Report;
use crate::sys::call;

pub fn run(report: &mut Report) -> Outcome {
    let negative = [-1i64, 0];
    let nanos = [0i64, 1_000_000_000];
    let interval = [0i64, 1_000_000, 0, 0];
    let (negative, nanos) = (negative.as_ptr(), nanos.as_ptr());
    let mut words = [0u64; 16];
    let at = words.as_mut_ptr();
    refused!(report;
        "a negative time": SYS_nanosleep(negative, NONE) => EINVAL;
        "too many nanoseconds": SYS_nanosleep(nanos, NONE) => EINVAL;
        "nowhere": SYS_nanosleep(BAD, NONE) => EFAULT;
        "an unknown clock": SYS_clock_nanosleep(99, 0, at, NONE) => EINVAL;
        "the thread's clock": SYS_clock_nanosleep(3, 0, at, NONE) => EOPNOTSUPP;
        "a negative time": SYS_clock_nanosleep(1, 0, negative, NONE) => EINVAL;
        "too many nanoseconds": SYS_clock_nanosleep(1, 0, nanos, NONE) => EINVAL;
        "nowhere": SYS_clock_nanosleep(1, 0, BAD, NONE) => EFAULT;
        "an unknown clock": SYS_clock_gettime(99, at) => EINVAL;
        "nowhere": SYS_clock_gettime(0, BAD) => EFAULT;
        "an unknown clock": SYS_clock_getres(99, at) => EINVAL;
        "nowhere": SYS_clock_getres(0, BAD) => EFAULT;
        "a clock that is not set": SYS_clock_settime(1, at) => EINVAL;
        "an unknown clock": SYS_clock_settime(99, at) => EINVAL;
        "too many nanoseconds": SYS_clock_settime(0, nanos) => EINVAL;
        "nowhere": SYS_clock_settime(0, BAD) => EFAULT;
        "nowhere": SYS_gettimeofday(BAD, NONE) => EFAULT;
        "a zone nowhere": SYS_gettimeofday(NONE, BAD) => EFAULT;
        "nowhere": SYS_settimeofday(BAD, NONE) => EFAULT;
        "too many microseconds": SYS_settimeofday(nanos, NONE) => EINVAL;
        "an unknown one": SYS_getitimer(9, at) => EINVAL;
        "nowhere": SYS_getitimer(0, BAD) => EFAULT;
        "an unknown one": SYS_setitimer(9, at, NONE) => EINVAL;
        "nowhere": SYS_setitimer(0, BAD, NONE) => EFAULT;
        "too many microseconds": SYS_setitimer(0, interval.as_ptr(), NONE) => EINVAL;
        "an unknown clock": SYS_timer_create(99, NONE, at) => EINVAL;
        "nowhere": SYS_timer_create(0, NONE, BAD) => EFAULT;
        "an event nowhere": SYS_timer_create(0, BAD, at) => EFAULT;
        "unknown": SYS_timer_gettime(99, at) => EINVAL;
        "unknown": SYS_timer_settime(99, 0, at, NONE) => EINVAL;
        "unknown": SYS_timer_getoverrun(99) => EINVAL;
        "unknown": SYS_timer_delete(99) => EINVAL;
    );
    sockets(report)
}

fn sockets(report: &mut Report) -> Outcome {
    let stream = call!(libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0))?;
    let datagram = call!(libc::socket(libc::AF_INET, libc::SOCK_DGRAM, 0))?;
    let file = call!(libc::open(
        c"s".as_ptr(),
        libc::O_RDWR | libc::O_CREAT,
        0o644
    ))?;
    let mut words = [0u64; 32];
    let at = words.as_mut_ptr();
    let foreign = [1u16, 0, 0, 0, 0, 0, 0, 0];
    let elsewhere = [2u16, 0, 0x0101, 0x0101, 0, 0, 0, 0];
    let mut length = 16u32;
    let negative = -1i32;
    let (length, negative) = (&raw mut length, &raw const negative);
    refused!(report;
        "an unknown family": SYS_socket(99, 1, 0) => EAFNOSUPPORT;
        "an unknown kind": SYS_socket(2, 9, 0) => ESOCKTNOSUPPORT;
        "an unknown flag": SYS_socket(2, 1 | 0x100, 0) => EINVAL;
        "another protocol": SYS_socket(2, 1, 17) => EPROTONOSUPPORT;
        "of the internet": SYS_socketpair(2, 1, 0, at) => EOPNOTSUPP;
        "nowhere": SYS_socketpair(1, 1, 0, BAD) => EFAULT;
        "a closed one": SYS_bind(CLOSED, at, 16) => EBADF;
        "no socket": SYS_bind(file, at, 16) => ENOTSOCK;
        "too short": SYS_bind(stream, at, 4) => EINVAL;
        "too long": SYS_bind(stream, at, 200) => EINVAL;
        "nowhere": SYS_bind(stream, BAD, 16) => EFAULT;
        "another family": SYS_bind(stream, foreign.as_ptr(), 16) => EAFNOSUPPORT;
        "another's address": SYS_bind(stream, elsewhere.as_ptr(), 16) => EADDRNOTAVAIL;
        "a closed one": SYS_listen(CLOSED, 1) => EBADF;
        "no socket": SYS_listen(file, 1) => ENOTSOCK;
        "datagrams": SYS_listen(datagram, 1) => EOPNOTSUPP;
        "a closed one": SYS_accept4(CLOSED, NONE, NONE, 0) => EBADF;
        "no socket": SYS_accept4(file, NONE, NONE, 0) => ENOTSOCK;
        "one that does not listen": SYS_accept4(stream, NONE, NONE, 0) => EINVAL;
        "datagrams": SYS_accept4(datagram, NONE, NONE, 0) => EOPNOTSUPP;
        "an unknown flag": SYS_accept4(stream, NONE, NONE, 1) => EINVAL;
        "a closed one": SYS_connect(CLOSED, at, 16) => EBADF;
        "no socket": SYS_connect(file, at, 16) => ENOTSOCK;
        "nowhere": SYS_connect(stream, BAD, 16) => EFAULT;
        "too short": SYS_connect(stream, at, 1) => EINVAL;
        "another family": SYS_connect(stream, foreign.as_ptr(), 16) => EAFNOSUPPORT;
        "no socket": SYS_getsockname(file, at, length) => ENOTSOCK;
        "a length nowhere": SYS_getsockname(stream, at, BAD) => EFAULT;
        "a negative length": SYS_getsockname(stream, at, negative) => EINVAL;
        "nobody": SYS_getpeername(stream, at, length) => ENOTCONN;
        "no socket": SYS_getpeername(file, at, length) => ENOTSOCK;
        "nobody": SYS_sendto(datagram, at, 1, 0, NONE, 0) => EDESTADDRREQ;
        "no socket": SYS_sendto(file, at, 1, 0, NONE, 0) => ENOTSOCK;
        "a closed one": SYS_sendto(CLOSED, at, 1, 0, NONE, 0) => EBADF;
        "nobody": SYS_sendto(stream, at, 1, libc::MSG_NOSIGNAL, NONE, 0) => EPIPE;
        "nobody": SYS_recvfrom(stream, at, 1, 0, NONE, NONE) => ENOTCONN;
        "nothing yet": SYS_recvfrom(datagram, at, 1, libc::MSG_DONTWAIT, NONE, NONE) => EAGAIN;
        "no socket": SYS_recvfrom(file, at, 1, 0, NONE, NONE) => ENOTSOCK;
        "nowhere": SYS_sendmsg(datagram, BAD, 0) => EFAULT;
        "nowhere": SYS_recvmsg(datagram, BAD, 0) => EFAULT;
        "no socket": SYS_sendmsg(file, at, 0) => ENOTSOCK;
        "no socket": SYS_recvmsg(file, at, 0) => ENOTSOCK;
        "nobody": SYS_shutdown(stream, 0) => ENOTCONN;
        "an unknown way": SYS_shutdown(stream, 9) => EINVAL;
        "no socket": SYS_shutdown(file, 0) => ENOTSOCK;
        "no socket": SYS_setsockopt(file, 1, 2, at, 4) => ENOTSOCK;
        "nowhere": SYS_setsockopt(stream, 1, 2, BAD, 4) => EFAULT;
        "too short": SYS_setsockopt(stream, 1, 2, at, 1) => EINVAL;
        "a negative length": SYS_setsockopt(stream, 1, 2, at, -1) => EINVAL;
        "unknown": SYS_setsockopt(stream, 1, 999, at, 4) => ENOPROTOOPT;
        "of no such level": SYS_setsockopt(stream, 999, 1, at, 4) => ENOPROTOOPT;
        "unknown": SYS_getsockopt(stream, 1, 999, at, length) => ENOPROTOOPT;
        "a length nowhere": SYS_getsockopt(stream, 1, 2, at, BAD) => EFAULT;
        "a negative length": SYS_getsockopt(stream, 1, 2, at, negative) => EINVAL;
        "nowhere": SYS_getsockopt(stream, 1, 2, BAD, length) => EFAULT;
    );
    super::super::close(&[stream, datagram, file])
}
