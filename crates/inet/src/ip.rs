//! IP packets (RFC 791) around segments.

use crate::segment::{Header, Payload};
use crate::settings::Settings;
use smoltcp::wire::{IpAddress, IpProtocol, Ipv4Address, Ipv4Packet};

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

/// A segment on its way in IPv4.
pub struct Sent<'a> {
    header: &'a Header,
    data: Payload<'a>,
    from: Ipv4Address,
    to: Ipv4Address,
    ttl: u8,
    tos: u8,
}

impl<'a> Sent<'a> {
    /// `None` if its addresses are not of IPv4.
    pub fn new(header: &'a Header, data: Payload<'a>, settings: &Settings) -> Option<Sent<'a>> {
        let (IpAddress::Ipv4(from), IpAddress::Ipv4(to)) = (header.from.addr, header.to.addr)
        else {
            return None;
        };
        Some(Sent {
            header,
            data,
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
        HEADER + self.header.header_len() + self.data.0.len() + self.data.1.len()
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
        packet.set_next_header(IpProtocol::Tcp);
        packet.set_src_addr(self.from);
        packet.set_dst_addr(self.to);
        packet.fill_checksum();
        self.header.emit(packet.payload_mut(), self.data);
    }
}
