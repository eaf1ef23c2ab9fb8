//! Packets and frames: in from the card, out to it and to the kernel's own
//! services.

use super::{Host, Path, Stack};
use crate::ip::{Body, Packet, Sent};
use crate::keys::Tuple;
use crate::neighbours::{ETHERNET, REQUEST, emit_ethernet, emit_request, parse_arp};
use crate::segment::{Header, Payload};
use crate::settings::Settings;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use smoltcp::wire::{EthernetAddress, EthernetProtocol, IpAddress, IpProtocol, Ipv4Address};

impl<H: Host> Stack<H> {
    /// An IP packet has come from the card. Those that are not for this stack
    /// are ignored.
    pub fn on_packet(&mut self, now: u64, bytes: &[u8]) {
        let Some(packet) = Packet::parse(bytes) else {
            return;
        };
        let own = self.interface.map(|it| it.address.address());
        let from_here = self.is_own(IpAddress::Ipv4(packet.from));
        // Nobody on the wire is this machine, or everybody (RFC 1122, 3.2.1.3).
        let is_ours = own == Some(packet.to)
            || packet.protocol == IpProtocol::Udp && self.is_broadcast(packet.to);
        let is_sane = is_ours
            && !from_here
            && !packet.from.is_multicast()
            && !packet.from.is_broadcast()
            && !packet.from.is_unspecified();
        if is_sane {
            self.on_own(now, &packet);
        }
    }

    /// A packet of somebody else is for this machine.
    fn on_own(&mut self, now: u64, packet: &Packet<'_>) {
        match packet.protocol {
            IpProtocol::Tcp => self.on_tcp(now, packet),
            IpProtocol::Udp => self.on_udp(now, packet),
            IpProtocol::Icmp => self.on_icmp(packet),
            _ => {}
        }
    }

    /// An IP packet has come from a service of the kernel.
    pub fn on_service_packet(&mut self, now: u64, bytes: &[u8]) {
        let Some(packet) = Packet::parse(bytes) else {
            return;
        };
        if packet.protocol == IpProtocol::Tcp && self.is_own(IpAddress::Ipv4(packet.to)) {
            self.on_tcp(now, &packet);
        }
    }

    fn on_tcp(&mut self, now: u64, packet: &Packet<'_>) {
        let (from, to) = (IpAddress::Ipv4(packet.from), IpAddress::Ipv4(packet.to));
        if let Some((header, data)) = Header::parse(packet.payload, from, to) {
            self.input(now, &header, (data, &[]), None);
            self.run(now);
        }
    }

    /// An ARP packet has come.
    pub fn on_arp(&mut self, now: u64, bytes: &[u8]) {
        let Some((address, hardware)) = parse_arp(bytes) else {
            return;
        };
        for packet in self.neighbours.heard(now, address, hardware) {
            self.send_on_wire(hardware, packet.len(), &mut |bytes| {
                bytes.copy_from_slice(&packet);
            });
        }
    }

    /// Sends a segment off this stack.
    pub(super) fn send(
        &mut self,
        now: u64,
        path: Path,
        header: &Header,
        data: Payload<'_>,
        settings: &Settings,
    ) {
        let Some(sent) = Sent::new(Body::Tcp(header, data), settings) else {
            return;
        };
        match path {
            Path::Service => {
                let fill = &mut |bytes: &mut [u8]| sent.emit(bytes);
                self.host.send_to_services(sent.len(), fill);
            }
            _ => self.send_by_neighbour(now, &sent),
        }
    }

    /// Whether an address is everybody's on the wire.
    pub(super) fn is_broadcast(&self, address: Ipv4Address) -> bool {
        let network = self.interface.and_then(|it| it.address.broadcast());
        address.is_broadcast() || network == Some(address)
    }

    /// The Ethernet address of many, if an address is of many (RFC 1112, 6.4).
    fn hardware_of_many(&self, to: Ipv4Address) -> Option<EthernetAddress> {
        if self.is_broadcast(to) {
            return Some(EthernetAddress::BROADCAST);
        }
        let [_, b, c, d] = to.octets();
        to.is_multicast()
            .then_some(EthernetAddress([1, 0, 0x5e, b & 0x7f, c, d]))
    }

    pub(super) fn send_by_neighbour(&mut self, now: u64, sent: &Sent<'_>) {
        if let Some(hardware) = self.hardware_of_many(sent.to()) {
            return self.send_on_wire(hardware, sent.len(), &mut |bytes| sent.emit(bytes));
        }
        let Some(next) = self.next_hop(sent.to()) else {
            return;
        };
        let way = self.neighbours.way(now, next);
        if way.ask {
            self.ask(next);
        }
        if let Some(hardware) = way.hardware {
            return self.send_on_wire(hardware, sent.len(), &mut |bytes| sent.emit(bytes));
        }
        if let Ok(mut packet) = zeroes(sent.len()) {
            sent.emit(&mut packet);
            self.neighbours.keep(next, packet);
        }
    }

    /// The neighbour that a packet is given to.
    fn next_hop(&self, to: Ipv4Address) -> Option<Ipv4Address> {
        let interface = self.interface?;
        match interface.address.contains_addr(&to) {
            true => Some(to),
            false => interface.gateway,
        }
    }

    fn send_on_wire(
        &mut self,
        to: EthernetAddress,
        length: usize,
        fill: &mut dyn FnMut(&mut [u8]),
    ) {
        let Some(interface) = self.interface else {
            return;
        };
        self.host.send_frame(ETHERNET + length, &mut |frame| {
            emit_ethernet(frame, interface.hardware, to, EthernetProtocol::Ipv4);
            fill(&mut frame[ETHERNET..]);
        });
    }

    /// Asks who has an address.
    fn ask(&mut self, wanted: Ipv4Address) {
        let Some(interface) = self.interface else {
            return;
        };
        let (hardware, address) = (interface.hardware, interface.address.address());
        self.host.send_frame(REQUEST, &mut |frame| {
            emit_request(frame, hardware, address, wanted);
        });
    }

    /// Asks again for neighbours that did not answer; what waits for those
    /// that are gone fails.
    pub(super) fn neighbours_on_time(&mut self, now: u64) {
        while let Some((address, gone)) = self.neighbours.on_time(now) {
            match gone {
                None => self.ask(address),
                Some(packets) => packets.iter().for_each(|packet| self.unreachable(packet)),
            }
        }
    }

    /// A packet cannot get to its receiver.
    fn unreachable(&mut self, bytes: &[u8]) {
        let Some(packet) = Packet::parse(bytes) else {
            return;
        };
        let (from, to) = (IpAddress::Ipv4(packet.from), IpAddress::Ipv4(packet.to));
        let Some((header, _)) = Header::parse(packet.payload, from, to) else {
            return;
        };
        let tuple = Tuple {
            local: header.from,
            remote: header.to,
        };
        let Some(id) = self.table.get(&tuple).copied() else {
            return;
        };
        if let Some(slot) = self.connections.get(id) {
            slot.connection.on_unreachable(Errno::EHOSTUNREACH);
            self.wake(id.index);
        }
    }
}

/// Room for a packet. `ENOMEM`.
fn zeroes(length: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(|_| Errno::ENOMEM)?;
    bytes.resize(length, 0);
    Ok(bytes)
}
