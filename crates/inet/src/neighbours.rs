//! Who has which address on the wire (ARP, RFC 826; neighbour discovery, RFC
//! 4861).

use crate::keys::TableHasher;
use crate::{NEVER, SECOND};
use alloc::collections::VecDeque;
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
/// Bytes of packets that wait for one neighbour, and for all, with
/// [`OVERHEAD`] for each.
const MOST_WAITING: usize = 208 << 10;
const MOST_WAITING_IN_ALL: usize = 1 << 20;
/// What a packet that waits costs beside its bytes.
const OVERHEAD: usize = 64;

#[derive(Debug)]
struct Neighbour {
    hardware: Option<EthernetAddress>,
    /// When it was last heard of.
    heard: u64,
    /// When it was last asked, and how often without an answer.
    asked: u64,
    tries: u8,
    /// IP packets for it.
    waiting: VecDeque<Vec<u8>>,
    held: usize,
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
    /// What all hold that waits.
    held: usize,
}

impl Neighbours {
    pub fn new(hasher: TableHasher) -> Neighbours {
        Neighbours {
            table: HashMap::with_hasher(hasher),
            asked: Vec::new(),
            held: 0,
        }
    }

    /// How many packets wait. Walks over all neighbours: for tests and tables.
    pub fn waiting(&self) -> usize {
        self.table.values().map(|one| one.waiting.len()).sum()
    }

    /// Forgets all: the interface has another address.
    pub fn clear(&mut self) {
        self.table.clear();
        self.asked.clear();
        self.held = 0;
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
                Some(oldest) => drop(self.remove(&oldest)),
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
            waiting: VecDeque::new(),
            held: 0,
        };
        self.table.insert(address, neighbour);
        true
    }

    fn remove(&mut self, address: &IpAddress) -> VecDeque<Vec<u8>> {
        let Some(gone) = self.table.remove(address) else {
            return VecDeque::new();
        };
        self.held -= gone.held;
        gone.waiting
    }

    /// Keeps a packet until the neighbour answers; the oldest gives way.
    pub fn keep(&mut self, to: IpAddress, packet: Vec<u8>) {
        let Some(neighbour) = self.table.get_mut(&to) else {
            return;
        };
        let cost = |packet: &Vec<u8>| packet.len() + OVERHEAD;
        let added = cost(&packet);
        while neighbour.held + added > MOST_WAITING {
            let Some(oldest) = neighbour.waiting.pop_front() else {
                return;
            };
            neighbour.held -= cost(&oldest);
            self.held -= cost(&oldest);
        }
        if self.held + added <= MOST_WAITING_IN_ALL && neighbour.waiting.try_reserve(1).is_ok() {
            neighbour.waiting.push_back(packet);
            neighbour.held += added;
            self.held += added;
        }
    }

    /// A neighbour is heard of: the packets that have waited for it. Only
    /// those that were asked for are learnt.
    pub fn heard(
        &mut self,
        now: u64,
        from: IpAddress,
        hardware: EthernetAddress,
    ) -> VecDeque<Vec<u8>> {
        let Some(neighbour) = self.table.get_mut(&from).filter(|_| hardware.is_unicast()) else {
            return VecDeque::new();
        };
        (neighbour.hardware, neighbour.heard) = (Some(hardware), now);
        neighbour.tries = 0;
        let waiting = core::mem::take(&mut neighbour.waiting);
        self.held -= core::mem::take(&mut neighbour.held);
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
    pub fn on_time(&mut self, now: u64) -> Option<(IpAddress, Option<VecDeque<Vec<u8>>>)> {
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
        Some((address, Some(self.remove(&address))))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Keys;

    /// What waits is bounded for one and for all, and nothing stays counted.
    #[test]
    fn what_waits_is_bounded() {
        let mut table = Neighbours::new(Keys::new(|| 3).hasher());
        let at = |last| IpAddress::v4(10, 0, 0, last);
        for number in 0..2000u32 {
            let to = at((number % 100) as u8);
            table.way(0, to);
            table.keep(to, vec![0; 1500]);
        }
        assert!(table.held <= MOST_WAITING_IN_ALL);
        assert!(table.held > MOST_WAITING_IN_ALL / 2);
        let hardware = EthernetAddress([2; 6]);
        assert!(!table.heard(1, at(0), hardware).is_empty());
        for step in 1..10 {
            while table.on_time(step * SECOND).is_some() {}
        }
        assert_eq!(table.held, 0);
        table.way(20 * SECOND, at(200));
        for _ in 0..2000 {
            table.keep(at(200), vec![0; 1500]);
        }
        assert!(table.held <= MOST_WAITING);
    }
}
