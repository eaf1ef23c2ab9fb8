//! ip(7), IP_RECVERR: what became of datagrams.

use super::Outcome;
use crate::report::Report;
use crate::sys::{self, Errno};
use std::mem::zeroed;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

/// `SO_EE_ORIGIN_ICMP` and `SO_EE_ORIGIN_ICMP6`.
const ORIGIN: [u8; 2] = [2, 3];

fn set(socket: &UdpSocket, on: i32) -> Result<i32, Errno> {
    let (level, option) = option(socket);
    let place = (&raw const on).cast();
    sys::call!(libc::setsockopt(
        socket.as_raw_fd(),
        level,
        option,
        place,
        4
    ))
}

fn option(socket: &UdpSocket) -> (i32, i32) {
    match socket.local_addr() {
        Ok(SocketAddr::V6(_)) => (libc::IPPROTO_IPV6, libc::IPV6_RECVERR),
        _ => (libc::IPPROTO_IP, libc::IP_RECVERR),
    }
}

/// The next failure: its datagram, whom that was for, and the control data.
struct Failure {
    data: Vec<u8>,
    port: u16,
    level: (i32, i32),
    /// `struct sock_extended_err`, and the address of who says so.
    told: Vec<u8>,
    flags: i32,
}

fn failure(socket: &UdpSocket) -> Result<Failure, Errno> {
    let mut data = [0u8; 64];
    let mut control = [0u64; 16];
    // SAFETY: numbers and pointers, for which zero is a value.
    let (mut name, mut header): (libc::sockaddr_in6, libc::msghdr) = unsafe { zeroed() };
    let mut piece = libc::iovec {
        iov_base: data.as_mut_ptr().cast(),
        iov_len: data.len(),
    };
    (header.msg_iov, header.msg_iovlen) = (&raw mut piece, 1);
    header.msg_name = (&raw mut name).cast();
    header.msg_namelen = size_of_val(&name) as u32;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of_val(&control) as _;
    let flags = libc::MSG_ERRQUEUE;
    let count = sys::call!(libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags))?;
    let bytes: Vec<u8> = control.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let number = |at: usize| i32::from_ne_bytes([0, 1, 2, 3].map(|next| bytes[at + next]));
    let length = number(0) as usize;
    Ok(Failure {
        data: data[..count as usize].to_vec(),
        port: u16::from_be(name.sin6_port),
        level: (number(8), number(12)),
        told: bytes[16..length.clamp(16, bytes.len())].to_vec(),
        flags: header.msg_flags,
    })
}

/// What poll(2) tells, after `milliseconds` at most.
fn ready(socket: &UdpSocket, milliseconds: i32) -> i16 {
    let mut poll = libc::pollfd {
        fd: socket.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    let _ = sys::call!(libc::poll(&raw mut poll, 1, milliseconds));
    poll.revents
}

/// A port that nobody has.
fn nobody(family: SocketAddr) -> std::io::Result<SocketAddr> {
    UdpSocket::bind(family)?.local_addr()
}

fn one_family(report: &mut Report, own: SocketAddr, is_ipv6: bool) -> Outcome {
    let text = |error: std::io::Error| error.to_string();
    let socket = UdpSocket::bind(own).map_err(text)?;
    let wait = Some(Duration::from_secs(10));
    socket.set_read_timeout(wait).map_err(text)?;
    let to = nobody(own).map_err(text)?;
    report.refused("nothing yet", failure(&socket).map(drop), libc::EAGAIN);
    socket.send_to(b"unheard", to).map_err(text)?;
    report.same("asked for", set(&socket, 1), Ok(0));
    report.refused("nobody asked", failure(&socket).map(drop), libc::EAGAIN);
    socket.send_to(b"datagram", to).map_err(text)?;
    report.same("an error", ready(&socket, 10_000), libc::POLLERR);
    let failed = failure(&socket)?;
    report.same("the datagram", &failed.data[..], &b"datagram"[..]);
    report.same("whom it was for", failed.port, to.port());
    report.same("its kind", failed.level, option(&socket));
    let flags = failed.flags & (libc::MSG_ERRQUEUE | libc::MSG_TRUNC | libc::MSG_CTRUNC);
    report.same("flags", flags, libc::MSG_ERRQUEUE);
    let message = if is_ipv6 {
        [ORIGIN[1], 1, 4]
    } else {
        [ORIGIN[0], 3, 3]
    };
    let refused = libc::ECONNREFUSED.to_ne_bytes();
    report.same("the error", &failed.told[..4], &refused[..]);
    report.same("the message", &failed.told[4..7], &message[..]);
    let offender = &failed.told[16..];
    let (from, address) = match is_ipv6 {
        true => (&offender[8..24], Ipv6Addr::LOCALHOST.octets().to_vec()),
        false => (&offender[4..8], Ipv4Addr::LOCALHOST.octets().to_vec()),
    };
    report.same("who says so", from, &address[..]);
    report.refused("no more", failure(&socket).map(drop), libc::EAGAIN);
    report.same("told, and over", ready(&socket, 0), 0);
    socket.send_to(b"again", to).map_err(text)?;
    let error = socket
        .recv(&mut [0; 8])
        .map_err(|error| error.raw_os_error());
    report.same("or as an error", error, Err(Some(libc::ECONNREFUSED)));
    report.same("which is kept", ready(&socket, 10_000), libc::POLLERR);
    report.same("off again", set(&socket, 0), Ok(0));
    report.refused("forgets them", failure(&socket).map(drop), libc::EAGAIN);
    Ok(())
}

pub fn run(report: &mut Report, _: &[String]) -> Outcome {
    one_family(report, (Ipv4Addr::LOCALHOST, 0).into(), false)?;
    one_family(report, (Ipv6Addr::LOCALHOST, 0).into(), true)
}
