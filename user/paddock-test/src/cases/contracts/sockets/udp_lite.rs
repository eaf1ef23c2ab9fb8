//! udplite(7): datagrams whose checksum covers a part of them.
use crate::cases::contracts::prelude::*;

const SEND_COVERAGE: i32 = 10;
const RECEIVE_COVERAGE: i32 = 11;
const SOL_UDPLITE: i32 = 136;

const LENGTH: socklen_t = size_of::<sockaddr_in>() as socklen_t;

fn set(fd: i32, option: i32, value: i32) -> Result<i32, Errno> {
    let value = &raw const value;
    call!(setsockopt(fd, SOL_UDPLITE, option, value.cast(), 4))
}

fn get(fd: i32, level: i32, option: i32) -> Result<i32, Errno> {
    let (mut value, mut length) = (-1i32, 4);
    let to = (&raw mut value).cast();
    call!(getsockopt(fd, level, option, to, &raw mut length))?;
    Ok(value)
}

pub fn run(t: &mut Report) -> Outcome {
    let lite = || call!(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, IPPROTO_UDPLITE));
    let (one, other) = (lite()?, lite()?);
    t.same("its protocol", get(one, SOL_SOCKET, SO_PROTOCOL), Ok(136));
    let plain = call!(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0))?;
    let address = local_port(0);
    yes!(t; "bound": bind(one, (&raw const address).cast(), LENGTH););
    let port = port_of(one)?;
    let address = local_port(port);
    no!(t; "once": bind(other, (&raw const address).cast(), LENGTH) => EADDRINUSE;);
    yes!(t; "for UDP as well": bind(plain, (&raw const address).cast(), LENGTH););
    yes!(t; "connected": connect(other, (&raw const address).cast(), LENGTH););
    sys::write_all(other, b"hello")?;
    let mut buffer = [0; 16];
    t.same("arrives", sys::read(one, &mut buffer), Ok(5));
    t.same("what was sent", &buffer[..5], b"hello");
    t.refused("not for UDP", sys::read(plain, &mut buffer), EAGAIN);
    t.same(
        "all is covered",
        get(one, SOL_UDPLITE, SEND_COVERAGE),
        Ok(0),
    );
    for (given, is) in [(20, 20), (1, 8), (-5, 8), (70_000, 65_535), (0, 0)] {
        t.works("covers", set(other, SEND_COVERAGE, given));
        t.same("so much", get(other, SOL_UDPLITE, SEND_COVERAGE), Ok(is));
        t.same(
            "of UDP's level",
            get(other, IPPROTO_UDP, SEND_COVERAGE),
            Ok(is),
        );
    }
    t.works("headers alone", set(other, SEND_COVERAGE, 8));
    sys::write_all(other, b"partly")?;
    t.same("arrive", sys::read(one, &mut buffer), Ok(6));
    for (least, comes) in [(8, true), (9, false), (0, false)] {
        t.works("the least", set(one, RECEIVE_COVERAGE, least));
        sys::write_all(other, b"partly")?;
        let came = sys::read(one, &mut buffer).is_ok();
        t.same("is looked at", came, comes);
    }
    t.works("all", set(other, SEND_COVERAGE, 0));
    sys::write_all(other, b"all")?;
    t.same("comes", sys::read(one, &mut buffer), Ok(3));
    t.refused("UDP has none", set(plain, SEND_COVERAGE, 8), ENOPROTOOPT);
    sys::close(one)?;
    sys::write_all(other, b"nobody")?;
    t.refused(
        "nobody is there",
        sys::read(other, &mut buffer),
        ECONNREFUSED,
    );
    no!(t; "as a stream": socket(AF_INET, SOCK_STREAM, IPPROTO_UDPLITE) => EPROTONOSUPPORT;);
    yes!(t; "of IPv6": socket(AF_INET6, SOCK_DGRAM, IPPROTO_UDPLITE););
    Ok(())
}
