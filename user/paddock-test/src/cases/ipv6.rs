//! IPv6 over the loopback interface, and sockets of both families.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use super::Outcome;
use crate::report::Report;
use crate::sys::{self, call};

/// How long something is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of data in the largest datagram over IPv6.
const LARGEST: usize = 65_527;

pub fn run(report: &mut Report, _: &[String]) -> Outcome {
    streams(report).map_err(|error| error.to_string())?;
    both_families(report).map_err(|error| error.to_string())?;
    datagrams(report).map_err(|error| error.to_string())?;
    mixed_datagrams(report).map_err(|error| error.to_string())?;
    only_ipv6(report)?;
    scopes(report)
}

/// There and back over one connection.
fn talk(listener: &TcpListener, to: SocketAddr) -> io::Result<(SocketAddr, TcpStream, TcpStream)> {
    let mut client = TcpStream::connect_timeout(&to, PATIENCE)?;
    let (mut server, from) = listener.accept()?;
    client.write_all(b"question")?;
    let mut text = [0; 8];
    server.read_exact(&mut text)?;
    server.write_all(&text)?;
    client.read_exact(&mut text)?;
    match &text == b"question" {
        true => Ok((from, client, server)),
        false => Err(ErrorKind::InvalidData.into()),
    }
}

fn streams(report: &mut Report) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv6Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    report.same("bound", address.ip(), Ipv6Addr::LOCALHOST.into());
    let (from, client, server) = talk(&listener, address)?;
    report.same("who is calling", from, client.local_addr()?);
    report.same("who was called", server.local_addr()?, address);
    report.same("the peer", client.peer_addr()?, address);
    report.same("from IPv6", from.ip(), Ipv6Addr::LOCALHOST.into());
    let other = TcpStream::connect((Ipv4Addr::LOCALHOST, address.port()));
    let error = other.map_err(|error| error.kind()).err();
    report.same("not by IPv4", error, Some(ErrorKind::ConnectionRefused));
    let four = TcpListener::bind((Ipv4Addr::LOCALHOST, address.port()));
    report.check("whose port is another", four.is_ok());
    drop(listener);
    let refused = TcpStream::connect(address).map_err(|error| error.kind());
    let refused = refused.err();
    report.same(
        "nobody listens",
        refused,
        Some(ErrorKind::ConnectionRefused),
    );
    Ok(())
}

fn both_families(report: &mut Report) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0))?;
    let address = listener.local_addr()?;
    report.same("no address", address.ip(), Ipv6Addr::UNSPECIFIED.into());
    let port = address.port();
    let (from, client, server) = talk(&listener, (Ipv4Addr::LOCALHOST, port).into())?;
    let mapped = Ipv4Addr::LOCALHOST.to_ipv6_mapped();
    report.same("IPv4 inside IPv6", from.ip(), mapped.into());
    report.same(
        "on this side, too",
        server.local_addr()?.ip(),
        mapped.into(),
    );
    report.same("and its peer", server.peer_addr()?.ip(), mapped.into());
    let there = client.peer_addr()?.ip();
    report.same("but not there", there, Ipv4Addr::LOCALHOST.into());
    let (from, ..) = talk(&listener, (Ipv6Addr::LOCALHOST, port).into())?;
    report.same("and IPv6", from.ip(), Ipv6Addr::LOCALHOST.into());
    let (from, client, _) = talk(&listener, (mapped, port).into())?;
    report.same("by a mapped address", from.ip(), mapped.into());
    report.same("mapped here", client.local_addr()?.ip(), mapped.into());
    report.same("mapped there", client.peer_addr()?.ip(), mapped.into());
    let four = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port));
    let error = four.map_err(|error| error.kind()).err();
    report.same("both are taken", error, Some(ErrorKind::AddrInUse));
    let anywhere = TcpStream::connect((Ipv6Addr::UNSPECIFIED, port))?;
    let peer = anywhere.peer_addr()?.ip();
    report.same(
        "no address is this machine",
        peer,
        Ipv6Addr::LOCALHOST.into(),
    );
    Ok(())
}

fn socket(address: impl Into<std::net::IpAddr>) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((address.into(), 0))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}

fn datagrams(report: &mut Report) -> io::Result<()> {
    let server = socket(Ipv6Addr::LOCALHOST)?;
    let client = socket(Ipv6Addr::LOCALHOST)?;
    let to = server.local_addr()?;
    super::udp::whole(report, (&client, &server), LARGEST)?;
    client.connect(to)?;
    report.same("the peer", client.peer_addr()?, to);
    drop(server);
    client.send(b"x")?;
    let error = client.recv(&mut [0; 4]).map_err(|error| error.kind());
    report.same("refused", error.err(), Some(ErrorKind::ConnectionRefused));
    Ok(())
}

fn mixed_datagrams(report: &mut Report) -> io::Result<()> {
    let server = socket(Ipv6Addr::UNSPECIFIED)?;
    let port = server.local_addr()?.port();
    let mapped = Ipv4Addr::LOCALHOST.to_ipv6_mapped();
    let four = socket(Ipv4Addr::LOCALHOST)?;
    four.send_to(b"four", (Ipv4Addr::LOCALHOST, port))?;
    let mut buffer = [0; 16];
    let (count, from) = server.recv_from(&mut buffer)?;
    report.same("of IPv4", &buffer[..count], b"four");
    report.same("whose sender is inside IPv6", from.ip(), mapped.into());
    server.send_to(b"back", from)?;
    let (count, from) = four.recv_from(&mut buffer)?;
    report.same("and back", &buffer[..count], b"back");
    report.same("from IPv4", from.ip(), Ipv4Addr::LOCALHOST.into());
    for (table, port) in [("udp6", port), ("udp", four.local_addr()?.port())] {
        let text = std::fs::read_to_string(format!("/proc/net/{table}"))?;
        let mut locals = text
            .lines()
            .filter_map(|line| line.split_whitespace().nth(1));
        let end = format!(":{port:04X}");
        report.check(table, locals.any(|local| local.ends_with(&end)));
    }
    let six = socket(Ipv6Addr::UNSPECIFIED)?;
    six.connect((mapped, port))?;
    report.same("connected by IPv4", six.local_addr()?.ip(), mapped.into());
    let refused = six.connect((Ipv6Addr::LOCALHOST, port));
    let refused = refused.err().and_then(|error| error.raw_os_error());
    report.same("no IPv6 from there", refused, Some(libc::EAFNOSUPPORT));
    let six = socket(Ipv6Addr::UNSPECIFIED)?;
    six.connect((Ipv6Addr::LOCALHOST, port))?;
    let own = six.local_addr()?.ip();
    report.same("connected by IPv6", own, Ipv6Addr::LOCALHOST.into());
    Ok(())
}

fn sockaddr(address: Ipv6Addr, port: u16, scope: u32) -> libc::sockaddr_in6 {
    libc::sockaddr_in6 {
        sin6_family: libc::AF_INET6 as u16,
        sin6_port: port.to_be(),
        sin6_flowinfo: 0,
        sin6_addr: libc::in6_addr {
            s6_addr: address.octets(),
        },
        sin6_scope_id: scope,
    }
}

type AddressCall = unsafe extern "C" fn(i32, *const libc::sockaddr, u32) -> i32;

fn with(call: AddressCall, fd: i32, to: &libc::sockaddr_in6) -> Result<(), i32> {
    let length = size_of::<libc::sockaddr_in6>() as u32;
    let pointer = std::ptr::from_ref(to).cast();
    // SAFETY: the address is as long as is said.
    match unsafe { call(fd, pointer, length) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error().raw_os_error().unwrap_or(0)),
    }
}

fn set(fd: i32, option: i32, value: i32) -> Result<(), i32> {
    let pointer = std::ptr::from_ref(&value).cast();
    // SAFETY: the value is as long as is said.
    match unsafe { libc::setsockopt(fd, libc::IPPROTO_IPV6, option, pointer, 4) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error().raw_os_error().unwrap_or(0)),
    }
}

fn get(fd: i32, option: i32) -> Result<i32, i32> {
    let (mut value, mut length) = (0i32, 4u32);
    let pointer = std::ptr::from_mut(&mut value).cast();
    // SAFETY: both are there for as long as the call.
    match unsafe { libc::getsockopt(fd, libc::IPPROTO_IPV6, option, pointer, &raw mut length) } {
        0 => Ok(value),
        _ => Err(io::Error::last_os_error().raw_os_error().unwrap_or(0)),
    }
}

fn only_ipv6(report: &mut Report) -> Outcome {
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK;
    let fd = call!(libc::socket(libc::AF_INET6, kind, 0))?;
    report.same("not set", get(fd, libc::IPV6_V6ONLY), Ok(0));
    report.same("IPV6_V6ONLY", set(fd, libc::IPV6_V6ONLY, 1), Ok(()));
    report.same("read back", get(fd, libc::IPV6_V6ONLY), Ok(1));
    let mapped = Ipv4Addr::LOCALHOST.to_ipv6_mapped();
    let inside = sockaddr(mapped, 0, 0);
    report.same("no IPv4", with(libc::bind, fd, &inside), Err(libc::EINVAL));
    let away = with(libc::connect, fd, &sockaddr(mapped, 9, 0));
    report.same("nor to it", away, Err(libc::ENETUNREACH));
    let all = sockaddr(Ipv6Addr::UNSPECIFIED, 0, 0);
    report.same("bound", with(libc::bind, fd, &all), Ok(()));
    let late = set(fd, libc::IPV6_V6ONLY, 0);
    report.same("too late", late, Err(libc::EINVAL));
    call!(libc::listen(fd, 4))?;
    let mut own = sockaddr(Ipv6Addr::UNSPECIFIED, 0, 0);
    let mut length = size_of::<libc::sockaddr_in6>() as u32;
    call!(libc::getsockname(
        fd,
        (&raw mut own).cast(),
        &raw mut length
    ))?;
    let port = u16::from_be(own.sin6_port);
    let four = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port));
    report.check("the port is IPv4's as well", four.is_ok());
    drop(four);
    let error = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(|error| error.kind());
    let error = error.err();
    report.same("deaf to IPv4", error, Some(ErrorKind::ConnectionRefused));
    report.check(
        "not to IPv6",
        TcpStream::connect((Ipv6Addr::LOCALHOST, port)).is_ok(),
    );
    for option in [libc::IPV6_UNICAST_HOPS, libc::IPV6_TCLASS] {
        report.same("an option", set(fd, option, 8), Ok(()));
        report.same("is kept", get(fd, option), Ok(8));
    }
    sys::close(fd)?;
    let fd = call!(libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0))?;
    let refused = set(fd, libc::IPV6_V6ONLY, 1);
    report.same("of IPv6 alone", refused, Err(libc::ENOPROTOOPT));
    sys::close(fd)?;
    Ok(())
}

/// Addresses of a link need the link.
fn scopes(report: &mut Report) -> Outcome {
    let fd = call!(libc::socket(libc::AF_INET6, libc::SOCK_STREAM, 0))?;
    let link = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x99);
    let nowhere = with(libc::connect, fd, &sockaddr(link, 9, 0));
    report.same("no interface", nowhere, Err(libc::EINVAL));
    let unknown = with(libc::bind, fd, &sockaddr(link, 0, 999));
    report.same("an unknown one", unknown, Err(libc::ENODEV));
    sys::close(fd)?;
    // Another socket: Linux's remembers the interface that is not there.
    let fd = call!(libc::socket(libc::AF_INET6, libc::SOCK_STREAM, 0))?;
    let global = sockaddr(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9), 0, 0);
    let foreign = with(libc::bind, fd, &global);
    report.same("somebody else's", foreign, Err(libc::EADDRNOTAVAIL));
    sys::close(fd)?;
    Ok(())
}
