//! raw(7): sockets for packets, on this machine.

use super::Outcome;
use super::errors::{raw, refused};
use crate::report::Report;
use crate::sys::{self, End, Errno};
use std::mem::zeroed;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

const USER: u32 = 65_534;
const SOL_RAW: i32 = 255;
const ICMP_FILTER: i32 = 1;
/// A protocol that nobody has.
const OTHER: i32 = 253;
/// A request for an echo: its checksum is right.
const REQUEST: [u8; 8] = [8, 0, 0xe5, 0xca, 0x12, 0x34, 0, 1];

fn socket(family: i32, kind: i32, protocol: i32) -> Result<OwnedFd, Errno> {
    let kind = kind | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    let fd = sys::call!(libc::socket(family, kind, protocol))?;
    // SAFETY: just opened, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn localhost() -> libc::sockaddr_in {
    // SAFETY: numbers alone.
    let mut address: libc::sockaddr_in = unsafe { zeroed() };
    address.sin_family = libc::AF_INET as u16;
    address.sin_addr.s_addr = u32::from_ne_bytes([127, 0, 0, 1]);
    address
}

fn send(socket: &OwnedFd, bytes: &[u8]) -> Result<isize, Errno> {
    let to = localhost();
    let length = size_of_val(&to) as u32;
    let fd = socket.as_raw_fd();
    sys::call!(libc::sendto(
        fd,
        bytes.as_ptr().cast(),
        bytes.len(),
        0,
        (&raw const to).cast(),
        length
    ))
}

/// The next packet: what it is of, its hops, and what it carries.
fn receive(socket: &OwnedFd) -> Result<(u8, u8, Vec<u8>), Errno> {
    let mut bytes = [0u8; 256];
    let count = sys::call!(libc::recv(
        socket.as_raw_fd(),
        bytes.as_mut_ptr().cast(),
        bytes.len(),
        0
    ))?;
    Ok((bytes[9], bytes[8], bytes[20..count as usize].to_vec()))
}

fn set(socket: &OwnedFd, level: i32, option: i32, value: i32) -> Result<i32, Errno> {
    let fd = socket.as_raw_fd();
    let place = (&raw const value).cast();
    sys::call!(libc::setsockopt(fd, level, option, place, 4))
}

fn get(socket: &OwnedFd, level: i32, option: i32) -> Result<i32, Errno> {
    let (mut value, mut length) = (0i32, 4u32);
    let place = (&raw mut value).cast();
    let fd = socket.as_raw_fd();
    sys::call!(libc::getsockopt(fd, level, option, place, &raw mut length))?;
    Ok(value)
}

pub fn run(report: &mut Report, _: &[String]) -> Outcome {
    // SAFETY: has no conditions.
    if unsafe { libc::geteuid() } != 0 {
        println!("only root has them");
        return Ok(());
    }
    let refused = sys::in_child(|| {
        let is_user = raw!(SYS_setuid, USER).is_ok();
        let raw = socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP);
        i32::from(!(is_user && raw.err() == Some(Errno(libc::EPERM))))
    });
    report.same("a user has none", refused, Ok(End::Exited(0)));
    refused!(report;
        "without a protocol": SYS_socket(libc::AF_INET, libc::SOCK_RAW, 0) => EPROTONOSUPPORT;
        "beyond all protocols": SYS_socket(libc::AF_INET, libc::SOCK_RAW, 5_000) => EINVAL;
        "ICMP as a stream": SYS_socket(libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_ICMP) => EPROTONOSUPPORT;
    );
    echoes(report)?;
    headers(report)?;
    options(report)?;
    Ok(())
}

/// On this machine both the request and its answer are heard.
fn echoes(report: &mut Report) -> Result<(), Errno> {
    let icmp = socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP)?;
    report.same("a request goes out", send(&icmp, &REQUEST), Ok(8));
    let reply = [&[0, 0, 0xed, 0xca], &REQUEST[4..]].concat();
    let heard = [receive(&icmp)?, receive(&icmp)?];
    report.same("the request", &heard[0], &(1, 64, REQUEST.to_vec()));
    report.same("its answer", &heard[1], &(1, 64, reply.clone()));
    report.refused("no more", receive(&icmp), libc::EAGAIN);
    report.same("hops", set(&icmp, libc::IPPROTO_IP, libc::IP_TTL, 9), Ok(0));
    set(&icmp, SOL_RAW, ICMP_FILTER, 1)?;
    send(&icmp, &REQUEST)?;
    report.same("without answers", receive(&icmp)?, (1, 9, REQUEST.to_vec()));
    report.refused("nothing else", receive(&icmp), libc::EAGAIN);
    report.same("the filter", get(&icmp, SOL_RAW, ICMP_FILTER), Ok(1));
    Ok(())
}

/// A packet with a header of its own comes as it was sent.
fn headers(report: &mut Report) -> Result<(), Errno> {
    let hears = socket(libc::AF_INET, libc::SOCK_RAW, OTHER)?;
    let sends = socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_RAW)?;
    let mut packet = vec![0; 24];
    packet[0] = 0x45;
    (packet[8], packet[9]) = (7, OTHER as u8);
    packet[12..16].copy_from_slice(&[127, 0, 0, 1]);
    packet[16..20].copy_from_slice(&[127, 0, 0, 1]);
    packet[20..].copy_from_slice(b"data");
    report.same("a packet", send(&sends, &packet), Ok(24));
    let heard = (OTHER as u8, 7, b"data".to_vec());
    report.same("as it was sent", receive(&hears), Ok(heard));
    report.refused("half a header", send(&sends, &packet[..10]), libc::EINVAL);
    report.refused("it hears nothing", receive(&sends), libc::EAGAIN);
    let plain = socket(libc::AF_INET, libc::SOCK_RAW, OTHER)?;
    send(&plain, b"plain")?;
    report.same("with a header", receive(&hears)?.2, b"plain".to_vec());
    report.same("to all that hear it", receive(&plain)?.2, b"plain".to_vec());
    Ok(())
}

fn options(report: &mut Report) -> Result<(), Errno> {
    let other = socket(libc::AF_INET, libc::SOCK_RAW, OTHER)?;
    let kind = get(&other, libc::SOL_SOCKET, libc::SO_TYPE);
    report.same("SO_TYPE", kind, Ok(libc::SOCK_RAW));
    let protocol = get(&other, libc::SOL_SOCKET, libc::SO_PROTOCOL);
    report.same("SO_PROTOCOL", protocol, Ok(OTHER));
    let header = |socket| get(socket, libc::IPPROTO_IP, libc::IP_HDRINCL);
    report.same("no header", header(&other), Ok(0));
    set(&other, libc::IPPROTO_IP, libc::IP_HDRINCL, 1)?;
    report.same("a header", header(&other), Ok(1));
    let filter = set(&other, SOL_RAW, ICMP_FILTER, 1);
    report.refused("a filter of ICMP", filter, libc::EOPNOTSUPP);
    let datagrams = socket(libc::AF_INET, libc::SOCK_DGRAM, 0)?;
    report.same("none of datagrams", header(&datagrams), Ok(0));
    let refused = set(&datagrams, libc::IPPROTO_IP, libc::IP_HDRINCL, 1);
    report.refused("nor can they have one", refused, libc::ENOPROTOOPT);
    let six = socket(libc::AF_INET6, libc::SOCK_RAW, OTHER)?;
    let place = |value| set(&six, libc::IPPROTO_IPV6, libc::IPV6_CHECKSUM, value);
    report.refused("a checksum at an odd place", place(3), libc::EINVAL);
    report.same("a checksum", place(2), Ok(0));
    let kept = get(&six, libc::IPPROTO_IPV6, libc::IPV6_CHECKSUM);
    report.same("its place", kept, Ok(2));
    Ok(())
}
