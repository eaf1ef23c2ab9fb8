//! Whose a packet is: the stack of programs ([`super::space`]), or embassy-net
//! for the kernel's own services. The one table for that is the ports of the
//! services: what is TCP or UDP to this machine and to none of them is the
//! programs' stack's, which also answers echoes, for ports that nobody has, and for the
//! card's IPv6 addresses (neighbour discovery, echoes).

use super::host::Machine;
use super::ports::{DHCP_CLIENT, SERVICES};
use super::space;
use crate::drivers::virtio::net::Verdict;
use paddock_inet::{Burst, Packet as AnyPacket, is_fragment};
use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, Icmpv6Message, Icmpv6Packet, IpProtocol, Ipv4Cidr, Ipv4Packet,
    TcpPacket, UdpPacket,
};

type Packet<'a> = Ipv4Packet<&'a [u8]>;

/// Whether a packet is of what programs use, and for no service.
fn is_of_programs(packet: &Packet<'_>) -> bool {
    let payload = packet.payload();
    // Services take no packets in pieces.
    if packet.more_frags() || packet.frag_offset() != 0 {
        return true;
    }
    match packet.next_header() {
        IpProtocol::Tcp => {
            TcpPacket::new_checked(payload).is_ok_and(|segment| !SERVICES.has(segment.dst_port()))
        }
        IpProtocol::Udp => {
            UdpPacket::new_checked(payload).is_ok_and(|datagram| datagram.dst_port() != DHCP_CLIENT)
        }
        // Services know no other protocol.
        _ => true,
    }
}

/// Whether a packet is for this machine: for it alone, or a datagram for all.
fn is_for(packet: &Packet<'_>, own: Ipv4Cidr) -> bool {
    let to = packet.dst_addr();
    let for_all = to.is_broadcast() || own.broadcast() == Some(to);
    to == own.address() || for_all && packet.next_header() == IpProtocol::Udp
}

/// Frames that came from the card together, to be sorted; `own` is the card's address.
pub struct Sorter<'a, 'b> {
    burst: &'a mut Burst<'b, Machine>,
    own: Option<Ipv4Cidr>,
}

/// Sorts frames that came together: `sort` is called once, with their sorter.
pub fn sort(own: Option<Ipv4Cidr>, sort: impl FnOnce(&mut Sorter<'_, '_>)) {
    space::initial().with(|stack, now| stack.burst(now, |burst| sort(&mut Sorter { burst, own })));
}

impl Sorter<'_, '_> {
    /// Whose a frame is; programs have theirs at once. The card may have looked at its
    /// checksum.
    pub fn on_frame(&mut self, frame: &[u8], is_checked: bool) -> Verdict {
        let Ok(frame) = EthernetFrame::new_checked(frame) else {
            return Verdict::Leave;
        };
        match frame.ethertype() {
            // Both have neighbours; embassy-net answers.
            EthernetProtocol::Arp => {
                self.burst.arp(frame.payload());
                Verdict::Leave
            }
            EthernetProtocol::Ipv4 => self.on_ipv4(frame.payload(), is_checked),
            EthernetProtocol::Ipv6 => self.on_ipv6(frame.payload(), is_checked),
            _ => Verdict::Leave,
        }
    }

    fn on_ipv4(&mut self, bytes: &[u8], is_checked: bool) -> Verdict {
        let packet = Ipv4Packet::new_checked(bytes);
        let is_ours = packet.is_ok_and(|packet| {
            self.own.is_some_and(|own| is_for(&packet, own)) && is_of_programs(&packet)
        });
        if !is_ours {
            return Verdict::Leave;
        }
        self.burst.packet(bytes, is_checked);
        Verdict::Taken
    }

    fn on_ipv6(&mut self, bytes: &[u8], is_checked: bool) -> Verdict {
        if is_fragment(bytes) {
            self.burst.packet(bytes, false);
            return Verdict::Taken;
        }
        let Some(packet) = AnyPacket::parse(bytes).filter(is_of_programs6) else {
            return Verdict::Leave;
        };
        self.burst.packet(bytes, is_checked);
        // Both have neighbours.
        let message = Icmpv6Packet::new_checked(packet.payload);
        let is_answer = packet.protocol == IpProtocol::Icmpv6
            && message.is_ok_and(|message| message.msg_type() == Icmpv6Message::NeighborAdvert);
        match is_answer {
            true => Verdict::Leave,
            false => Verdict::Taken,
        }
    }
}

/// Whether a packet of IPv6 is for no service.
fn is_of_programs6(packet: &AnyPacket<'_>) -> bool {
    match packet.protocol {
        IpProtocol::Tcp => TcpPacket::new_checked(packet.payload)
            .is_ok_and(|segment| !SERVICES.has(segment.dst_port())),
        _ => true,
    }
}

/// embassy-net has sent a packet through loopback. Whether it was for the
/// programs' stack.
pub fn on_looped(bytes: &[u8]) -> bool {
    let is_theirs = match bytes.first().map(|byte| byte >> 4) {
        Some(6) => AnyPacket::parse(bytes).is_some_and(|packet| is_of_programs6(&packet)),
        _ => Ipv4Packet::new_checked(bytes).is_ok_and(|packet| is_of_programs(&packet)),
    };
    if is_theirs {
        space::initial().with(|stack, now| stack.on_service_packet(now, bytes));
    }
    is_theirs
}
