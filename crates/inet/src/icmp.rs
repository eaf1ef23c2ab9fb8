//! ICMP messages about packets that nobody takes (RFC 792, RFC 4443).

use crate::ip::{Body, Packet, Sent, TTL};
use crate::settings::Settings;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    Icmpv4DstUnreachable, Icmpv4Packet, Icmpv4Repr, Icmpv6DstUnreachable, Icmpv6Packet, Icmpv6Repr,
    Ipv4Address, Ipv4Repr, Ipv6Address, Ipv6Repr,
};

/// Bytes of the packet that an error of IPv4 quotes behind its IP header.
const QUOTED: usize = 8;
/// The same of IPv6: what fits into the smallest MTU of all, 1280, with two IP
/// headers and that of the message.
const QUOTED6: usize = 1280 - 2 * 40 - 8;

/// Bytes of an echo's header.
pub const ECHO: usize = 8;
/// The types of requests for echoes and of the answers (RFC 792; RFC 4443).
pub const REQUEST: u8 = 8;
pub const REPLY: u8 = 0;
pub const REQUEST6: u8 = 128;
pub const REPLY6: u8 = 129;

/// The answer to a request for an echo over IPv4. `None` if its checksum is wrong, or
/// it is none.
pub fn echo_reply<'a>(packet: &Packet<'a>) -> Option<Sent<'a>> {
    let message = Icmpv4Packet::new_checked(packet.payload).ok()?;
    let data = packet.payload.get(ECHO..)?;
    message.verify_checksum().then_some(())?;
    let body = Body::Echo {
        from: packet.to,
        to: packet.from,
        is_reply: true,
        ident: message.echo_ident(),
        number: message.echo_seq_no(),
        data,
    };
    Sent::new(body, &Settings::default())
}

/// Writes a request for an echo, or the answer, but for its checksum (RFC 792; RFC 4443,
/// 4).
pub fn emit_echo(bytes: &mut [u8], kind: u8, ident: u16, number: u16, data: &[u8]) {
    let (header, rest) = bytes.split_at_mut(ECHO);
    header[..4].copy_from_slice(&[kind, 0, 0, 0]);
    header[4..6].copy_from_slice(&ident.to_be_bytes());
    header[6..].copy_from_slice(&number.to_be_bytes());
    rest.copy_from_slice(data);
}

fn beginning(bytes: &[u8], most: usize) -> &[u8] {
    &bytes[..bytes.len().min(most)]
}

/// The message from `from` to `to` that nobody has the port of `packet`, which
/// `to` has sent to `from`.
pub fn no_port<'a>(packet: &Packet<'a>, from: Ipv4Address, to: Ipv4Address) -> Icmpv4Repr<'a> {
    Icmpv4Repr::DstUnreachable {
        reason: Icmpv4DstUnreachable::PortUnreachable,
        header: Ipv4Repr {
            src_addr: to,
            dst_addr: from,
            next_header: packet.protocol,
            payload_len: packet.payload.len(),
            hop_limit: TTL,
        },
        data: beginning(packet.payload, QUOTED),
    }
}

/// The same of IPv6.
pub fn no_port6<'a>(packet: &Packet<'a>, from: Ipv6Address, to: Ipv6Address) -> Icmpv6Repr<'a> {
    Icmpv6Repr::DstUnreachable {
        reason: Icmpv6DstUnreachable::PortUnreachable,
        header: Ipv6Repr {
            src_addr: to,
            dst_addr: from,
            next_header: packet.protocol,
            payload_len: packet.payload.len(),
            hop_limit: packet.hops,
        },
        data: beginning(packet.payload, QUOTED6),
    }
}

/// Reads a message of ICMPv6. `None` if it makes no sense, or its checksum is
/// wrong.
pub fn parse6<'a>(from: Ipv6Address, to: Ipv6Address, message: &'a [u8]) -> Option<Icmpv6Repr<'a>> {
    let packet = Icmpv6Packet::new_checked(message).ok()?;
    Icmpv6Repr::parse(&from, &to, &packet, &ChecksumCapabilities::default()).ok()
}
