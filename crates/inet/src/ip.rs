//! IP packets (RFC 791) around segments and datagrams, and the ICMP messages
//! about them (RFC 792).

use crate::segment::{Header, Payload};
use crate::settings::Settings;
use crate::udp;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    Icmpv4DstUnreachable, Icmpv4Message, Icmpv4Packet, Icmpv4Repr, IpAddress, IpEndpoint,
    IpProtocol, Ipv4Address, Ipv4Packet, Ipv4Repr,
};

/// Bytes of an IPv4 header without options.
pub const HEADER: usize = 20;
/// The hops that packets live, by default (RFC 1700).
const TTL: u8 = 64;

/// A packet's way and what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The sender.
    pub from: Ipv4Address,
    /// The receiver.
    pub to: Ipv4Address,
    /// What the payload is.
    pub protocol: IpProtocol,
    /// What it carries.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a packet. `None` if it is none of IPv4, its checksum is wrong, or
    /// it is a fragment.
    pub fn parse(bytes: &'a [u8]) -> Option<Packet<'a>> {
        let packet = Ipv4Packet::new_checked(bytes).ok()?;
        let whole = !packet.more_frags() && packet.frag_offset() == 0;
        if packet.version() != 4 || !whole || !packet.verify_checksum() {
            return None;
        }
        Some(Packet {
            from: packet.src_addr(),
            to: packet.dst_addr(),
            protocol: packet.next_header(),
            payload: packet.payload(),
        })
    }
}

/// What a packet carries on its way out.
pub enum Body<'a> {
    /// A segment.
    Tcp(&'a Header, Payload<'a>),
    /// A datagram: both ends and its data.
    Udp(IpEndpoint, IpEndpoint, &'a [u8]),
    /// That nobody has the port of a datagram: its packet.
    NoPort(&'a Packet<'a>),
}

/// A packet on its way out.
pub struct Sent<'a> {
    body: Body<'a>,
    from: Ipv4Address,
    to: Ipv4Address,
    ttl: u8,
    tos: u8,
}

impl<'a> Sent<'a> {
    /// `None` if its addresses are not of IPv4.
    pub fn new(body: Body<'a>, settings: &Settings) -> Option<Sent<'a>> {
        let (from, to) = match &body {
            Body::Tcp(header, _) => (header.from.addr, header.to.addr),
            Body::Udp(from, to, _) => (from.addr, to.addr),
            Body::NoPort(packet) => (IpAddress::Ipv4(packet.to), IpAddress::Ipv4(packet.from)),
        };
        let (IpAddress::Ipv4(from), IpAddress::Ipv4(to)) = (from, to) else {
            return None;
        };
        Some(Sent {
            body,
            from,
            to,
            ttl: if settings.ttl == 0 { TTL } else { settings.ttl },
            tos: settings.tos,
        })
    }

    /// Who gets it.
    pub fn to(&self) -> Ipv4Address {
        self.to
    }

    /// Bytes of the packet.
    pub fn len(&self) -> usize {
        HEADER
            + match &self.body {
                Body::Tcp(header, data) => header.header_len() + data.0.len() + data.1.len(),
                Body::Udp(_, _, data) => udp::HEADER + data.len(),
                Body::NoPort(packet) => no_port(packet).buffer_len(),
            }
    }

    /// Writes the packet into `bytes`, which are as long as it is.
    pub fn emit(&self, bytes: &mut [u8]) {
        let length = bytes.len();
        debug_assert_eq!(length, self.len());
        let mut packet = Ipv4Packet::new_unchecked(bytes);
        packet.set_version(4);
        packet.set_header_len(HEADER as u8);
        packet.set_dscp(self.tos >> 2);
        packet.set_ecn(self.tos & 3);
        packet.set_total_len(length as u16);
        packet.set_ident(0);
        packet.clear_flags();
        // Never in fragments (RFC 6864, 4.1: the number is then of no use).
        packet.set_dont_frag(true);
        packet.set_frag_offset(0);
        packet.set_hop_limit(self.ttl);
        packet.set_next_header(match self.body {
            Body::Tcp(..) => IpProtocol::Tcp,
            Body::Udp(..) => IpProtocol::Udp,
            Body::NoPort(_) => IpProtocol::Icmp,
        });
        packet.set_src_addr(self.from);
        packet.set_dst_addr(self.to);
        packet.fill_checksum();
        let payload = packet.payload_mut();
        match &self.body {
            Body::Tcp(header, data) => header.emit(payload, *data),
            Body::Udp(from, to, data) => udp::emit(payload, *from, *to, data),
            Body::NoPort(packet) => no_port(packet).emit(
                &mut Icmpv4Packet::new_unchecked(payload),
                &ChecksumCapabilities::default(),
            ),
        }
    }
}

/// Bytes of the packet that an error quotes behind its IP header (RFC 792).
const QUOTED: usize = 8;

/// The message that nobody has a packet's port.
fn no_port<'a>(packet: &'a Packet<'a>) -> Icmpv4Repr<'a> {
    Icmpv4Repr::DstUnreachable {
        reason: Icmpv4DstUnreachable::PortUnreachable,
        header: Ipv4Repr {
            src_addr: packet.from,
            dst_addr: packet.to,
            next_header: packet.protocol,
            payload_len: packet.payload.len(),
            hop_limit: TTL,
        },
        data: &packet.payload[..packet.payload.len().min(QUOTED)],
    }
}

/// The ends of this machine's datagram that a message says nobody takes: who
/// sent it, and to whom.
pub fn parse_no_port(message: &[u8]) -> Option<(IpEndpoint, IpEndpoint)> {
    let packet = Icmpv4Packet::new_checked(message).ok()?;
    let unreachable = packet.msg_type() == Icmpv4Message::DstUnreachable
        && Icmpv4DstUnreachable::from(packet.msg_code()) == Icmpv4DstUnreachable::PortUnreachable;
    if !unreachable || !packet.verify_checksum() {
        return None;
    }
    // Its length is the whole packet's, of which only the beginning is here.
    let quoted = packet.data();
    let header_len = usize::from(quoted.first()? & 0xf) * 4;
    let [a, b, c, d] = *quoted.get(header_len.max(HEADER)..)?.first_chunk::<4>()?;
    let header = Ipv4Packet::new_unchecked(quoted);
    (header.version() == 4 && header.next_header() == IpProtocol::Udp).then(|| {
        (
            IpEndpoint::new(header.src_addr().into(), u16::from_be_bytes([a, b])),
            IpEndpoint::new(header.dst_addr().into(), u16::from_be_bytes([c, d])),
        )
    })
}
