//! What became of datagrams that did not arrive (ip(7), IP_RECVERR; RFC 792, RFC 4443).

use crate::ip::{HEADER, HEADER6, Packet};
use crate::udp;
use alloc::vec::Vec;
use paddock_abi::Errno;
use smoltcp::wire::{
    Icmpv4Packet, Icmpv6Packet, IpAddress, IpEndpoint, IpProtocol, Ipv4Packet, Ipv6Packet,
};

/// Bytes of an ICMP message in front of the packet that it is about.
const MESSAGE: usize = 8;

/// That a datagram did not arrive, as a program is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong.
    pub errno: Errno,
    /// The message's type.
    pub kind: u8,
    /// The message's code.
    pub code: u8,
    /// The largest packet that the way takes, if the datagram was larger; or zero.
    pub mtu: u32,
    /// Who says so.
    pub offender: IpAddress,
    /// Whom it was for.
    pub to: IpEndpoint,
    /// What of it is known.
    pub data: Vec<u8>,
}

/// Whose datagram it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// That of the socket with this address and port.
    Udp(IpEndpoint),
    /// The same, of UDP-Lite.
    Lite(IpEndpoint),
    /// That of the socket with this identifier: a request for an echo.
    Echo(u16),
}

/// A failure as it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report<'a> {
    /// Who sent the datagram.
    pub whose: Whose,
    /// Whom it was for.
    pub to: IpEndpoint,
    /// What went wrong.
    pub errno: Errno,
    /// Whether trying again is of no use: those that are connected hear of it unasked.
    pub is_hard: bool,
    /// The message's type and code.
    pub message: (u8, u8),
    /// See [`Failure::mtu`].
    pub mtu: u32,
    /// Who says so.
    pub offender: IpAddress,
    /// What of the datagram is known.
    pub data: &'a [u8],
}

impl<'a> Report<'a> {
    /// Nobody has the port of a datagram between two ends on this machine.
    pub fn no_port(whose: Whose, to: IpEndpoint, data: &'a [u8]) -> Report<'a> {
        let message = match to.addr {
            IpAddress::Ipv4(_) => (3, 3),
            IpAddress::Ipv6(_) => (1, 4),
        };
        Report {
            whose,
            to,
            errno: Errno::ECONNREFUSED,
            is_hard: true,
            message,
            mtu: 0,
            offender: to.addr,
            data,
        }
    }

    /// Reads a message about a datagram of this machine. `None` if it is none, or its
    /// checksum is wrong.
    pub fn parse(packet: &Packet<'a>) -> Option<Report<'a>> {
        let bytes = packet.payload;
        let &[kind, code, _, _, a, b, c, d] = bytes.first_chunk::<MESSAGE>()?;
        let quoted = &bytes[MESSAGE..];
        let ((errno, is_hard), mtu) = match (packet.from, packet.to) {
            (IpAddress::Ipv4(_), IpAddress::Ipv4(_)) => {
                let message = Icmpv4Packet::new_checked(bytes).ok()?;
                let meaning = meaning4(kind, code)?;
                message.verify_checksum().then_some(())?;
                (meaning, u32::from(u16::from_be_bytes([c, d])))
            }
            (IpAddress::Ipv6(from), IpAddress::Ipv6(to)) => {
                let message = Icmpv6Packet::new_checked(bytes).ok()?;
                let meaning = meaning6(kind, code)?;
                message.verify_checksum(&from, &to).then_some(())?;
                (meaning, u32::from_be_bytes([a, b, c, d]))
            }
            _ => return None,
        };
        let (whose, to, data) = match packet.from {
            IpAddress::Ipv4(_) => quoted4(quoted),
            IpAddress::Ipv6(_) => quoted6(quoted),
        }?;
        Some(Report {
            whose,
            to,
            errno,
            is_hard,
            message: (kind, code),
            mtu: if errno == Errno::EMSGSIZE { mtu } else { 0 },
            offender: packet.from,
            data,
        })
    }

    /// The same for a program to keep. `None` without memory.
    pub fn keep(&self) -> Option<Failure> {
        let mut data = Vec::new();
        data.try_reserve_exact(self.data.len()).ok()?;
        data.extend_from_slice(self.data);
        Some(Failure {
            errno: self.errno,
            kind: self.message.0,
            code: self.message.1,
            mtu: self.mtu,
            offender: self.offender,
            to: self.to,
            data,
        })
    }
}

/// What a message of ICMP means, and whether trying again is of no use, as on Linux.
fn meaning4(kind: u8, code: u8) -> Option<(Errno, bool)> {
    Some(match (kind, code) {
        (3, 0 | 11) => (Errno::ENETUNREACH, false),
        (3, 1 | 12) => (Errno::EHOSTUNREACH, false),
        (3, 2) => (Errno::ENOPROTOOPT, true),
        (3, 3) => (Errno::ECONNREFUSED, true),
        (3, 4) => (Errno::EMSGSIZE, false),
        (3, 5) => (Errno::EOPNOTSUPP, false),
        (3, 6 | 9) => (Errno::ENETUNREACH, true),
        (3, 7) => (Errno::EHOSTDOWN, true),
        (3, 8) => (Errno::ENONET, true),
        (3, 10 | 13..=15) => (Errno::EHOSTUNREACH, true),
        (11, _) => (Errno::EHOSTUNREACH, false),
        (12, _) => (Errno::EPROTO, true),
        _ => return None,
    })
}

/// The same of ICMPv6.
fn meaning6(kind: u8, code: u8) -> Option<(Errno, bool)> {
    Some(match (kind, code) {
        (1, 0) => (Errno::ENETUNREACH, false),
        (1, 1 | 5 | 6) => (Errno::EACCES, true),
        (1, 4) => (Errno::ECONNREFUSED, true),
        (1, _) => (Errno::EHOSTUNREACH, false),
        (2, _) => (Errno::EMSGSIZE, false),
        (3, _) => (Errno::EHOSTUNREACH, false),
        (4, _) => (Errno::EPROTO, true),
        _ => return None,
    })
}

/// Whose a quoted packet is, of which only the beginning is here.
fn quoted4(quoted: &[u8]) -> Option<(Whose, IpEndpoint, &[u8])> {
    let header_len = usize::from(quoted.first()? & 0xf) * 4;
    let rest = quoted.get(header_len.max(HEADER)..)?;
    let header = Ipv4Packet::new_unchecked(quoted);
    if header.version() != 4 || header.frag_offset() != 0 {
        return None;
    }
    let ends = (header.src_addr().into(), header.dst_addr().into());
    carried(ends, header.next_header(), rest)
}

/// The same of IPv6: directly behind its header.
fn quoted6(quoted: &[u8]) -> Option<(Whose, IpEndpoint, &[u8])> {
    let rest = quoted.get(HEADER6..)?;
    let header = Ipv6Packet::new_unchecked(quoted);
    if header.version() != 6 {
        return None;
    }
    let ends = (header.src_addr().into(), header.dst_addr().into());
    carried(ends, header.next_header(), rest)
}

fn carried(
    (from, to): (IpAddress, IpAddress),
    protocol: IpProtocol,
    rest: &[u8],
) -> Option<(Whose, IpEndpoint, &[u8])> {
    let &[a, b, c, d, ident @ .., _, _] = rest.first_chunk::<8>()?;
    match protocol {
        IpProtocol::Udp | udp::LITE => {
            let from = IpEndpoint::new(from, u16::from_be_bytes([a, b]));
            let to = IpEndpoint::new(to, u16::from_be_bytes([c, d]));
            let whose = match protocol {
                IpProtocol::Udp => Whose::Udp(from),
                _ => Whose::Lite(from),
            };
            Some((whose, to, &rest[udp::HEADER..]))
        }
        // The message itself is what the program sent.
        IpProtocol::Icmp | IpProtocol::Icmpv6 => {
            let ident = Whose::Echo(u16::from_be_bytes(ident));
            Some((ident, IpEndpoint::new(to, 0), rest))
        }
        _ => None,
    }
}
