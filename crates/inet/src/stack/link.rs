//! Packets and frames: in from the card, out to it and to the kernel's own
//! services.

use super::{Host, Path, Stack};
use crate::fragments::{self, Fragment, Key, make_ipv4, make_ipv6, piece};
use crate::ip::{Body, HEADER, HEADER6, Packet, Sent};
use crate::keys::Tuple;
use crate::neighbours::{ETHERNET, REQUEST, emit_ethernet, emit_request, parse_arp};
use crate::offload::{Offloads, Unfinished};
use crate::segment::{Header, LONGEST_HEADER, Payload};
use crate::settings::Settings;
use crate::udp;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use smoltcp::wire::{EthernetAddress, EthernetProtocol, IpAddress, IpProtocol};

/// Packets that have come together. What they make due, such as acknowledgements, waits
/// for the last of them, unless each has to be answered for itself.
pub struct Burst<'a, H: Host> {
    stack: &'a mut Stack<H>,
    now: u64,
}

impl<H: Host> Burst<'_, H> {
    /// An IP packet. The checksum of what it carries need not be looked at if it
    /// `is_checked`: the card has done so, or the packet comes from the host of this
    /// machine, and was on no wire. Its segment may be larger than fits a frame then.
    pub fn packet(&mut self, bytes: &[u8], is_checked: bool) {
        match Packet::parse(bytes) {
            Some(mut packet) => {
                packet.is_checked = is_checked;
                self.stack.on_parsed(self.now, &packet);
            }
            None => self.stack.on_fragment(self.now, bytes),
        }
    }

    /// An ARP packet.
    pub fn arp(&mut self, bytes: &[u8]) {
        if let Some((address, hardware)) = parse_arp(bytes) {
            self.stack.on_neighbour(self.now, address.into(), hardware);
        }
    }
}

impl<H: Host> Stack<H> {
    /// Takes in packets that have come from the card one behind the other, as
    /// [`Burst`] has it, and then sends what is due to all of them.
    pub fn burst<T>(&mut self, now: u64, take: impl FnOnce(&mut Burst<'_, H>) -> T) -> T {
        let result = take(&mut Burst { stack: self, now });
        self.run(now);
        result
    }

    /// One IP packet has come from the card. Those that are not for this stack are
    /// ignored.
    pub fn on_packet(&mut self, now: u64, bytes: &[u8]) {
        self.burst(now, |burst| burst.packet(bytes, false));
    }

    /// A part of a packet has come: of one for a service it is of no use.
    fn on_fragment(&mut self, now: u64, bytes: &[u8]) {
        let Some(fragment) = Fragment::parse(bytes) else {
            return;
        };
        let Key { from, to, .. } = fragment.key;
        if !self.is_own(to) || is_loopback(to) || self.is_own(from) {
            return;
        }
        let Some(whole) = self.fragments.take(now, &fragment) else {
            return;
        };
        let packet = whole.packet();
        if !self.is_of_service(&packet) {
            self.on_parsed(now, &packet);
        }
    }

    fn is_of_service(&self, packet: &Packet<'_>) -> bool {
        let Some(&[_, _, a, b]) = packet.payload.first_chunk::<4>() else {
            return false;
        };
        let port = u16::from_be_bytes([a, b]);
        match packet.protocol {
            IpProtocol::Tcp => self.host.is_service(port),
            IpProtocol::Udp => self.host.is_udp_service(port),
            _ => false,
        }
    }

    fn on_parsed(&mut self, now: u64, packet: &Packet<'_>) {
        // Nobody on the wire is this machine, or everybody (RFC 1122, 3.2.1.3).
        let is_sane = self.is_for_this_machine(packet)
            && !self.is_own(packet.from)
            && !packet.from.is_multicast()
            && !packet.from.is_broadcast()
            && (!packet.from.is_unspecified() || packet.protocol == IpProtocol::Icmpv6);
        if is_sane {
            self.on_own(now, packet);
        }
    }

    /// Whether a packet from the wire is for this machine: for it alone, a
    /// datagram for everybody, or a message for its groups.
    fn is_for_this_machine(&self, packet: &Packet<'_>) -> bool {
        match (packet.to, packet.protocol) {
            (IpAddress::Ipv6(to), IpProtocol::Icmpv6) if to.is_multicast() => {
                self.ipv6.is_in_group(to)
            }
            (to, IpProtocol::Udp | udp::LITE) if self.is_broadcast(to) => true,
            (to, _) => self.is_own(to) && !is_loopback(to),
        }
    }

    /// A packet is for this machine.
    pub(super) fn on_own(&mut self, now: u64, packet: &Packet<'_>) {
        self.give_to_packets(packet);
        match packet.protocol {
            IpProtocol::Tcp => self.on_tcp(now, packet),
            IpProtocol::Udp => self.on_udp(now, packet),
            udp::LITE => self.on_lite(now, packet),
            IpProtocol::Icmp => self.on_icmp(now, packet),
            IpProtocol::Icmpv6 => self.on_icmp6(now, packet),
            _ => {}
        }
    }

    /// An IP packet has come from a service of the kernel.
    pub fn on_service_packet(&mut self, now: u64, bytes: &[u8]) {
        let Some(packet) = Packet::parse(bytes) else {
            return;
        };
        if packet.protocol == IpProtocol::Tcp && self.is_own(packet.to) {
            self.on_tcp(now, &packet);
            self.run(now);
        }
    }

    fn on_tcp(&mut self, now: u64, packet: &Packet<'_>) {
        let (from, to, is_checked) = (packet.from, packet.to, packet.is_checked);
        if let Some((header, data)) = Header::parse(packet.payload, from, to, is_checked) {
            self.input(now, &header, (data, &[]), None);
            if self.at_once {
                self.run(now);
            }
        }
    }

    /// A neighbour tells of itself: what has waited for it is sent.
    pub(super) fn on_neighbour(&mut self, now: u64, from: IpAddress, hardware: EthernetAddress) {
        for packet in self.neighbours.heard(now, from, hardware) {
            let protocol = protocol_of(from);
            self.send_on_wire(hardware, protocol, packet.len(), None, &mut |bytes| {
                bytes.copy_from_slice(&packet);
            });
        }
    }

    /// Sends a segment off this stack, to be cut by the card into pieces of
    /// `size` bytes of data unless that is zero.
    pub(super) fn send(
        &mut self,
        now: u64,
        path: Path,
        (header, data, size): (&Header, Payload<'_>, usize),
        settings: &Settings,
    ) {
        let Some(sent) = Sent::new(Body::Tcp(header, data), settings) else {
            return;
        };
        let sent = sent.cut_by(size).numbered(|| self.host.random() as u16);
        match path {
            Path::Service => {
                let fill = &mut |bytes: &mut [u8]| sent.emit(bytes, true);
                self.host.send_to_services(sent.len(), fill);
            }
            _ => self.send_by_neighbour(now, &sent),
        }
    }

    /// Whether an address is everybody's on the wire.
    pub(super) fn is_broadcast(&self, address: IpAddress) -> bool {
        let network = self.ipv4().and_then(|it| it.address.broadcast());
        address.is_broadcast() || network.is_some_and(|all| address == all.into())
    }

    /// The Ethernet address of many, if an address is of many (RFC 1112, 6.4;
    /// RFC 2464, 7).
    fn hardware_of_many(&self, to: IpAddress) -> Option<EthernetAddress> {
        if self.is_broadcast(to) {
            return Some(EthernetAddress::BROADCAST);
        }
        let group = match to {
            IpAddress::Ipv4(to) => {
                let [_, b, c, d] = to.octets();
                [1, 0, 0x5e, b & 0x7f, c, d]
            }
            IpAddress::Ipv6(to) => {
                let [.., a, b, c, d] = to.octets();
                [0x33, 0x33, a, b, c, d]
            }
        };
        to.is_multicast().then_some(EthernetAddress(group))
    }

    pub(super) fn send_by_neighbour(&mut self, now: u64, sent: &Sent<'_>) {
        if let Some(hardware) = self.hardware_of_many(sent.to()) {
            return self.send_to_hardware(hardware, sent);
        }
        let Some(next) = self.next_hop(sent.to()) else {
            return;
        };
        let way = self.neighbours.way(now, next);
        if way.ask {
            self.ask(next);
        }
        if let Some(hardware) = way.hardware {
            return self.send_to_hardware(hardware, sent);
        }
        // What the card would cut is sent again as what fits.
        if !sent.is_cut()
            && let Ok(mut packet) = zeroes(sent.len())
        {
            sent.emit(&mut packet, true);
            self.neighbours.keep(next, packet);
        }
    }

    /// Sends a packet that may be larger than the wire takes: in fragments then.
    ///
    /// # Errors
    /// `EMSGSIZE` if it must not be cut, or is larger than all packets; `ENOMEM`.
    pub(super) fn send_any_size(&mut self, now: u64, sent: &Sent<'_>) -> Result<()> {
        let mtu = self.mtu(Path::Link);
        if sent.len() <= mtu {
            self.send_by_neighbour(now, sent);
            return Ok(());
        }
        if !sent.may_be_cut() || sent.len() - sent.header_len() > usize::from(u16::MAX) {
            return Err(Errno::EMSGSIZE);
        }
        let (from, to, header) = (sent.from(), sent.to(), sent.header_len());
        let extra = match to {
            IpAddress::Ipv4(_) => 0,
            IpAddress::Ipv6(_) => fragments::HEADER6,
        };
        let mut whole = zeroes(sent.len())?;
        sent.emit(&mut whole, true);
        let (front, data) = whole.split_at(header);
        let (room, ident) = (piece(mtu, header + extra), self.host.random() as u32);
        let mut packet = zeroes(mtu)?;
        for (index, part) in data.chunks(room).enumerate() {
            let offset = index * room;
            let more = offset + part.len() < data.len();
            let bytes = &mut packet[..header + extra + part.len()];
            bytes[..header].copy_from_slice(front);
            bytes[header + extra..].copy_from_slice(part);
            match to {
                IpAddress::Ipv4(_) => make_ipv4(bytes, ident as u16, offset, more),
                IpAddress::Ipv6(_) => make_ipv6(bytes, ident, offset, more),
            }
            let body = Body::Ready(from, to, bytes);
            if let Some(fragment) = Sent::new(body, &Settings::default()) {
                self.send_by_neighbour(now, &fragment);
            }
        }
        Ok(())
    }

    /// Sends a packet to a card whose address is known.
    pub(super) fn send_to_hardware(&mut self, to: EthernetAddress, sent: &Sent<'_>) {
        let Some(interface) = self.interface else {
            return;
        };
        let unfinished = sent.unfinished(ETHERNET, &interface.offloads);
        let fill = &mut |bytes: &mut [u8]| sent.emit(bytes, unfinished.is_none());
        self.send_on_wire(to, protocol_of(sent.to()), sent.len(), unfinished, fill);
    }

    /// Bytes of data in the largest segment on such a way that the card cuts; zero
    /// if it does not.
    pub(super) fn most_to_cut(&self, path: Path, to: IpAddress) -> usize {
        match path {
            Path::Link => {}
            // Nobody sees segments to an end on this machine.
            Path::Local => return usize::MAX,
            _ => return 0,
        }
        let Some(interface) = &self.interface else {
            return 0;
        };
        let Offloads {
            cuts_ipv4,
            cuts_ipv6,
            largest_frame,
            ..
        } = interface.offloads;
        let (cuts, header) = match to {
            IpAddress::Ipv4(_) => (cuts_ipv4, HEADER),
            IpAddress::Ipv6(_) => (cuts_ipv6, HEADER6),
        };
        match cuts {
            true => largest_frame.saturating_sub(ETHERNET + header + LONGEST_HEADER),
            false => 0,
        }
    }

    fn send_on_wire(
        &mut self,
        to: EthernetAddress,
        protocol: EthernetProtocol,
        length: usize,
        unfinished: Option<Unfinished>,
        fill: &mut dyn FnMut(&mut [u8]),
    ) {
        let Some(interface) = self.interface else {
            return;
        };
        self.host
            .send_frame(ETHERNET + length, unfinished, &mut |frame| {
                emit_ethernet(frame, interface.hardware, to, protocol);
                fill(&mut frame[ETHERNET..]);
            });
    }

    /// Asks who has an address.
    fn ask(&mut self, wanted: IpAddress) {
        let (wanted, interface) = match (wanted, self.interface) {
            (IpAddress::Ipv4(wanted), Some(interface)) => (wanted, interface),
            (IpAddress::Ipv6(wanted), _) => return self.ask6(wanted),
            _ => return,
        };
        let Some(ipv4) = interface.ipv4 else {
            return;
        };
        let (hardware, address) = (interface.hardware, ipv4.address.address());
        self.host.send_frame(REQUEST, None, &mut |frame| {
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
        let Some((header, _)) = Header::parse(packet.payload, packet.from, packet.to, false) else {
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

fn is_loopback(address: IpAddress) -> bool {
    match address {
        IpAddress::Ipv4(address) => address.is_loopback(),
        IpAddress::Ipv6(address) => address.is_loopback(),
    }
}

fn protocol_of(address: IpAddress) -> EthernetProtocol {
    match address {
        IpAddress::Ipv4(_) => EthernetProtocol::Ipv4,
        IpAddress::Ipv6(_) => EthernetProtocol::Ipv6,
    }
}

/// Room for a packet. `ENOMEM`.
pub(super) fn zeroes(length: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(|_| Errno::ENOMEM)?;
    bytes.resize(length, 0);
    Ok(bytes)
}
