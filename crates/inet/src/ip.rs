//! IP packets (RFC 791, RFC 8200) around segments, datagrams and messages.

use crate::checksum::Sum;
use crate::icmp;
use crate::offload::{Cut, Offloads, Unfinished};
use crate::segment::{Header, Payload};
use crate::settings::{PathMtu, Settings};
use crate::udp;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    Icmpv4Packet, Icmpv6Packet, Icmpv6Repr, IpAddress, IpEndpoint, IpProtocol, Ipv4Address,
    Ipv4Packet, Ipv6Address, Ipv6Packet,
};

/// Bytes of an IPv4 header without options.
pub const HEADER: usize = 20;
/// Bytes of an IPv6 header.
pub const HEADER6: usize = 40;
/// The hops that packets live, by default (RFC 1700).
pub const TTL: u8 = 64;
/// The most extension headers that are passed over.
const MOST_EXTENSIONS: usize = 8;

/// A packet's way and what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The sender.
    pub from: IpAddress,
    /// The receiver, of the same family.
    pub to: IpAddress,
    /// Hops that it could have gone on.
    pub hops: u8,
    /// What the payload is.
    pub protocol: IpProtocol,
    /// Its header, with options.
    pub header: &'a [u8],
    /// What it carries.
    pub payload: &'a [u8],
    /// Whether a card has found the payload's checksum right, or nobody is to look
    /// at it, since the packet was on no wire.
    pub is_checked: bool,
}

impl<'a> Packet<'a> {
    /// Reads a packet. `None` if it is none, its checksum is wrong, it is a
    /// fragment, or wants to be routed.
    pub fn parse(bytes: &'a [u8]) -> Option<Packet<'a>> {
        match bytes.first()? >> 4 {
            4 => Self::parse_ipv4(bytes),
            6 => Self::parse_ipv6(bytes),
            _ => None,
        }
    }

    /// The type of service, or the traffic class (RFC 791, 3.1; RFC 8200, 3).
    pub fn class(&self) -> u8 {
        match (self.to, self.header) {
            (IpAddress::Ipv4(_), [_, class, ..]) => *class,
            (IpAddress::Ipv6(_), [high, low, ..]) => high << 4 | low >> 4,
            _ => 0,
        }
    }

    fn parse_ipv4(bytes: &'a [u8]) -> Option<Packet<'a>> {
        let packet = Ipv4Packet::new_checked(bytes).ok()?;
        let whole = !packet.more_frags() && packet.frag_offset() == 0;
        let header = bytes.get(..usize::from(packet.header_len()))?;
        (whole && Sum::new().with(header).is_right()).then(|| Packet {
            from: packet.src_addr().into(),
            to: packet.dst_addr().into(),
            hops: packet.hop_limit(),
            protocol: packet.next_header(),
            header,
            payload: packet.payload(),
            is_checked: false,
        })
    }

    fn parse_ipv6(bytes: &'a [u8]) -> Option<Packet<'a>> {
        let packet = Ipv6Packet::new_checked(bytes).ok()?;
        let (protocol, payload) = skip_extensions(packet.next_header(), packet.payload())?;
        Some(Packet {
            from: packet.src_addr().into(),
            to: packet.dst_addr().into(),
            hops: packet.hop_limit(),
            protocol,
            header: bytes.get(..bytes.len() - payload.len())?,
            payload,
            is_checked: false,
        })
    }
}

/// The hops that a packet to an address has, and its type of service or class.
pub(crate) fn hops_and_class(to: IpAddress, settings: &Settings) -> (u8, u8) {
    let (hops, class) = match to {
        IpAddress::Ipv4(_) => (settings.ttl, settings.tos),
        IpAddress::Ipv6(_) => (settings.hops, settings.traffic_class),
    };
    (if hops == 0 { TTL } else { hops }, class)
}

/// What is behind the options of a packet (RFC 8200, 4.3 and 4.6). `None` for
/// fragments, routing headers, and options that are to be refused.
fn skip_extensions(mut protocol: IpProtocol, mut rest: &[u8]) -> Option<(IpProtocol, &[u8])> {
    for _ in 0..MOST_EXTENSIONS {
        match protocol {
            IpProtocol::HopByHop | IpProtocol::Ipv6Opts => {}
            IpProtocol::Ipv6Frag | IpProtocol::Ipv6Route => return None,
            _ => return Some((protocol, rest)),
        }
        let [next, length] = *rest.first_chunk::<2>()?;
        let length = 8 * (usize::from(length) + 1);
        let options = rest.get(2..length)?;
        if !may_skip(options) {
            return None;
        }
        (protocol, rest) = (IpProtocol::from(next), &rest[length..]);
    }
    None
}

/// Whether all options may be passed over (RFC 8200, 4.2): the two highest
/// bits of those that must be understood are not zero.
fn may_skip(mut options: &[u8]) -> bool {
    while let Some((&kind, rest)) = options.split_first() {
        if kind == 0 {
            options = rest;
            continue;
        }
        let Some((&length, data)) = rest.split_first() else {
            return false;
        };
        match data.get(usize::from(length)..) {
            Some(next) if kind >> 6 == 0 => options = next,
            _ => return false,
        }
    }
    true
}

/// What a packet carries on its way out.
pub enum Body<'a> {
    /// A segment.
    Tcp(&'a Header, Payload<'a>),
    /// A datagram: both ends and its data.
    Udp(IpEndpoint, IpEndpoint, &'a [u8]),
    /// A datagram of UDP-Lite, of which so many bytes are covered if not all.
    Lite(IpEndpoint, IpEndpoint, &'a [u8], Option<u16>),
    /// That nobody has the port of a datagram: its packet.
    NoPort(&'a Packet<'a>),
    /// Packets of a program.
    Packet {
        from: IpAddress,
        to: IpAddress,
        protocol: IpProtocol,
        data: &'a [u8],
        /// Where in the data of IPv6 a checksum is to be.
        checksum_at: Option<u16>,
    },
    /// A packet of a program with its header, of IPv4.
    Whole(IpAddress, IpAddress, &'a [u8]),
    /// A packet as it is.
    Ready(IpAddress, IpAddress, &'a [u8]),
    /// A request for an echo, or the answer.
    Echo {
        from: IpAddress,
        to: IpAddress,
        is_reply: bool,
        ident: u16,
        number: u16,
        data: &'a [u8],
    },
    /// A message of ICMPv6: its sender, its receiver, its hops.
    Message(Ipv6Address, Ipv6Address, u8, &'a Icmpv6Repr<'a>),
}

impl Body<'_> {
    fn addresses(&self) -> (IpAddress, IpAddress) {
        match self {
            Body::Tcp(header, _) => (header.from.addr, header.to.addr),
            Body::Udp(from, to, _) | Body::Lite(from, to, ..) => (from.addr, to.addr),
            Body::NoPort(packet) => (packet.to, packet.from),
            Body::Packet { from, to, .. } | Body::Echo { from, to, .. } => (*from, *to),
            Body::Whole(from, to, _) | Body::Ready(from, to, _) => (*from, *to),
            Body::Message(from, to, ..) => ((*from).into(), (*to).into()),
        }
    }
}

/// Both addresses of a packet.
#[derive(Clone, Copy)]
enum Way {
    Ipv4(Ipv4Address, Ipv4Address),
    Ipv6(Ipv6Address, Ipv6Address),
}

/// A packet on its way out.
pub struct Sent<'a> {
    body: Body<'a>,
    way: Way,
    hops: u8,
    class: u8,
    size: usize,
    path_mtu: PathMtu,
    /// Which packet of its sender's it is: of use to who may cut it (RFC 6864, 4.1).
    ident: u16,
}

impl<'a> Sent<'a> {
    /// `None` if its addresses are not of one family.
    pub fn new(body: Body<'a>, settings: &Settings) -> Option<Sent<'a>> {
        let (from, to) = body.addresses();
        let way = match (from, to) {
            (IpAddress::Ipv4(from), IpAddress::Ipv4(to)) => Way::Ipv4(from, to),
            (IpAddress::Ipv6(from), IpAddress::Ipv6(to)) => Way::Ipv6(from, to),
            _ => return None,
        };
        let (hops, class) = hops_and_class(to, settings);
        let hops = match body {
            Body::Message(.., hops, _) => hops,
            _ => hops,
        };
        Some(Sent {
            body,
            way,
            hops,
            class,
            size: 0,
            path_mtu: match way {
                Way::Ipv4(..) => settings.path_mtu,
                Way::Ipv6(..) => settings.path_mtu6,
            },
            ident: 0,
        })
    }

    /// The same, to be cut by the card into pieces of `size` bytes of data; zero
    /// for not.
    pub fn cut_by(mut self, size: usize) -> Self {
        self.size = size;
        self
    }

    /// The same, with a number that `number` gives if somebody on the way may cut it.
    pub fn numbered(mut self, number: impl FnOnce() -> u16) -> Self {
        if !self.path_mtu.is_whole() && matches!(self.way, Way::Ipv4(..)) {
            self.ident = number();
        }
        self
    }

    /// Whether the card is to cut it.
    pub fn is_cut(&self) -> bool {
        self.size != 0
    }

    /// What is left to a card that can do this, behind a frame's header of
    /// `before` bytes.
    pub fn unfinished(&self, before: usize, offloads: &Offloads) -> Option<Unfinished> {
        let Body::Tcp(header, _) = self.body else {
            return None;
        };
        let start = before + self.header_len();
        let cut = self.is_cut().then(|| Cut {
            size: self.size as u16,
            headers: (start + header.header_len()) as u16,
            is_ipv6: matches!(self.way, Way::Ipv6(..)),
        });
        offloads.checksums.then_some(Unfinished {
            start: start as u16,
            cut,
        })
    }

    /// Bytes of the header.
    pub fn header_len(&self) -> usize {
        match self.way {
            Way::Ipv4(..) => HEADER,
            Way::Ipv6(..) => HEADER6,
        }
    }

    /// Whether it may be sent in fragments, as its sender wishes: who makes headers is to
    /// make those, too.
    pub fn may_be_cut(&self) -> bool {
        let is_whole = matches!(self.body, Body::Tcp(..) | Body::Whole(..) | Body::Ready(..));
        !is_whole && self.path_mtu.may_be_cut()
    }

    /// Who sends it.
    pub fn from(&self) -> IpAddress {
        match self.way {
            Way::Ipv4(from, _) => from.into(),
            Way::Ipv6(from, _) => from.into(),
        }
    }

    /// Who gets it.
    pub fn to(&self) -> IpAddress {
        match self.way {
            Way::Ipv4(_, to) => to.into(),
            Way::Ipv6(_, to) => to.into(),
        }
    }

    /// Bytes of the packet.
    pub fn len(&self) -> usize {
        match self.body {
            Body::Whole(.., data) | Body::Ready(.., data) => data.len(),
            _ => self.header_len() + self.payload_len(),
        }
    }

    fn payload_len(&self) -> usize {
        match (&self.body, self.way) {
            (Body::Tcp(header, data), _) => header.header_len() + data.0.len() + data.1.len(),
            (Body::Udp(_, _, data) | Body::Lite(_, _, data, _), _) => udp::HEADER + data.len(),
            (Body::NoPort(packet), Way::Ipv4(from, to)) => {
                icmp::no_port(packet, from, to).buffer_len()
            }
            (Body::NoPort(packet), Way::Ipv6(from, to)) => {
                icmp::no_port6(packet, from, to).buffer_len()
            }
            (Body::Packet { data, .. }, _) => data.len(),
            (Body::Whole(.., data) | Body::Ready(.., data), _) => data.len(),
            (Body::Echo { data, .. }, _) => icmp::ECHO + data.len(),
            (Body::Message(.., message), _) => message.buffer_len(),
        }
    }

    fn protocol(&self) -> IpProtocol {
        match (&self.body, self.way) {
            (Body::Tcp(..), _) => IpProtocol::Tcp,
            (Body::Udp(..), _) => IpProtocol::Udp,
            (Body::Lite(..), _) => udp::LITE,
            (Body::Packet { protocol, .. }, _) => *protocol,
            (_, Way::Ipv4(..)) => IpProtocol::Icmp,
            (_, Way::Ipv6(..)) => IpProtocol::Icmpv6,
        }
    }

    /// Writes the packet into `bytes`, which are as long as it is. Unless it is to
    /// be finished here, a segment's checksum is left to a card.
    pub fn emit(&self, bytes: &mut [u8], finish: bool) {
        debug_assert_eq!(bytes.len(), self.len());
        match self.body {
            Body::Whole(from, _, data) => return emit_whole(bytes, from, data),
            Body::Ready(.., data) => return bytes.copy_from_slice(data),
            _ => {}
        }
        let payload = match self.way {
            Way::Ipv4(from, to) => self.emit_ipv4(bytes, from, to),
            Way::Ipv6(from, to) => self.emit_ipv6(bytes, from, to),
        };
        self.emit_payload(payload, finish);
    }

    /// Writes the header, and gives what is behind it.
    fn emit_ipv4<'b>(
        &self,
        bytes: &'b mut [u8],
        from: Ipv4Address,
        to: Ipv4Address,
    ) -> &'b mut [u8] {
        let length = bytes.len();
        let mut packet = Ipv4Packet::new_unchecked(&mut *bytes);
        packet.set_version(4);
        packet.set_header_len(HEADER as u8);
        packet.set_dscp(self.class >> 2);
        packet.set_ecn(self.class & 3);
        packet.set_total_len(length as u16);
        packet.set_ident(self.ident);
        packet.clear_flags();
        packet.set_dont_frag(self.path_mtu.is_whole());
        packet.set_frag_offset(0);
        packet.set_hop_limit(self.hops);
        packet.set_next_header(self.protocol());
        packet.set_src_addr(from);
        packet.set_dst_addr(to);
        packet.fill_checksum();
        &mut bytes[HEADER..]
    }

    /// The same for IPv6.
    fn emit_ipv6<'b>(
        &self,
        bytes: &'b mut [u8],
        from: Ipv6Address,
        to: Ipv6Address,
    ) -> &'b mut [u8] {
        let length = bytes.len() - HEADER6;
        let mut packet = Ipv6Packet::new_unchecked(&mut *bytes);
        packet.set_version(6);
        packet.set_traffic_class(self.class);
        packet.set_flow_label(0);
        packet.set_payload_len(length as u16);
        packet.set_next_header(self.protocol());
        packet.set_hop_limit(self.hops);
        packet.set_src_addr(from);
        packet.set_dst_addr(to);
        &mut bytes[HEADER6..]
    }

    fn emit_payload(&self, bytes: &mut [u8], finish: bool) {
        let sums = ChecksumCapabilities::default();
        match (&self.body, self.way) {
            (Body::Tcp(header, data), _) => header.emit(bytes, *data, finish),
            (Body::Udp(from, to, data), _) => udp::emit(bytes, *from, *to, data),
            (Body::Lite(from, to, data, covered), _) => {
                udp::emit_lite(bytes, *from, *to, data, *covered);
            }
            (Body::NoPort(packet), Way::Ipv4(from, to)) => {
                let mut message = Icmpv4Packet::new_unchecked(bytes);
                icmp::no_port(packet, from, to).emit(&mut message, &sums);
            }
            (Body::NoPort(packet), Way::Ipv6(from, to)) => {
                let mut message = Icmpv6Packet::new_unchecked(bytes);
                icmp::no_port6(packet, from, to).emit(&from, &to, &mut message, &sums);
            }
            (
                Body::Packet {
                    data, checksum_at, ..
                },
                way,
            ) => {
                bytes.copy_from_slice(data);
                if let (Some(at), Way::Ipv6(from, to)) = (checksum_at, way) {
                    let (from, to) = (from.into(), to.into());
                    fill_checksum(bytes, *at, from, to, self.protocol());
                }
            }
            (
                Body::Echo {
                    is_reply,
                    ident,
                    number,
                    data,
                    ..
                },
                way,
            ) => {
                let kind = match (way, is_reply) {
                    (Way::Ipv4(..), false) => icmp::REQUEST,
                    (Way::Ipv4(..), true) => icmp::REPLY,
                    (Way::Ipv6(..), false) => icmp::REQUEST6,
                    (Way::Ipv6(..), true) => icmp::REPLY6,
                };
                icmp::emit_echo(bytes, kind, *ident, *number, data);
                match way {
                    Way::Ipv4(..) => Icmpv4Packet::new_unchecked(bytes).fill_checksum(),
                    Way::Ipv6(from, to) => {
                        Icmpv6Packet::new_unchecked(bytes).fill_checksum(&from, &to);
                    }
                }
            }
            // Written as it is.
            (Body::Whole(..) | Body::Ready(..), _) => {}
            (Body::Message(from, to, _, repr), _) => {
                let mut message = Icmpv6Packet::new_unchecked(bytes);
                repr.emit(from, to, &mut message, &sums);
            }
        }
    }
}

/// Writes a packet that has a header: its length and checksum are right whatever the
/// program says, and so is the sender if it says none (raw(7)).
fn emit_whole(bytes: &mut [u8], from: IpAddress, data: &[u8]) {
    bytes.copy_from_slice(data);
    let length = bytes.len();
    let mut packet = Ipv4Packet::new_unchecked(bytes);
    packet.set_total_len(length as u16);
    if let IpAddress::Ipv4(from) = from
        && packet.src_addr().is_unspecified()
    {
        packet.set_src_addr(from);
    }
    packet.fill_checksum();
}

/// Writes the checksum of what a packet of IPv6 carries at a place in it (RFC 3542,
/// 3.1).
fn fill_checksum(bytes: &mut [u8], at: u16, from: IpAddress, to: IpAddress, protocol: IpProtocol) {
    let at = usize::from(at);
    let Some(place) = bytes.get_mut(at..at + 2) else {
        return;
    };
    place.fill(0);
    let sum = Sum::pseudo_header(from, to, protocol, bytes.len());
    let checksum = sum.with(bytes).checksum_not_zero();
    bytes[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Ipv6Address = Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
    const TWO: Ipv6Address = Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);

    fn datagram() -> Vec<u8> {
        let (from, to) = (
            IpEndpoint::new(ONE.into(), 5),
            IpEndpoint::new(TWO.into(), 6),
        );
        let sent = Sent::new(Body::Udp(from, to, b"data"), &Settings::default()).unwrap();
        let mut bytes = vec![0; sent.len()];
        sent.emit(&mut bytes, true);
        bytes
    }

    /// The same packet with another header in between.
    fn with(kind: u8, header: &[u8]) -> Vec<u8> {
        let mut bytes = datagram();
        let length = bytes.len() - HEADER6 + header.len();
        bytes[4..6].copy_from_slice(&(length as u16).to_be_bytes());
        bytes[6] = kind;
        bytes.splice(HEADER6..HEADER6, header.iter().copied());
        bytes
    }

    #[test]
    fn options_are_passed_over_and_the_rest_refused() {
        let plain = datagram();
        let expected = Packet::parse(&plain).unwrap();
        assert_eq!(
            (expected.from, expected.to, expected.hops),
            (ONE.into(), TWO.into(), TTL)
        );
        let padding = [17, 0, 1, 4, 0, 0, 0, 0];
        for kind in [0, 60] {
            let bytes = with(kind, &padding);
            let header = &bytes[..HEADER6 + padding.len()];
            let expected = Packet { header, ..expected };
            assert_eq!(Packet::parse(&bytes), Some(expected));
        }
        let unknown = [17, 0, 0xc2, 4, 0, 0, 0, 0];
        assert_eq!(Packet::parse(&with(60, &unknown)), None);
        let too_long = [17, 0, 1, 9, 0, 0, 0, 0];
        assert_eq!(Packet::parse(&with(60, &too_long)), None);
        for kind in [43, 44] {
            assert_eq!(Packet::parse(&with(kind, &padding)), None);
        }
        let many: Vec<u8> = [60, 0, 1, 4, 0, 0, 0, 0].repeat(20);
        assert_eq!(Packet::parse(&with(60, &many)), None);
    }
}
