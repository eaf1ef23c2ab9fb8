//! getsockopt(2) and setsockopt(2), SOL_SOCKET.
use crate::cases::contracts::prelude::*;

fn get(fd: i32, level: i32, option: i32) -> Result<i32, Errno> {
    let (mut value, mut length) = (0i32, 4u32);
    call!(getsockopt(
        fd,
        level,
        option,
        (&raw mut value).cast(),
        &raw mut length
    ))?;
    Ok(value)
}

fn set(fd: i32, option: i32, value: i32, length: u32) -> Result<i32, Errno> {
    call!(setsockopt(
        fd,
        SOL_SOCKET,
        option,
        (&raw const value).cast(),
        length
    ))
}

pub fn run(t: &mut Report) -> Outcome {
    let fd = call!(socket(AF_INET, SOCK_STREAM, 0))?;
    t.same("type", get(fd, SOL_SOCKET, SO_TYPE), Ok(SOCK_STREAM));
    t.same("family", get(fd, SOL_SOCKET, SO_DOMAIN), Ok(AF_INET));
    t.same(
        "protocol",
        get(fd, SOL_SOCKET, SO_PROTOCOL),
        Ok(IPPROTO_TCP),
    );
    t.same("does not listen", get(fd, SOL_SOCKET, SO_ACCEPTCONN), Ok(0));
    t.same("no error", get(fd, SOL_SOCKET, SO_ERROR), Ok(0));
    t.refused("type is not set", set(fd, SO_TYPE, 1, 4), ENOPROTOOPT);
    t.refused("no such option", set(fd, 9999, 1, 4), ENOPROTOOPT);
    t.refused("asked", get(fd, SOL_SOCKET, 9999), ENOPROTOOPT);
    t.refused("of TCP", get(fd, IPPROTO_TCP, 9999), ENOPROTOOPT);
    t.refused("too short", set(fd, SO_KEEPALIVE, 1, 3), EINVAL);
    t.works("any but zero", set(fd, SO_KEEPALIVE, 7, 4));
    t.same("is one", get(fd, SOL_SOCKET, SO_KEEPALIVE), Ok(1));
    t.works("room", set(fd, SO_SNDBUF, 10_000, 4));
    t.same(
        "is twice as much",
        get(fd, SOL_SOCKET, SO_SNDBUF),
        Ok(20_000),
    );
    let wait = [1i64, 1_000_000];
    no!(t; "too many microseconds": setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, wait.as_ptr().cast(), 16) => EDOM;
        "a short time": setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, wait.as_ptr().cast(), 8) => EINVAL;
        "not a socket": setsockopt(1, SOL_SOCKET, SO_KEEPALIVE, wait.as_ptr().cast(), 4) => ENOTSOCK;
        "nowhere": setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, 8 as *const c_void, 4) => EFAULT;);
    let (mut value, mut length) = (0i32, 2u32);
    yes!(t; "in two bytes": getsockopt(fd, SOL_SOCKET, SO_TYPE, (&raw mut value).cast(), &raw mut length););
    t.same("two", (value, length), (SOCK_STREAM, 2));
    let mut length = -1i32;
    least_room(t)?;
    strange_levels(t)?;
    let less = raw!(
        SYS_getsockopt,
        fd,
        SOL_SOCKET,
        SO_TYPE,
        &raw mut value,
        &raw mut length
    );
    t.refused("in fewer than none", less, EINVAL);
    Ok(())
}

/// The smallest buffers, of sockets of each family.
fn least_room(t: &mut Report) -> Outcome {
    let kinds = [
        (AF_INET, SOCK_STREAM),
        (AF_INET, SOCK_DGRAM),
        (AF_UNIX, SOCK_STREAM),
    ];
    for (family, kind) in kinds {
        let fd = call!(socket(family, kind, 0))?;
        for (option, least) in [(SO_RCVBUF, 2304), (SO_SNDBUF, 4608)] {
            t.works("hardly any room", set(fd, option, 1, 4));
            t.same("is the least", get(fd, SOL_SOCKET, option), Ok(least));
            t.works("a little more", set(fd, option, 3000, 4));
            t.same("is twice as much", get(fd, SOL_SOCKET, option), Ok(6000));
        }
    }
    Ok(())
}

/// Options of levels that a socket does not have.
fn strange_levels(t: &mut Report) -> Outcome {
    const LEVELS: [i32; 5] = [IPPROTO_IPV6, IPPROTO_ICMPV6, 100, 255, 12_345];
    let one = 1i32;
    let kinds = [
        (AF_INET, SOCK_STREAM, EOPNOTSUPP, ENOPROTOOPT),
        (AF_INET, SOCK_DGRAM, EOPNOTSUPP, ENOPROTOOPT),
        (AF_UNIX, SOCK_STREAM, EOPNOTSUPP, EOPNOTSUPP),
    ];
    for (family, kind, asked, set) in kinds {
        let fd = call!(socket(family, kind, 0))?;
        for level in LEVELS {
            t.refused("asked of a strange level", get(fd, level, 9999), asked);
            let change = call!(setsockopt(fd, level, 9999, (&raw const one).cast(), 4));
            t.refused("an option of a strange level", change, set);
        }
    }
    let fd = call!(socket(AF_INET, SOCK_STREAM, 0))?;
    t.refused("UDP's of TCP", get(fd, IPPROTO_UDP, 1), EOPNOTSUPP);
    let fd = call!(socket(AF_INET, SOCK_DGRAM, 0))?;
    t.refused("TCP's of UDP", get(fd, IPPROTO_TCP, 1), EOPNOTSUPP);
    Ok(())
}
