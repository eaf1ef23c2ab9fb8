//! Two stacks with all kinds of sockets, for frames that nobody should send.

#![allow(dead_code, reason = "each fuzzer uses a part")]

use super::common::*;
use paddock_abi::Errno;
use paddock_inet::{Delivery, Id, Local, Plan, Settings};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, Icmpv4Packet, Icmpv6Packet, Icmpv6Repr, IpAddress, IpEndpoint,
    IpProtocol, Ipv4Packet, Ipv6Address, Ipv6Packet, NdiscPrefixInfoFlags, NdiscPrefixInformation,
    NdiscRepr, NdiscRouterFlags, TcpPacket, UdpPacket,
};

/// Bytes of an Ethernet header.
pub const ETHERNET: usize = 14;
/// What one frame may have a stack send at once, beside what waits for a neighbour.
pub const MOST_ANSWERS: usize = 8;

pub fn link(side: usize) -> Ipv6Address {
    Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, side as u16 + 1)
}

/// Two stacks with all kinds of sockets, and the frames of what they did.
pub struct World {
    pub network: Network,
    pub listener: Id,
    pub sockets: [Id; 2],
    pub connections: Vec<(usize, Id)>,
    pub frames: Vec<(usize, Vec<u8>)>,
}

impl World {
    pub fn new(seed: u64) -> World {
        let wire = Wire {
            delay: MS,
            ..Wire::default()
        };
        let mut network = Network::new(seed, wire);
        network.trace = Some(Vec::new());
        for stack in &mut network.stacks {
            stack.plan_ipv6(Plan::Automatic);
        }
        network.pass(2 * SECOND);
        let (listener, _) = network.listen(80, 64, Settings::default());
        let sockets = [0, 1].map(|side| open(&mut network, side));
        let mut world = World {
            network,
            listener,
            sockets,
            connections: Vec::new(),
            frames: vec![(0, advertisement()), (1, advertisement())],
        };
        world.talk();
        world.frames.extend(world.network.trace.take().unwrap());
        world
    }

    /// Does everything once: connections that stay and that end, datagrams,
    /// errors.
    pub fn talk(&mut self) {
        for end in [endpoint(1, 80), IpEndpoint::new(link(1).into(), 80)] {
            for stays in [true, false] {
                let pair = self.connect(end);
                for (side, id) in pair {
                    let now = self.network.now;
                    let stack = &mut self.network.stacks[side];
                    assert_eq!(stack.write(now, id, b"some data"), Ok(9));
                    self.network.pass(300 * MS);
                    let now = self.network.now;
                    let stack = &mut self.network.stacks[1 - side];
                    let other = pair[1 - side].1;
                    assert_eq!(stack.read(now, other, &mut [0; 64]), Ok(9));
                }
                if stays {
                    self.connections.extend(pair);
                    continue;
                }
                for (side, id) in pair {
                    self.network.stacks[side].close(self.network.now, id, false);
                    self.network.pass(300 * MS);
                }
            }
        }
        for address in [address(1).into(), IpAddress::Ipv6(link(1))] {
            for port in [53, 54] {
                let (now, to) = (self.network.now, IpEndpoint::new(address, port));
                let stack = &mut self.network.stacks[0];
                let set = Settings {
                    any: Local::Any,
                    ..Settings::default()
                };
                let sent = stack.udp_send(now, self.sockets[0], b"hello", &Delivery::to(to), &set);
                assert_eq!(sent, Ok(()));
                self.network.pass(300 * MS);
            }
        }
    }

    /// A connection from side 0 to side 1: both ends.
    pub fn connect(&mut self, to: IpEndpoint) -> [(usize, Id); 2] {
        let (now, account) = (self.network.now, self.network.account.clone());
        let settings = Settings {
            any: Local::Any,
            ..Settings::default()
        };
        let stack = &mut self.network.stacks[0];
        let client = stack.connect(now, None, to, settings, Watcher::default(), &account);
        let client = client.unwrap();
        let own = self.network.stacks[0].ends(client).unwrap().0;
        self.network.pass(4 * SECOND);
        while let Ok((accepted, _)) = self.network.accept(self.listener) {
            if accepted.remote == own {
                return [(0, client), (1, accepted.id)];
            }
            self.connections.push((1, accepted.id));
        }
        panic!("who means well is served: {own} to {to}");
    }

    /// A frame comes; what is sent because of it goes nowhere.
    pub fn deliver(&mut self, to: usize, frame: &[u8]) {
        if frame.len() < ETHERNET {
            return;
        }
        // An answer of a neighbour releases what was to go there.
        let most = MOST_ANSWERS + self.network.stacks[to].waiting_for_neighbours();
        self.network.stacks[to].host().frames.clear();
        deliver(&mut self.network.stacks[to], self.network.now, frame);
        let answers = self.network.stacks[to].host().frames.len();
        assert!(answers <= most, "{answers} answers to {frame:02x?}");
        let (connections, ..) = self.network.stacks[to].counts();
        assert!(connections < 1000, "{connections} connections");
    }

    /// The programs do something.
    pub fn act(&mut self, random: &mut Random) {
        while let Ok((accepted, _)) = self.network.accept(self.listener) {
            self.connections.push((1, accepted.id));
        }
        let (side, id) = self.connections[random.below(self.connections.len() as u64) as usize];
        let now = self.network.now;
        let stack = &mut self.network.stacks[side];
        match random.below(16) {
            0 => drop(stack.shutdown(now, id, false, true)),
            1 => stack.close(now, id, random.percent(50)),
            2..8 => drop(stack.read(now, id, &mut [0; 700])),
            8..12 => drop(stack.write(now, id, &vec![7; random.below(4000) as usize])),
            _ => drop(stack.udp_receive(self.sockets[side], &mut [0; 64], false)),
        }
    }

    /// All is still served, and ends with nothing left.
    pub fn end(mut self) {
        // What lies about neighbours and addresses is forgotten.
        self.network.pass(200 * SECOND);
        for side in 0..2 {
            self.network.stacks[side].set_interface(None);
            self.network.stacks[side].set_interface(Some(interface(side)));
            self.network.stacks[side].plan_ipv6(Plan::Automatic);
        }
        self.network.pass(3 * SECOND);
        for end in [endpoint(1, 80), IpEndpoint::new(link(1).into(), 80)] {
            let pair = self.connect(end);
            self.connections.extend(pair);
        }
        let now = self.network.now;
        for (side, id) in std::mem::take(&mut self.connections) {
            self.network.stacks[side].close(now, id, false);
        }
        for side in 0..2 {
            while self.network.stacks[side].udp_receive(self.sockets[side], &mut [0; 9], false)
                != Err(Errno::EAGAIN)
            {}
            self.network.stacks[side].udp_close(self.sockets[side]);
        }
        self.network.stacks[1].close_listener(now, self.listener);
        self.network.pass(10_000 * SECOND);
        for stack in &self.network.stacks {
            assert_eq!(stack.counts(), (0, 0, 0));
        }
        assert_eq!(self.network.account.bytes(), 0);
    }
}

pub fn open(network: &mut Network, side: usize) -> Id {
    let (watcher, account) = (Watcher::default(), network.account.clone());
    let stack = &mut network.stacks[side];
    let id = stack.udp_open(watcher, &account).unwrap();
    let settings = Settings::default();
    stack.udp_bind(id, Local::Any, 53, &settings).unwrap();
    id
}

/// A router tells of itself and of a prefix.
pub fn advertisement() -> Vec<u8> {
    let from = Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xff);
    let to = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    let seconds = smoltcp::time::Duration::from_secs;
    let message = Icmpv6Repr::Ndisc(NdiscRepr::RouterAdvert {
        hop_limit: 64,
        flags: NdiscRouterFlags::empty(),
        router_lifetime: seconds(60),
        reachable_time: seconds(0),
        retrans_time: seconds(0),
        lladdr: Some(hardware(7).into()),
        mtu: Some(1500),
        prefix_info: Some(NdiscPrefixInformation {
            prefix_len: 64,
            flags: NdiscPrefixInfoFlags::ON_LINK | NdiscPrefixInfoFlags::ADDRCONF,
            valid_lifetime: seconds(30),
            preferred_lifetime: seconds(30),
            prefix: Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0),
        }),
    });
    let mut frame = vec![0; ETHERNET + 40 + message.buffer_len()];
    let mut ethernet = EthernetFrame::new_unchecked(&mut frame[..]);
    ethernet.set_src_addr(hardware(7));
    ethernet.set_ethertype(EthernetProtocol::Ipv6);
    let mut packet = Ipv6Packet::new_unchecked(ethernet.payload_mut());
    packet.set_version(6);
    packet.set_payload_len(message.buffer_len() as u16);
    packet.set_next_header(IpProtocol::Icmpv6);
    packet.set_hop_limit(255);
    packet.set_src_addr(from);
    packet.set_dst_addr(to);
    let mut inner = Icmpv6Packet::new_unchecked(packet.payload_mut());
    message.emit(&from, &to, &mut inner, &ChecksumCapabilities::default());
    frame
}

/// Makes checksums right, so that what is inside is looked at.
pub fn mend(frame: &mut [u8]) {
    if frame.len() < ETHERNET {
        return;
    }
    let mut ethernet = EthernetFrame::new_unchecked(frame);
    if let Ok(mut packet) = Ipv4Packet::new_checked(ethernet.payload_mut()) {
        packet.fill_checksum();
        let (from, to) = (packet.src_addr().into(), packet.dst_addr().into());
        let protocol = packet.next_header();
        return mend_inside(protocol, packet.payload_mut(), from, to);
    }
    if let Ok(mut packet) = Ipv6Packet::new_checked(ethernet.payload_mut()) {
        let (from, to) = (packet.src_addr().into(), packet.dst_addr().into());
        let protocol = packet.next_header();
        mend_inside(protocol, packet.payload_mut(), from, to);
    }
}

pub fn mend_inside(protocol: IpProtocol, bytes: &mut [u8], from: IpAddress, to: IpAddress) {
    match (protocol, from, to) {
        (IpProtocol::Tcp, ..) => {
            if let Ok(mut segment) = TcpPacket::new_checked(bytes) {
                segment.fill_checksum(&from, &to);
            }
        }
        (IpProtocol::Udp, ..) => {
            if let Ok(mut datagram) = UdpPacket::new_checked(bytes) {
                datagram.fill_checksum(&from, &to);
            }
        }
        (IpProtocol::Icmp, ..) => {
            if let Ok(mut message) = Icmpv4Packet::new_checked(bytes) {
                message.fill_checksum();
            }
        }
        (IpProtocol::Icmpv6, IpAddress::Ipv6(from), IpAddress::Ipv6(to)) => {
            if let Ok(mut message) = Icmpv6Packet::new_checked(bytes) {
                message.fill_checksum(&from, &to);
            }
        }
        _ => {}
    }
}

/// One change of a byte, or of the length there.
pub fn change(frame: &mut Vec<u8>, at: usize, how: u64) {
    match how {
        0 => frame[at] = 0,
        1 => frame[at] = 0xff,
        2 => frame[at] = frame[at].wrapping_add(1),
        3 => frame[at] = frame[at].wrapping_sub(1),
        4..12 => frame[at] ^= 1 << (how - 4),
        12 => frame.truncate(at),
        13 => frame.insert(at, 0),
        14 => drop(frame.remove(at)),
        _ => frame.extend_from_slice(&[0x5a; 9]),
    }
}

/// How many changes there are.
pub const CHANGES: u64 = 16;

/// Dialogues from bytes, as a fuzzer makes them that is guided by coverage.
struct Bytes<'a>(std::slice::Iter<'a, u8>);

impl Bytes<'_> {
    fn next(&mut self) -> Option<u64> {
        self.0.next().map(|byte| u64::from(*byte))
    }

    fn pair(&mut self) -> Option<u64> {
        Some(self.next()? << 8 | self.next()?)
    }
}

/// What a byte of a dialogue says beside how many changes are made (its lowest two
/// bits): checksums stay wrong, the frame goes to the other side, the programs do
/// something, time passes.
const UNMENDED: u64 = 4;
const OTHER_SIDE: u64 = 8;
const ACTS: u64 = 16;
const WAITS: u64 = 32;

/// The dialogue that these bytes are, up to its end; how many frames it has.
pub fn run_input(input: &[u8]) -> u64 {
    let mut bytes = Bytes(input.iter());
    let mut world = World::new(1);
    let mut count = 0;
    while turn(&mut world, &mut bytes).is_some() {
        count += 1;
    }
    world.end();
    count
}

/// One frame, and what else its first byte says. `None` after the last byte.
fn turn(world: &mut World, bytes: &mut Bytes<'_>) -> Option<()> {
    let what = bytes.next()?;
    let index = bytes.next()? as usize % world.frames.len();
    let (side, mut frame) = world.frames[index].clone();
    for _ in 0..what & 3 {
        let (at, how) = (bytes.pair()? as usize, bytes.next()?);
        if let Some(at) = at.checked_rem(frame.len()) {
            match how {
                0..CHANGES => change(&mut frame, at, how),
                value => frame[at] = value as u8,
            }
        }
    }
    if what & UNMENDED == 0 {
        mend(&mut frame);
    }
    let to = side ^ usize::from(what & OTHER_SIDE != 0);
    world.deliver(to, &frame);
    if what & ACTS != 0 {
        world.act(&mut Random::new(bytes.next()?));
    }
    if what & WAITS != 0 {
        world.network.pass(bytes.next()? * 4 * MS);
    }
    Some(())
}
