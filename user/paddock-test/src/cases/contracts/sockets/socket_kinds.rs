//! socket(2) and socketpair(2): what there is.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let mut pair = [0; 2];
    no!(t;
        "no family": socket(99, SOCK_STREAM, 0) => EAFNOSUPPORT;
        "a negative one": socket(-1, SOCK_STREAM, 0) => EAFNOSUPPORT;
        "no type": socket(AF_INET, 99, 0) => EINVAL;
        "a flag": socket(AF_INET, SOCK_STREAM | 0x10_0000, 0) => EINVAL;
        "a protocol of another type": socket(AF_INET, SOCK_STREAM, IPPROTO_UDP) => EPROTONOSUPPORT;
        "and the other": socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP) => EPROTONOSUPPORT;
        "in order, of IPv4": socket(AF_INET, SOCK_SEQPACKET, 0) => ESOCKTNOSUPPORT;
        "a protocol beyond all": socket(AF_INET, SOCK_STREAM, 9999) => EINVAL;
        "a protocol of AF_UNIX": socket(AF_UNIX, SOCK_STREAM, 7) => EPROTONOSUPPORT;
        "a type of AF_UNIX": socket(AF_UNIX, SOCK_RDM, 0) => ESOCKTNOSUPPORT;
        "a pair of IPv4": socketpair(AF_INET, SOCK_STREAM, 0, pair.as_mut_ptr()) => EOPNOTSUPP;
        "a pair nowhere": socketpair(AF_UNIX, SOCK_STREAM, 0, 8 as *mut i32) => EFAULT;
    );
    yes!(t; "in order": socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair.as_mut_ptr());
        "by its protocol": socket(AF_UNIX, SOCK_DGRAM, 1););
    t.same(
        "closes on exec",
        call!(fcntl(pair[0], F_GETFD)),
        Ok(FD_CLOEXEC),
    );
    t.same(
        "does not wait",
        call!(fcntl(pair[0], F_GETFL)).map(|it| it & O_NONBLOCK),
        Ok(O_NONBLOCK),
    );
    t.refused("nothing there", sys::read(pair[0], &mut [0; 8]), EAGAIN);
    no!(t; "no places": lseek(pair[0], 0, SEEK_CUR) => ESPIPE;
        "not a socket": listen(1, 1) => ENOTSOCK;
        "closed": listen(999, 1) => EBADF;);
    Ok(())
}
