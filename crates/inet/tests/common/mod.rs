//! Two stacks on one wire, whose frames are lost, doubled and late as a seed
//! says.

#![allow(dead_code, reason = "each test uses a part")]

mod card;

pub use card::Card;
use paddock_abi::Errno;
use paddock_charge::Account;
use paddock_inet::{
    Accepted, Backlog, Burst, Host, Id, Interface, Ipv4, Local, NEVER, Observer, Settings, Stack,
    Unfinished,
};
use paddock_sync::Ready;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, IpAddress,
    IpEndpoint, Ipv4Address, Ipv4Cidr,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

pub const MS: u64 = 1_000_000;
pub const SECOND: u64 = 1000 * MS;

/// A small generator (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 11) % limit.max(1)
    }

    pub fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

/// Who waits, in a test: what it was told.
#[derive(Clone, Default)]
pub struct Watcher(pub Arc<AtomicU32>);

impl Watcher {
    pub fn take(&self) -> Ready {
        Ready::from_bits_truncate(self.0.swap(0, Relaxed))
    }
}

impl Observer for Watcher {
    fn changed(&self, ready: Ready) {
        self.0.fetch_or(ready.bits(), Relaxed);
    }
}

/// The machine of a stack, in a test.
pub struct Machine {
    pub frames: Vec<Vec<u8>>,
    pub services: Vec<Vec<u8>>,
    pub card: Card,
    random: Random,
}

impl Host for Machine {
    type Observer = Watcher;

    fn send_frame(
        &mut self,
        length: usize,
        unfinished: Option<Unfinished>,
        fill: &mut dyn FnMut(&mut [u8]),
    ) {
        let mut frame = vec![0; length];
        fill(&mut frame);
        self.frames.extend(self.card.finish(frame, unfinished));
    }

    fn send_to_services(&mut self, length: usize, fill: &mut dyn FnMut(&mut [u8])) {
        let mut packet = vec![0; length];
        fill(&mut packet);
        self.services.push(packet);
    }

    fn is_service(&self, port: u16) -> bool {
        port == 22
    }

    fn is_udp_service(&self, port: u16) -> bool {
        port == 68
    }

    fn random(&mut self) -> u64 {
        self.random.next()
    }
}

pub type TestStack = Stack<Machine>;

pub fn address(side: usize) -> Ipv4Address {
    Ipv4Address::new(10, 0, 0, side as u8 + 1)
}

pub fn endpoint(side: usize, port: u16) -> IpEndpoint {
    IpEndpoint::new(IpAddress::Ipv4(address(side)), port)
}

pub fn hardware(side: usize) -> EthernetAddress {
    EthernetAddress([2, 0, 0, 0, 0, side as u8 + 1])
}

pub fn interface(side: usize) -> Interface {
    Interface {
        hardware: hardware(side),
        mtu: 1500,
        ipv4: Some(Ipv4 {
            address: Ipv4Cidr::new(address(side), 24),
            gateway: Some(Ipv4Address::new(10, 0, 0, 254)),
        }),
        offloads: Card::Plain.offloads(),
    }
}

pub fn machine(seed: u64) -> Machine {
    Machine {
        frames: Vec::new(),
        services: Vec::new(),
        card: Card::Plain,
        random: Random::new(seed),
    }
}

pub fn account() -> Arc<Account> {
    Account::of_user(usize::MAX).unwrap()
}

/// How bad the wire is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wire {
    /// In percent.
    pub loss: u64,
    pub doubled: u64,
    pub late: u64,
    /// One way, in nanoseconds.
    pub delay: u64,
    /// Frames that arrive at once and are taken together, at most. Zero is as one.
    pub burst: usize,
}

/// Two stacks on a wire.
pub struct Network {
    pub now: u64,
    pub stacks: [TestStack; 2],
    pub account: Arc<Account>,
    pub random: Random,
    pub wire: Wire,
    pub sent: usize,
    /// What side 0 has sent, if it is kept; and which of it are lost.
    pub log: Option<Vec<Vec<u8>>>,
    pub lost: BTreeSet<usize>,
    /// What both have sent and to which side, if it is kept.
    pub trace: Option<Vec<(usize, Vec<u8>)>>,
    /// Frames on their way, by time and number.
    under_way: BTreeMap<(u64, u64), (usize, Vec<u8>)>,
    number: u64,
}

impl Network {
    pub fn new(seed: u64, wire: Wire) -> Network {
        let stack = |side: usize| {
            let mut stack = Stack::new(machine(seed * 2 + side as u64));
            stack.set_interface(Some(interface(side)));
            stack
        };
        Network {
            now: SECOND,
            stacks: [stack(0), stack(1)],
            account: account(),
            random: Random::new(seed),
            wire,
            sent: 0,
            log: None,
            lost: BTreeSet::new(),
            trace: None,
            under_way: BTreeMap::new(),
            number: 0,
        }
    }

    /// Gives both sides such a card.
    pub fn set_card(&mut self, card: Card) {
        for (side, stack) in self.stacks.iter_mut().enumerate() {
            stack.host().card = card;
            stack.set_interface(Some(Interface {
                offloads: card.offloads(),
                ..interface(side)
            }));
        }
    }

    /// Puts what the stacks have sent on the wire.
    pub fn collect(&mut self) {
        for side in 0..2 {
            for frame in std::mem::take(&mut self.stacks[side].host().frames) {
                self.sent += 1;
                if let Some(trace) = &mut self.trace {
                    trace.push((1 - side, frame.clone()));
                }
                if side == 0 && self.is_lost(&frame) {
                    continue;
                }
                let arp = EthernetFrame::new_checked(&frame[..]).unwrap().ethertype()
                    == EthernetProtocol::Arp;
                // Of neighbours there is a test of its own.
                if !arp && self.random.percent(self.wire.loss) {
                    continue;
                }
                let (to, frame) = match arp {
                    // The kernel's own stack answers; here the wire does.
                    true => match arp_reply(&frame) {
                        Some(reply) => (side, reply),
                        None => continue,
                    },
                    false => (1 - side, frame),
                };
                if self.random.percent(self.wire.doubled) {
                    self.put(to, frame.clone());
                }
                self.put(to, frame);
            }
        }
    }

    /// Keeps a frame, if they are kept. Whether it is one of those that get
    /// lost.
    fn is_lost(&mut self, frame: &[u8]) -> bool {
        let Some(log) = &mut self.log else {
            return false;
        };
        log.push(frame.to_vec());
        self.lost.contains(&(log.len() - 1))
    }

    fn put(&mut self, to: usize, frame: Vec<u8>) {
        let mut at = self.now + self.wire.delay;
        if self.random.percent(self.wire.late) {
            at += self.random.below(4 * self.wire.delay + MS);
        }
        self.number += 1;
        self.under_way.insert((at, self.number), (to, frame));
    }

    /// Goes on to the next event, if there is one before `until`.
    pub fn step(&mut self, until: u64) -> bool {
        self.collect();
        let arrival = self.under_way.keys().next().map_or(NEVER, |key| key.0);
        let timers = [self.stacks[0].deadline(), self.stacks[1].deadline()];
        let next = arrival.min(timers[0]).min(timers[1]);
        if next > until {
            self.now = self.now.max(until);
            return false;
        }
        self.now = self.now.max(next);
        if arrival <= next {
            self.arrive();
        }
        for (stack, timer) in self.stacks.iter_mut().zip(timers) {
            if timer <= self.now {
                stack.on_time(self.now);
            }
        }
        self.collect();
        true
    }

    /// The next frames arrive, those for one side at once.
    fn arrive(&mut self) {
        let (_, (to, first)) = self.under_way.pop_first().unwrap();
        let mut frames = vec![first];
        while frames.len() < self.wire.burst
            && let Some(next) = self.under_way.first_entry()
            && next.key().0 <= self.now
            && next.get().0 == to
        {
            frames.push(next.remove().1);
        }
        self.stacks[to].burst(self.now, |burst| {
            for frame in &frames {
                take(burst, frame);
            }
        });
    }

    /// Lets time pass.
    pub fn pass(&mut self, time: u64) {
        let until = self.now + time;
        while self.step(until) {}
    }

    /// A listener of side 1.
    pub fn listen(&mut self, port: u16, backlog: usize, settings: Settings) -> (Id, Watcher) {
        let (watcher, account) = (Watcher::default(), self.account.clone());
        let stack = &mut self.stacks[1];
        let claim = stack.bind(Local::Any, port, &settings).unwrap();
        let backlog = Backlog::new(backlog);
        let id = stack.listen(claim, backlog, settings, watcher.clone(), account);
        (id.unwrap(), watcher)
    }

    /// Begins a connection from side 0 to side 1.
    pub fn connect(&mut self, port: u16, settings: Settings) -> (Id, Watcher) {
        let (watcher, account) = (Watcher::default(), self.account.clone());
        let (now, to) = (self.now, endpoint(1, port));
        let id = self.stacks[0].connect(now, None, to, settings, watcher.clone(), &account);
        (id.unwrap(), watcher)
    }

    pub fn accept(&mut self, listener: Id) -> Result<(Accepted, Watcher), Errno> {
        let watcher = Watcher::default();
        let account = self.account.clone();
        let accepted = self.stacks[1].accept(listener, watcher.clone(), &account)?;
        Ok((accepted, watcher))
    }

    /// A connection that is there on both sides.
    pub fn pair(&mut self, settings: Settings) -> (Id, Id) {
        self.try_pair(settings).expect("a connection")
    }

    /// The same, unless it fails.
    pub fn try_pair(&mut self, settings: Settings) -> Option<(Id, Id)> {
        let (listener, _) = self.listen(80, 8, settings);
        let (client, _) = self.connect(80, settings);
        for _ in 0..1000 {
            if let Ok((accepted, _)) = self.accept(listener) {
                return Some((client, accepted.id));
            }
            let until = self.now + 300 * SECOND;
            self.step(until);
        }
        None
    }
}

pub fn deliver(stack: &mut TestStack, now: u64, frame: &[u8]) {
    stack.burst(now, |burst| take(burst, frame));
}

fn take(burst: &mut Burst<'_, Machine>, frame: &[u8]) {
    let Ok(frame) = EthernetFrame::new_checked(frame) else {
        return;
    };
    match frame.ethertype() {
        EthernetProtocol::Arp => burst.arp(frame.payload()),
        EthernetProtocol::Ipv4 | EthernetProtocol::Ipv6 => burst.packet(frame.payload(), false),
        _ => {}
    }
}

/// What the owner of an address says to a request.
fn arp_reply(frame: &[u8]) -> Option<Vec<u8>> {
    let request = ArpPacket::new_checked(&frame[14..]).unwrap();
    let ArpRepr::EthernetIpv4 {
        source_hardware_addr,
        source_protocol_addr,
        target_protocol_addr,
        ..
    } = ArpRepr::parse(&request).unwrap()
    else {
        return None;
    };
    let side = usize::from(target_protocol_addr.octets()[3]).wrapping_sub(1);
    if side > 1 {
        return None;
    }
    let mut reply = vec![0; frame.len()];
    let mut ethernet = EthernetFrame::new_unchecked(&mut reply[..]);
    ethernet.set_dst_addr(source_hardware_addr);
    ethernet.set_src_addr(hardware(side));
    ethernet.set_ethertype(EthernetProtocol::Arp);
    let repr = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Reply,
        source_hardware_addr: hardware(side),
        source_protocol_addr: target_protocol_addr,
        target_hardware_addr: source_hardware_addr,
        target_protocol_addr: source_protocol_addr,
    };
    repr.emit(&mut ArpPacket::new_unchecked(&mut reply[14..]));
    Some(reply)
}

/// The byte of a stream at a place.
pub fn byte_at(salt: u64, place: usize) -> u8 {
    let mixed = (place as u64).wrapping_mul(0x9e37_79b9) ^ salt;
    (mixed ^ mixed >> 13 ^ mixed >> 29) as u8
}
