//! Who has which address on the wire (ARP, RFC 826; neighbour discovery, RFC
//! 4861).

use crate::keys::TableHasher;
use crate::{NEVER, SECOND};
use alloc::vec::Vec;
use hashbrown::HashMap;
use smoltcp::wire::{
    ArpHardware, ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame,
    EthernetProtocol, IpAddress, Ipv4Address,
};

/// Bytes of an Ethernet header.
pub const ETHERNET: usize = 14;
/// Bytes of a request with its Ethernet header.
pub const REQUEST: usize = ETHERNET + 28;
/// How long an answer holds without another look, in nanoseconds.
const FRESH: u64 = 60 * SECOND;
/// How long an answer may take, in nanoseconds.
const PATIENCE: u64 = SECOND;
/// How often is asked before a neighbour is taken to be gone.
const TRIES: u8 = 3;
/// The most neighbours that are kept.
const MOST: usize = 1024;
/// The most packets that wait for one neighbour.
const MOST_WAITING: usize = 16;

#[derive(Debug)]
struct Neighbour {
    hardware: Option<EthernetAddress>,
    /// When it was last heard of.
    heard: u64,
    /// When it was last asked, and how often without an answer.
    asked: u64,
    tries: u8,
    /// IP packets for it.
    waiting: Vec<Vec<u8>>,
}

/// What to do with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// Where it goes; if not known, it has to be [kept](Neighbours::keep).
    pub hardware: Option<EthernetAddress>,
    /// Whether the neighbour is to be asked for.
    pub ask: bool,
}

/// The table of neighbours.
#[derive(Debug)]
pub struct Neighbours {
    table: HashMap<IpAddress, Neighbour, TableHasher>,
    /// Those that were asked and have not answered.
    asked: Vec<IpAddress>,
}

impl Neighbours {
    pub fn new(hasher: TableHasher) -> Neighbours {
        Neighbours {
            table: HashMap::with_hasher(hasher),
            asked: Vec::new(),
        }
    }

    /// Forgets all: the interface has another address.
    pub fn clear(&mut self) {
        self.table.clear();
        self.asked.clear();
    }

    /// All that are known, for listings.
    pub fn iter(&self) -> impl Iterator<Item = (IpAddress, EthernetAddress)> {
        let known = |(address, it): (&IpAddress, &Neighbour)| Some((*address, it.hardware?));
        self.table.iter().filter_map(known)
    }

    /// The way to a neighbour.
    pub fn way(&mut self, now: u64, to: IpAddress) -> Way {
        let nothing = Way {
            hardware: None,
            ask: false,
        };
        if !self.table.contains_key(&to) && !self.make(now, to) {
            return nothing;
        }
        let Some(neighbour) = self.table.get_mut(&to) else {
            return nothing;
        };
        let is_fresh = neighbour.hardware.is_some() && now.saturating_sub(neighbour.heard) < FRESH;
        let ask = !is_fresh && neighbour.tries == 0;
        if ask && self.asked.try_reserve(1).is_ok() {
            (neighbour.asked, neighbour.tries) = (now, 1);
            self.asked.push(to);
        }
        Way {
            hardware: neighbour.hardware,
            ask,
        }
    }

    fn make(&mut self, now: u64, address: IpAddress) -> bool {
        if self.table.len() >= MOST {
            let idle = |it: &Neighbour| it.tries == 0;
            let oldest = self.table.iter().filter(|(_, it)| idle(it));
            let oldest = oldest.min_by_key(|(_, it)| it.heard).map(|(at, _)| *at);
            match oldest {
                Some(oldest) => drop(self.table.remove(&oldest)),
                None => return false,
            }
        }
        if self.table.try_reserve(1).is_err() {
            return false;
        }
        let neighbour = Neighbour {
            hardware: None,
            heard: now,
            asked: 0,
            tries: 0,
            waiting: Vec::new(),
        };
        self.table.insert(address, neighbour);
        true
    }

    /// Keeps a packet until the neighbour answers; the oldest gives way.
    pub fn keep(&mut self, to: IpAddress, packet: Vec<u8>) {
        let Some(neighbour) = self.table.get_mut(&to) else {
            return;
        };
        if neighbour.waiting.len() >= MOST_WAITING {
            neighbour.waiting.remove(0);
        }
        if neighbour.waiting.try_reserve(1).is_ok() {
            neighbour.waiting.push(packet);
        }
    }

    /// A neighbour is heard of: the packets that have waited for it. Only
    /// those that were asked for are learnt.
    pub fn heard(&mut self, now: u64, from: IpAddress, hardware: EthernetAddress) -> Vec<Vec<u8>> {
        let Some(neighbour) = self.table.get_mut(&from).filter(|_| hardware.is_unicast()) else {
            return Vec::new();
        };
        (neighbour.hardware, neighbour.heard) = (Some(hardware), now);
        neighbour.tries = 0;
        let waiting = core::mem::take(&mut neighbour.waiting);
        self.asked.retain(|address| *address != from);
        waiting
    }

    /// When [`Self::on_time`] is to be called, in nanoseconds.
    pub fn deadline(&self) -> u64 {
        let times = self.asked.iter().filter_map(|at| self.table.get(at));
        let next = times.map(|neighbour| neighbour.asked + PATIENCE).min();
        next.unwrap_or(NEVER)
    }

    /// A neighbour that did not answer: to be asked again, or gone with the
    /// packets that have waited for it.
    pub fn on_time(&mut self, now: u64) -> Option<(IpAddress, Option<Vec<Vec<u8>>>)> {
        let is_late = |address: &IpAddress| {
            let asked = self.table.get(address).map_or(0, |it| it.asked);
            now >= asked + PATIENCE
        };
        let at = self.asked.iter().position(is_late)?;
        let address = self.asked[at];
        let neighbour = self.table.get_mut(&address);
        if let Some(neighbour) = neighbour.filter(|it| it.tries < TRIES) {
            (neighbour.tries, neighbour.asked) = (neighbour.tries + 1, now);
            return Some((address, None));
        }
        self.asked.swap_remove(at);
        let gone = self.table.remove(&address);
        Some((address, Some(gone.map_or(Vec::new(), |it| it.waiting))))
    }
}

/// Writes a request of ARP for `wanted` into a frame of [`REQUEST`] bytes.
pub fn emit_request(
    frame: &mut [u8],
    hardware: EthernetAddress,
    address: Ipv4Address,
    wanted: Ipv4Address,
) {
    emit_ethernet(
        frame,
        hardware,
        EthernetAddress::BROADCAST,
        EthernetProtocol::Arp,
    );
    let request = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Request,
        source_hardware_addr: hardware,
        source_protocol_addr: address,
        target_hardware_addr: EthernetAddress([0; 6]),
        target_protocol_addr: wanted,
    };
    request.emit(&mut ArpPacket::new_unchecked(&mut frame[ETHERNET..]));
}

/// Writes an Ethernet header.
pub fn emit_ethernet(
    frame: &mut [u8],
    from: EthernetAddress,
    to: EthernetAddress,
    protocol: EthernetProtocol,
) {
    let mut frame = EthernetFrame::new_unchecked(frame);
    frame.set_src_addr(from);
    frame.set_dst_addr(to);
    frame.set_ethertype(protocol);
}

/// Who sent an ARP packet. `None` if it makes no sense.
pub fn parse_arp(bytes: &[u8]) -> Option<(Ipv4Address, EthernetAddress)> {
    let packet = ArpPacket::new_checked(bytes).ok()?;
    if packet.hardware_type() != ArpHardware::Ethernet {
        return None;
    }
    match ArpRepr::parse(&packet).ok()? {
        ArpRepr::EthernetIpv4 {
            source_hardware_addr,
            source_protocol_addr,
            ..
        } => Some((source_protocol_addr, source_hardware_addr)),
        _ => None,
    }
}
