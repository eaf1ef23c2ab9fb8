//! What sockets for datagrams are about: UDP, UDP-Lite (RFC 3828), IP packets (raw(7)),
//! echoes (icmp(7)).

use crate::udp::HEADER;
use smoltcp::wire::{IpAddress, IpProtocol};

/// What a socket's datagrams are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carries {
    /// Datagrams of UDP.
    Udp,
    /// Those of UDP-Lite.
    Lite(Coverage),
    /// Packets of a protocol.
    Packets(Packets),
    /// Echoes of ICMP: requests go out, and the answers to them come in.
    Echoes(Echoes),
}

impl Carries {
    /// Whether its ports are given out, one socket's each.
    pub fn has_ports(&self) -> bool {
        matches!(self, Carries::Udp | Carries::Lite(_))
    }
}

/// How many bytes of datagrams of UDP-Lite, their headers included, are covered by their
/// checksums (udplite(7)). Zero is all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Of those that are sent.
    pub sent: u16,
    /// At least, of those that are taken; without a number any will do.
    pub least: Option<u16>,
}

impl Coverage {
    /// A number that a program gives: what is less than a header is a header.
    pub fn given(bytes: i32) -> u16 {
        match bytes {
            0 => 0,
            bytes => bytes.clamp(HEADER as i32, i32::from(u16::MAX)) as u16,
        }
    }

    /// Whether a datagram will do of which so many bytes are covered; `None` if all are.
    pub fn takes(&self, covered: Option<u16>) -> bool {
        match (covered, self.least) {
            (None, _) | (_, None) => true,
            (Some(_), Some(0)) => false,
            (Some(covered), Some(least)) => covered >= least,
        }
    }

    /// What of a datagram of so many bytes is covered, if not all.
    pub fn of(&self, length: usize) -> Option<u16> {
        let partly = self.sent != 0 && usize::from(self.sent) < length;
        partly.then_some(self.sent)
    }
}

/// A socket for packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packets {
    /// Whether they are those of IPv6.
    pub is_ipv6: bool,
    /// What is in them.
    pub protocol: IpProtocol,
    /// IP_HDRINCL: what is sent has a header already.
    pub has_header: bool,
    /// ICMP_FILTER and ICMP6_FILTER: a bit for each type that is not heard.
    pub filter: [u32; 8],
    /// IPV6_CHECKSUM: where in what is sent the checksum belongs.
    pub checksum_at: Option<u16>,
    /// The address that it is bound to.
    pub local: Option<IpAddress>,
}

/// A socket for echoes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echoes {
    /// Whether they are those of ICMPv6.
    pub is_ipv6: bool,
    /// The identifier of its requests, which no other socket has; none before it is
    /// bound.
    pub ident: Option<u16>,
    /// The address that it is bound to.
    pub local: Option<IpAddress>,
}

impl Packets {
    /// One without options. `protocol` 255 is only for sending, with headers.
    pub fn new(is_ipv6: bool, protocol: u8) -> Packets {
        let protocol = IpProtocol::from(protocol);
        Packets {
            is_ipv6,
            protocol,
            has_header: u8::from(protocol) == 255 && !is_ipv6,
            filter: [0; 8],
            checksum_at: (protocol == IpProtocol::Icmpv6).then_some(2),
            local: None,
        }
    }

    /// Whether a message of this type is not to be heard.
    pub fn refuses(&self, kind: u8) -> bool {
        let is_message = match self.is_ipv6 {
            true => self.protocol == IpProtocol::Icmpv6,
            false => self.protocol == IpProtocol::Icmp,
        };
        // Of ICMP only the first 32 types can be left out.
        let known = self.is_ipv6 || kind < 32;
        let word = self.filter[usize::from(kind >> 5)];
        is_message && known && word & 1 << (kind & 31) != 0
    }

    /// Whether a packet is for it.
    pub fn takes(&self, from: IpAddress, to: IpAddress, peer: Option<IpAddress>) -> bool {
        let own = self.local.is_none_or(|local| local == to);
        own && peer.is_none_or(|peer| peer == from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_of_messages_alone() {
        let mut echo = Packets::new(false, 1);
        echo.filter[0] = 1 << 8;
        assert!(echo.refuses(8) && !echo.refuses(0) && !echo.refuses(40));
        let mut other = Packets::new(false, 17);
        other.filter = [u32::MAX; 8];
        assert!(!other.refuses(8));
        let mut six = Packets::new(true, 58);
        six.filter[4] = 1;
        assert!(six.refuses(128) && !six.refuses(129));
    }

    #[test]
    fn coverage_is_of_headers_at_least() {
        assert_eq!(
            [0, -1, 1, 9, 1 << 20].map(Coverage::given),
            [0, 8, 8, 9, 65535]
        );
        let sends = |sent| Coverage { sent, least: None };
        assert_eq!(sends(0).of(20), None);
        assert_eq!(sends(8).of(20), Some(8));
        assert_eq!(sends(20).of(20), None);
        let takes = |least, covered| Coverage { sent: 0, least }.takes(covered);
        assert!(takes(None, Some(8)) && takes(Some(0), None) && takes(Some(9), Some(9)));
        assert!(!takes(Some(0), Some(8)) && !takes(Some(10), Some(9)));
    }

    #[test]
    fn nothing_is_heard_by_those_with_headers_alone() {
        assert!(Packets::new(false, 255).has_header);
        assert!(!Packets::new(true, 255).has_header);
        assert!(!Packets::new(false, 1).has_header);
    }
}
