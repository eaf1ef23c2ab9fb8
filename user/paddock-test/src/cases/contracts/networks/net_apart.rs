//! network_namespaces(7): interfaces, ports and abstract names apart; sockets stay where
//! they were made.
use super::{flags_of, inet, set_flags, with_address};
use crate::cases::contracts::prelude::*;

/// An abstract name.
fn named(name: &[u8]) -> (sockaddr_un, socklen_t) {
    let mut address = sockaddr_un {
        sun_family: AF_UNIX as sa_family_t,
        sun_path: [0; 108],
    };
    for (place, byte) in address.sun_path[1..].iter_mut().zip(name) {
        *place = *byte as c_char;
    }
    (address, (3 + name.len()) as socklen_t)
}

fn abstract_listener(name: &[u8]) -> Result<i32, Errno> {
    let fd = call!(socket(AF_UNIX, SOCK_STREAM, 0))?;
    let (address, length) = named(name);
    call!(bind(fd, (&raw const address).cast(), length))?;
    call!(listen(fd, 1))?;
    Ok(fd)
}

fn connect_abstract(name: &[u8]) -> Result<i32, Errno> {
    let fd = call!(socket(AF_UNIX, SOCK_STREAM, 0))?;
    let (address, length) = named(name);
    call!(connect(fd, (&raw const address).cast(), length))
}

pub fn run(t: &mut Report) -> Outcome {
    let outside = inet(SOCK_STREAM)?;
    with_address(bind, outside, &local_port(0))?;
    call!(listen(outside, 4))?;
    let port = port_of(outside)?;
    let made_before = inet(SOCK_STREAM)?;
    let name = b"contract net_apart";
    abstract_listener(name)?;
    t.works("an abstract name", connect_abstract(name));
    apart(t, |t| {
        yes!(t; "a namespace": unshare(CLONE_NEWNET););
        let own = inet(SOCK_STREAM)?;
        t.same(
            "its loopback is down",
            flags_of(own, "lo"),
            Ok(IFF_LOOPBACK as u16),
        );
        t.refused("it has no card", flags_of(own, "eth0"), ENODEV);
        t.refused(
            "nothing is reached",
            with_address(connect, own, &local_port(port)),
            ENETUNREACH,
        );
        t.same(
            "nobody listens",
            text("/proc/self/net/tcp").lines().count(),
            1,
        );
        t.refused("a name outside", connect_abstract(name), ECONNREFUSED);
        t.works("is free here", abstract_listener(name));
        t.works(
            "a socket from outside",
            with_address(connect, made_before, &local_port(port)),
        );
        t.works("up", set_flags(own, "lo", IFF_UP as u16));
        t.same("is up", flags_of(own, "lo").map(|it| it & 0x49), Ok(0x49));
        t.refused(
            "nobody is there",
            with_address(connect, own, &local_port(port)),
            ECONNREFUSED,
        );
        let server = inet(SOCK_STREAM)?;
        t.works(
            "the port is free",
            with_address(bind, server, &local_port(port)),
        );
        yes!(t; "and served": listen(server, 1););
        let client = inet(SOCK_STREAM)?;
        t.works(
            "and found",
            with_address(connect, client, &local_port(port)),
        );
        let (one, other) = (inet(SOCK_DGRAM)?, inet(SOCK_DGRAM)?);
        with_address(bind, one, &local_port(0))?;
        t.works(
            "datagrams",
            with_address(connect, other, &local_port(port_of(one)?)),
        );
        sys::write_all(other, b"hello")?;
        let mut buffer = [0; 8];
        t.same("come here", sys::read(one, &mut buffer), Ok(5));
        t.works("down again", set_flags(own, "lo", 0));
        t.same("is down", flags_of(own, "lo"), Ok(8));
        let late = inet(SOCK_DGRAM)?;
        t.works(
            "its address is there",
            with_address(bind, late, &local_port(0)),
        );
        Ok(())
    })?;
    t.same(
        "outside it is up",
        flags_of(outside, "lo").map(|it| it & 0x49),
        Ok(0x49),
    );
    let accepted = call!(accept(outside, null_mut(), null_mut()));
    t.works("who came from outside", accepted);
    Ok(())
}
