//! The card's IPv6 addresses: routers' advertisements, neighbours, echoes, and
//! messages that make no sense.

mod common;

use common::*;
use paddock_inet::{Plan, Stack};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::time::Duration;
use smoltcp::wire::{
    Icmpv6Packet, Icmpv6Repr, IpProtocol, Ipv6Address, Ipv6Cidr, Ipv6Packet, Ipv6Repr,
    NdiscNeighborFlags, NdiscPrefixInfoFlags, NdiscPrefixInformation, NdiscRepr, NdiscRouterFlags,
};

const ROUTER: Ipv6Address = Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xff);
const ALL_NODES: Ipv6Address = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const PREFIX: Ipv6Address = Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0);

/// A side's address of the link.
fn link(side: usize) -> Ipv6Address {
    Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, side as u16 + 1)
}

/// A side's address of the prefix.
fn global(side: usize) -> Ipv6Address {
    Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0xff, 0xfe00, side as u16 + 1)
}

/// A packet of ICMPv6 whose sender is a neighbour.
fn message(from: Ipv6Address, to: Ipv6Address, hops: u8, repr: &Icmpv6Repr<'_>) -> Vec<u8> {
    let header = Ipv6Repr {
        src_addr: from,
        dst_addr: to,
        next_header: IpProtocol::Icmpv6,
        payload_len: repr.buffer_len(),
        hop_limit: hops,
    };
    let mut bytes = vec![0; 40 + repr.buffer_len()];
    let mut packet = Ipv6Packet::new_unchecked(&mut bytes[..]);
    header.emit(&mut packet);
    let mut icmp = Icmpv6Packet::new_unchecked(packet.payload_mut());
    repr.emit(&from, &to, &mut icmp, &ChecksumCapabilities::default());
    bytes
}

fn advertisement(router_seconds: u64, prefix_seconds: u64) -> Icmpv6Repr<'static> {
    Icmpv6Repr::Ndisc(NdiscRepr::RouterAdvert {
        hop_limit: 64,
        flags: NdiscRouterFlags::empty(),
        router_lifetime: Duration::from_secs(router_seconds),
        reachable_time: Duration::ZERO,
        retrans_time: Duration::ZERO,
        lladdr: Some(hardware(7).into()),
        mtu: None,
        prefix_info: Some(NdiscPrefixInformation {
            prefix_len: 64,
            flags: NdiscPrefixInfoFlags::ON_LINK | NdiscPrefixInfoFlags::ADDRCONF,
            valid_lifetime: Duration::from_secs(prefix_seconds),
            preferred_lifetime: Duration::from_secs(prefix_seconds),
            prefix: PREFIX,
        }),
    })
}

fn plain() -> Network {
    let wire = Wire {
        delay: MS,
        ..Wire::default()
    };
    let mut network = Network::new(21, wire);
    for stack in &mut network.stacks {
        stack.plan_ipv6(Plan::Automatic);
    }
    network.pass(2 * SECOND);
    network
}

fn advertise(network: &mut Network, side: usize, hops: u8, router: u64, prefix: u64) {
    let packet = message(ROUTER, ALL_NODES, hops, &advertisement(router, prefix));
    let now = network.now;
    network.stacks[side].on_packet(now, &packet);
}

fn addresses(network: &Network, side: usize) -> Vec<Ipv6Address> {
    let own = network.stacks[side].ipv6_addresses();
    own.map(|own| own.address()).collect()
}

#[test]
fn addresses_come_and_go_as_routers_say() {
    let mut network = plain();
    assert_eq!(addresses(&network, 0), [link(0)]);
    advertise(&mut network, 0, 64, 1800, 9000);
    assert_eq!(
        network.stacks[0].ipv6_router(),
        None,
        "it came from afar: forged"
    );
    advertise(&mut network, 0, 255, 1800, 9000);
    assert_eq!(addresses(&network, 0), [link(0)], "it may be another's");
    network.pass(2 * SECOND);
    assert_eq!(addresses(&network, 0), [link(0), global(0)]);
    assert_eq!(network.stacks[0].ipv6_router(), Some(ROUTER));
    // A prefix is not taken back at once.
    advertise(&mut network, 0, 255, 0, 0);
    assert_eq!(network.stacks[0].ipv6_router(), None);
    network.pass(3600 * SECOND);
    assert_eq!(addresses(&network, 0), [link(0), global(0)]);
    network.pass(3700 * SECOND);
    assert_eq!(addresses(&network, 0), [link(0)]);
}

#[test]
fn routers_are_asked_for_three_times() {
    let mut stack = Stack::new(machine(4));
    stack.set_interface(Some(interface(0)));
    stack.plan_ipv6(Plan::Automatic);
    let mut asked = 0;
    for second in 1..60 {
        stack.on_time(second * SECOND);
        for frame in std::mem::take(&mut stack.host().frames) {
            // The type of a message of ICMPv6 without options before it.
            asked += usize::from(frame[14 + 40] == 133);
        }
    }
    assert_eq!(asked, 3);
}

#[test]
fn an_address_of_somebody_else_is_not_taken() {
    for asks in [false, true] {
        let mut stack = Stack::new(machine(4));
        stack.set_interface(Some(interface(0)));
        let given = Ipv6Cidr::new(global(0), 64);
        stack.plan_ipv6(Plan::Given(given, Some(ROUTER)));
        stack.on_time(SECOND);
        let (from, to, objection) = match asks {
            true => (
                Ipv6Address::UNSPECIFIED,
                Ipv6Address::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 1),
                NdiscRepr::NeighborSolicit {
                    target_addr: global(0),
                    lladdr: None,
                },
            ),
            false => (
                global(0),
                ALL_NODES,
                NdiscRepr::NeighborAdvert {
                    flags: NdiscNeighborFlags::OVERRIDE,
                    target_addr: global(0),
                    lladdr: Some(hardware(1).into()),
                },
            ),
        };
        stack.on_packet(
            SECOND,
            &message(from, to, 255, &Icmpv6Repr::Ndisc(objection)),
        );
        stack.on_time(3 * SECOND);
        let own: Vec<_> = stack.ipv6_addresses().map(|own| own.address()).collect();
        assert_eq!(own, [link(0)]);
    }
}

#[test]
fn echoes_come_back() {
    let mut network = plain();
    let request = Icmpv6Repr::EchoRequest {
        ident: 5,
        seq_no: 6,
        data: b"who is there",
    };
    let now = network.now;
    network.stacks[1].on_packet(now, &message(link(0), link(1), 64, &request));
    let mut heard = 0;
    for _ in 0..4 {
        for frame in std::mem::take(&mut network.stacks[1].host().frames) {
            heard += usize::from(frame[54] == 129 && frame.ends_with(b"who is there"));
            deliver(&mut network.stacks[0], now, &frame);
        }
        for frame in std::mem::take(&mut network.stacks[0].host().frames) {
            deliver(&mut network.stacks[1], now, &frame);
        }
    }
    assert_eq!(heard, 1);
}

/// Messages with wrong bytes and right checksums, for which nothing breaks and
/// no more memory is needed.
#[test]
fn changed_messages_do_no_harm() {
    let mut network = plain();
    let kinds = [
        advertisement(1800, 9000),
        Icmpv6Repr::Ndisc(NdiscRepr::NeighborSolicit {
            target_addr: link(0),
            lladdr: Some(hardware(1).into()),
        }),
        Icmpv6Repr::Ndisc(NdiscRepr::NeighborAdvert {
            flags: NdiscNeighborFlags::OVERRIDE,
            target_addr: link(1),
            lladdr: Some(hardware(1).into()),
        }),
        Icmpv6Repr::EchoRequest {
            ident: 1,
            seq_no: 2,
            data: &[9; 60],
        },
    ];
    let packets: Vec<_> = kinds
        .iter()
        .map(|kind| message(link(1), link(0), 255, kind))
        .collect();
    let mut random = Random::new(5);
    for step in 0..200_000 {
        let mut packet = packets[random.below(packets.len() as u64) as usize].clone();
        for _ in 0..random.below(4) {
            let place = 40 + random.below(packet.len() as u64 - 40) as usize;
            packet[place] = random.next() as u8;
        }
        if random.percent(20) {
            packet.truncate(44 + random.below(60) as usize);
            let length = (packet.len() - 40) as u16;
            packet[4..6].copy_from_slice(&length.to_be_bytes());
        }
        let mut icmp = Icmpv6Packet::new_unchecked(&mut packet[40..]);
        icmp.fill_checksum(&link(1), &link(0));
        let now = network.now + step * 100_000;
        network.stacks[0].on_packet(now, &packet);
        network.stacks[0].on_time(now);
        network.stacks[0].host().frames.clear();
    }
    assert!(addresses(&network, 0).len() <= 4);
    assert!(network.stacks[0].neighbours().unwrap().len() <= 1024);
}
