//! What NETLINK_ROUTE and the ioctls of sockets tell of interfaces.

use std::ffi::CStr;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::Outcome;
use crate::report::Report;
use crate::sys::{self, call};

pub fn run(report: &mut Report, _: &[String]) -> Outcome {
    library(report);
    dump(report)?;
    errors(report)
}

/// What the C library makes of it.
fn library(report: &mut Report) {
    let mut list = std::ptr::null_mut();
    // SAFETY: the list is given back below, and not used after.
    let result = unsafe { libc::getifaddrs(&raw mut list) };
    report.same("getifaddrs", result, 0);
    let (mut four, mut six) = (0, 0);
    let mut next = list;
    // SAFETY: the library's list, whose addresses are as long as their family
    // says.
    while let Some(it) = unsafe { next.as_ref() } {
        next = it.ifa_next;
        // SAFETY: a string of the list.
        let name = unsafe { CStr::from_ptr(it.ifa_name) };
        if it.ifa_addr.is_null() || name != c"lo" {
            continue;
        }
        // SAFETY: as above.
        match i32::from(unsafe { (*it.ifa_addr).sa_family }) {
            libc::AF_INET => {
                // SAFETY: as above.
                let own = unsafe { *it.ifa_addr.cast::<libc::sockaddr_in>() };
                let address = Ipv4Addr::from(u32::from_be(own.sin_addr.s_addr));
                four += u32::from(address == Ipv4Addr::LOCALHOST);
            }
            libc::AF_INET6 => {
                // SAFETY: as above.
                let own = unsafe { *it.ifa_addr.cast::<libc::sockaddr_in6>() };
                let address = Ipv6Addr::from(own.sin6_addr.s6_addr);
                six += u32::from(address == Ipv6Addr::LOCALHOST);
            }
            _ => {}
        }
    }
    // SAFETY: it is the library's, and nobody uses it any more.
    unsafe { libc::freeifaddrs(list) };
    report.same("lo's addresses", (four, six), (1, 1));
    // SAFETY: a string.
    let index = unsafe { libc::if_nametoindex(c"lo".as_ptr()) };
    report.same("lo is the first", index, 1);
    // SAFETY: a string.
    let index = unsafe { libc::if_nametoindex(c"none0".as_ptr()) };
    report.same("what is not there", index, 0);
}

fn request(kind: u16, flags: i32, body: &[u8]) -> Vec<u8> {
    let mut bytes = (16 + body.len() as u32).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend((flags as u16).to_ne_bytes());
    bytes.extend(7u32.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(body);
    bytes
}

fn open() -> Result<i32, String> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    Ok(call!(libc::socket(
        libc::AF_NETLINK,
        kind,
        libc::NETLINK_ROUTE
    ))?)
}

fn send(fd: i32, bytes: &[u8]) -> Outcome {
    let sent = call!(libc::send(fd, bytes.as_ptr().cast(), bytes.len(), 0) as i32)?;
    match sent as usize == bytes.len() {
        true => Ok(()),
        false => Err(format!("sent {sent}")),
    }
}

/// A datagram, which is there already.
fn receive(fd: i32, flags: i32, room: usize) -> Result<(usize, Vec<u8>), String> {
    let mut bytes = vec![0u8; room];
    let flags = flags | libc::MSG_DONTWAIT;
    let count = call!(libc::recv(fd, bytes.as_mut_ptr().cast(), room, flags) as i32)?;
    bytes.truncate(count as usize);
    Ok((count as usize, bytes))
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..at + 4).and_then(|word| word.try_into().ok());
    u32::from_ne_bytes(word.unwrap_or_default())
}

fn dump(report: &mut Report) -> Outcome {
    let fd = open()?;
    send(
        fd,
        &request(
            libc::RTM_GETADDR,
            libc::NLM_F_REQUEST | libc::NLM_F_DUMP,
            &[0; 8],
        ),
    )?;
    let mut own = [0u32; 3];
    let mut length = 12;
    call!(libc::getsockname(
        fd,
        own.as_mut_ptr().cast(),
        &raw mut length
    ))?;
    report.check("it has a number", own[1] != 0);
    let (whole, _) = receive(fd, libc::MSG_PEEK | libc::MSG_TRUNC, 0)?;
    let (mut first, mut ended, mut told, mut good) = (true, false, 0, true);
    while !ended {
        let (count, bytes) = receive(fd, 0, 1 << 16)?;
        if std::mem::take(&mut first) {
            report.same("the length is told before", count, whole);
        }
        let mut rest = &bytes[..];
        while rest.len() >= 16 {
            let kind = word(rest, 4) as u16;
            good &= (word(rest, 8), word(rest, 12)) == (7, own[1]);
            ended |= i32::from(kind) == libc::NLMSG_DONE;
            told += u32::from(kind == libc::RTM_NEWADDR);
            let length = (word(rest, 0) as usize).clamp(16, rest.len());
            rest = &rest[length..];
        }
    }
    report.check("all of it", told >= 2);
    report.check("in its order, to whom it asked", good);
    let nothing = receive(fd, 0, 100).is_err();
    report.check("and no more", nothing);
    sys::close(fd)?;
    Ok(())
}

/// The error that a request gets.
fn error(fd: i32, bytes: &[u8]) -> Result<i32, String> {
    send(fd, bytes)?;
    let (_, answer) = receive(fd, 0, 4096)?;
    let is_error = i32::from(word(&answer, 4) as u16) == libc::NLMSG_ERROR;
    match is_error && answer.get(20..36) == bytes.get(..16) {
        true => Ok(-(word(&answer, 16) as i32)),
        false => Err("no error".to_owned()),
    }
}

fn errors(report: &mut Report) -> Outcome {
    let fd = open()?;
    let mut body = [0; 16];
    body[4..8].copy_from_slice(&9999u32.to_ne_bytes());
    let missing = request(libc::RTM_GETLINK, libc::NLM_F_REQUEST, &body);
    report.same(
        "a link that is not there",
        error(fd, &missing)?,
        libc::ENODEV,
    );
    let unknown = request(802, libc::NLM_F_REQUEST, &[0; 16]);
    report.same("an unknown request", error(fd, &unknown)?, libc::EOPNOTSUPP);
    body[4..8].copy_from_slice(&1u32.to_ne_bytes());
    let with_ack = libc::NLM_F_REQUEST | libc::NLM_F_ACK;
    send(fd, &request(libc::RTM_GETLINK, with_ack, &body))?;
    let (_, link) = receive(fd, 0, 4096)?;
    report.same("lo", word(&link, 4) as u16, libc::RTM_NEWLINK);
    let (_, done) =
        receive(fd, 0, 4096).unwrap_or_else(|_| (0, link[word(&link, 0) as usize..].to_vec()));
    report.same(
        "acknowledged",
        (word(&done, 4) as u16, word(&done, 16)),
        (2, 0),
    );
    sys::close(fd)?;
    let wrong = call!(libc::socket(libc::AF_NETLINK, libc::SOCK_STREAM, 0));
    report.check("no stream", wrong.is_err());
    Ok(())
}
