//! IPv6: TCP and UDP, and sockets of both families.

mod common;

use common::*;
use paddock_abi::Errno;
use paddock_inet::{Backlog, Delivery, Id, Local, MAX_DATAGRAM, Plan, Settings, State};
use paddock_sync::Ready;
use smoltcp::wire::{IpAddress, IpEndpoint, Ipv4Address, Ipv6Address};

/// A side's address of the link.
fn link(side: usize) -> Ipv6Address {
    Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, side as u16 + 1)
}

fn at(address: Ipv6Address, port: u16) -> IpEndpoint {
    IpEndpoint::new(address.into(), port)
}

/// Sockets of IPv6 that take IPv4, too, and those that do not.
fn both() -> Settings {
    Settings {
        any: Local::Any,
        ..Settings::default()
    }
}

fn only() -> Settings {
    Settings {
        any: Local::AnyIpv6,
        ..Settings::default()
    }
}

fn network(wire: Wire) -> Network {
    network_with(wire, Card::Plain)
}

fn network_with(wire: Wire, card: Card) -> Network {
    let mut network = Network::new(21, wire);
    network.set_card(card);
    for stack in &mut network.stacks {
        stack.plan_ipv6(Plan::Automatic);
    }
    network.pass(2 * SECOND);
    network
}

fn plain() -> Network {
    network(Wire {
        delay: MS,
        ..Wire::default()
    })
}

fn open(network: &mut Network, side: usize, any: Local, port: u16) -> (Id, Watcher) {
    let (watcher, account) = (Watcher::default(), network.account.clone());
    let stack = &mut network.stacks[side];
    let id = stack.udp_open(watcher.clone(), &account).unwrap();
    if port > 0 {
        let settings = Settings::default();
        stack.udp_bind(id, any, port, &settings).unwrap();
    }
    (id, watcher)
}

fn send(
    network: &mut Network,
    side: usize,
    id: Id,
    to: IpEndpoint,
    set: Settings,
) -> Result<(), Errno> {
    let now = network.now;
    network.stacks[side].udp_send(now, id, b"hello", &Delivery::to(to), &set)
}

fn receive(network: &mut Network, side: usize, id: Id) -> Result<IpEndpoint, Errno> {
    let mut buffer = [0; 16];
    let arrived = network.stacks[side].udp_receive(id, &mut buffer, false)?;
    assert_eq!(&buffer[..arrived.count], b"hello");
    Ok(arrived.arrival.unwrap().from)
}

#[test]
fn datagrams_over_a_wire_and_their_errors() {
    let mut network = plain();
    let (server, _) = open(&mut network, 1, Local::Any, 53);
    let (client, told) = open(&mut network, 0, Local::Any, 0);
    send(&mut network, 0, client, at(link(1), 53), both()).unwrap();
    network.pass(SECOND);
    let from = receive(&mut network, 1, server).unwrap();
    assert_eq!(from.addr, IpAddress::Ipv6(link(0)));
    send(&mut network, 1, server, from, both()).unwrap();
    network.pass(SECOND);
    assert_eq!(receive(&mut network, 0, client), Ok(at(link(1), 53)));
    told.take();
    let nobody = at(link(1), 9);
    network.stacks[0]
        .udp_connect(client, Some(nobody), Local::Any)
        .unwrap();
    send(&mut network, 0, client, nobody, both()).unwrap();
    network.pass(SECOND);
    assert!(told.take().contains(Ready::ERR));
    assert_eq!(receive(&mut network, 0, client), Err(Errno::ECONNREFUSED));
    let afar = at(Ipv6Address::new(0x2001, 0xdb8, 9, 0, 0, 0, 0, 1), 9);
    let no_way = send(&mut network, 0, client, afar, both());
    assert_eq!(no_way, Err(Errno::ENETUNREACH));
}

#[test]
fn the_largest_datagrams_are_larger_than_those_of_ipv4() {
    let mut network = plain();
    let (_, _) = open(&mut network, 0, Local::Any, 53);
    let (client, _) = open(&mut network, 0, Local::Any, 0);
    let (now, stack) = (network.now, &mut network.stacks[0]);
    let sizes: [(IpAddress, usize); 2] = [
        (Ipv6Address::LOCALHOST.into(), MAX_DATAGRAM),
        (Ipv4Address::LOCALHOST.into(), 65_507),
    ];
    for (address, most) in sizes {
        let to = Delivery::to(IpEndpoint::new(address, 53));
        let data = vec![7; most + 1];
        let largest = stack.udp_send(now, client, &data[1..], &to, &both());
        assert_eq!(largest, Ok(()));
        let refused = stack.udp_send(now, client, &data, &to, &both());
        assert_eq!(refused, Err(Errno::EMSGSIZE));
    }
}

#[test]
fn one_socket_hears_both_families_unless_told_otherwise() {
    let mut network = plain();
    let (four, six) = (Ipv4Address::LOCALHOST.into(), Ipv6Address::LOCALHOST.into());
    let (dual, _) = open(&mut network, 0, Local::Any, 53);
    let (single, _) = open(&mut network, 0, Local::AnyIpv6, 54);
    let (client, _) = open(&mut network, 0, Local::Any, 0);
    for address in [four, six] {
        for port in [53, 54] {
            send(
                &mut network,
                0,
                client,
                IpEndpoint::new(address, port),
                both(),
            )
            .unwrap();
        }
    }
    assert_eq!(receive(&mut network, 0, dual).unwrap().addr, four);
    assert_eq!(receive(&mut network, 0, dual).unwrap().addr, six);
    assert_eq!(receive(&mut network, 0, single).unwrap().addr, six);
    assert_eq!(receive(&mut network, 0, single), Err(Errno::EAGAIN));
    let refused = send(&mut network, 0, client, IpEndpoint::new(four, 53), only());
    assert_eq!(refused, Err(Errno::ENETUNREACH));
    // The port of one family is free for the other.
    let (other, _) = open(&mut network, 0, Local::AnyIpv4, 54);
    send(&mut network, 0, client, IpEndpoint::new(four, 54), both()).unwrap();
    assert_eq!(receive(&mut network, 0, other).unwrap().addr, four);
}

/// A listener of one side, and what came to it from the other.
fn exchange(network: &mut Network, from: usize, to: IpEndpoint, any: Local) -> Option<IpEndpoint> {
    let account = network.account.clone();
    let settings = Settings {
        any,
        reuse_address: true,
        ..Settings::default()
    };
    let stack = &mut network.stacks[1];
    let claim = stack.bind(any, 80, &settings).unwrap();
    let watcher = Watcher::default();
    let listener = stack.listen(claim, Backlog::new(8), settings, watcher, account.clone());
    let (listener, now) = (listener.unwrap(), network.now);
    let owner = Watcher::default();
    let client = network.stacks[from].connect(now, None, to, both(), owner, &account);
    let client = client.unwrap();
    network.pass(10 * SECOND);
    let peer = network.accept(listener).ok().map(|(accepted, _)| {
        network.pass(SECOND);
        let text: Vec<u8> = (0..60_000).map(|place| byte_at(3, place)).collect();
        let (mut sent, mut got) = (0, Vec::new());
        let mut buffer = vec![0; 8192];
        for _ in 0..100_000 {
            let now = network.now;
            sent += network.stacks[from]
                .write(now, client, &text[sent..])
                .unwrap_or(0);
            let count = network.stacks[1].read(now, accepted.id, &mut buffer);
            got.extend_from_slice(&buffer[..count.unwrap_or(0)]);
            if got.len() == text.len() {
                break;
            }
            network.step(now + SECOND);
        }
        assert!(got == text, "{} of {}", got.len(), text.len());
        accepted.remote
    });
    if peer.is_none() {
        assert_eq!(network.stacks[from].state(client), State::Closed);
    }
    let now = network.now;
    network.stacks[1].close_listener(now, listener);
    network.stacks[1].release(claim);
    peer
}

#[test]
fn streams_over_a_bad_wire() {
    let mut network = network(Wire {
        loss: 5,
        doubled: 5,
        late: 10,
        delay: MS,
        burst: 1,
    });
    // Questions for neighbours may be lost, too.
    let peer = exchange(&mut network, 0, at(link(1), 80), Local::Any);
    assert_eq!(peer.unwrap().addr, IpAddress::Ipv6(link(0)));
}

#[test]
fn streams_that_a_card_cuts() {
    for card in [Card::Cuts, Card::Passes] {
        let wire = Wire {
            loss: 1,
            delay: MS,
            ..Wire::default()
        };
        let mut network = network_with(wire, card);
        let peer = exchange(&mut network, 0, at(link(1), 80), Local::Any);
        assert!(peer.is_some(), "{card:?}");
    }
}

#[test]
fn listeners_of_both_families_and_of_one() {
    let mut network = plain();
    let six = at(link(1), 80);
    let four = endpoint(1, 80);
    let cases = [
        (Local::Any, six, true),
        (Local::Any, four, true),
        (Local::AnyIpv6, six, true),
        (Local::AnyIpv6, four, false),
        (Local::AnyIpv4, six, false),
        (Local::AnyIpv4, four, true),
    ];
    for (any, to, works) in cases {
        let peer = exchange(&mut network, 0, to, any);
        assert_eq!(peer.is_some(), works, "{any:?} {to}");
    }
    let own = at(Ipv6Address::LOCALHOST, 80);
    let peer = exchange(&mut network, 1, own, Local::Any).unwrap();
    assert_eq!(peer.addr, own.addr);
    // A socket of IPv4's address does not get to IPv6.
    let account = network.account.clone();
    let (now, stack) = (network.now, &mut network.stacks[0]);
    let bound = Local::One(address(0).into());
    let claim = stack.bind(bound, 0, &both()).unwrap();
    let connected = stack.connect(now, Some(claim), six, both(), Watcher::default(), &account);
    assert_eq!(connected.err(), Some(Errno::EAFNOSUPPORT));
}
