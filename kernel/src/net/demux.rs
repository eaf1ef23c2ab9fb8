//! Whose a packet is: the stack of programs ([`super::inet`]), or embassy-net
//! for the kernel's own services. The one table for that is the ports of the
//! services: what is TCP over IPv4 to this machine and to none of them is the
//! programs' stack's, which also answers for ports that nobody has.

use super::inet;
use super::ports::SERVICES;
use crate::drivers::virtio::net::Verdict;
use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Address, Ipv4Packet, TcpPacket,
};

/// The address of a TCP segment over IPv4 that is for a program, or for no
/// one.
fn receiver(packet: &[u8]) -> Option<Ipv4Address> {
    let packet = Ipv4Packet::new_checked(packet).ok()?;
    if packet.next_header() != IpProtocol::Tcp || packet.frag_offset() != 0 {
        return None;
    }
    let segment = TcpPacket::new_checked(packet.payload()).ok()?;
    (!SERVICES.has(segment.dst_port())).then(|| packet.dst_addr())
}

/// A frame has come from the card; `own` is the card's address.
pub fn on_frame(frame: &[u8], own: Option<Ipv4Address>) -> Verdict {
    let Ok(frame) = EthernetFrame::new_checked(frame) else {
        return Verdict::Leave;
    };
    match frame.ethertype() {
        // Both have neighbours; embassy-net answers.
        EthernetProtocol::Arp => {
            inet::with(|stack, now| stack.on_arp(now, frame.payload()));
            Verdict::Leave
        }
        EthernetProtocol::Ipv4 => {
            let receiver = receiver(frame.payload());
            if receiver.is_none() || receiver != own {
                return Verdict::Leave;
            }
            inet::with(|stack, now| stack.on_packet(now, frame.payload()));
            Verdict::Taken
        }
        _ => Verdict::Leave,
    }
}

/// embassy-net has sent a packet through loopback. Whether it was for the
/// programs' stack.
pub fn on_looped(packet: &[u8]) -> bool {
    if receiver(packet).is_none() {
        return false;
    }
    inet::with(|stack, now| stack.on_service_packet(now, packet));
    true
}
