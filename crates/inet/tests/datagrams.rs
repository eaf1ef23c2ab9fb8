//! UDP: ports, who gets what, errors, and what waits.

mod common;

use common::*;
use paddock_abi::Errno;
use paddock_inet::{Delivery, Id, Local, MAX_DATAGRAM, PathMtu, Settings};
use paddock_sync::Ready;
use smoltcp::wire::{IpAddress, IpEndpoint, Ipv4Address};

fn socket(network: &mut Network, side: usize, port: u16) -> (Id, Watcher) {
    let (watcher, account) = (Watcher::default(), network.account.clone());
    let stack = &mut network.stacks[side];
    let id = stack.udp_open(watcher.clone(), &account).unwrap();
    if port > 0 {
        let settings = Settings::default();
        stack.udp_bind(id, Local::AnyIpv4, port, &settings).unwrap();
    }
    (id, watcher)
}

fn send(
    network: &mut Network,
    side: usize,
    id: Id,
    data: &[u8],
    to: Option<IpEndpoint>,
) -> Result<(), Errno> {
    let now = network.now;
    network.stacks[side].udp_send(now, id, data, &Delivery::to(to), &Settings::default())
}

fn receive(network: &mut Network, side: usize, id: Id) -> Result<(Vec<u8>, IpEndpoint), Errno> {
    let mut buffer = vec![0; MAX_DATAGRAM];
    let arrived = network.stacks[side].udp_receive(id, &mut buffer, false)?;
    buffer.truncate(arrived.count);
    Ok((buffer, arrived.arrival.unwrap().from))
}

fn network() -> Network {
    let wire = Wire {
        delay: MS,
        ..Wire::default()
    };
    Network::new(11, wire)
}

#[test]
fn there_and_back_over_a_wire() {
    let mut network = network();
    let (server, told) = socket(&mut network, 1, 53);
    let (client, _) = socket(&mut network, 0, 0);
    send(&mut network, 0, client, b"who", Some(endpoint(1, 53))).unwrap();
    network.pass(SECOND);
    assert_eq!(told.take(), Ready::IN);
    let (data, from) = receive(&mut network, 1, server).unwrap();
    assert_eq!((&data[..], from.addr), (&b"who"[..], endpoint(0, 1).addr));
    send(&mut network, 1, server, b"me", Some(from)).unwrap();
    network.pass(SECOND);
    assert_eq!(receive(&mut network, 0, client).unwrap().0, b"me");
    assert_eq!(receive(&mut network, 0, client), Err(Errno::EAGAIN));
}

/// What a frame has no room for goes and comes in fragments.
#[test]
fn large_ones_go_in_fragments() {
    let mut network = network();
    let (server, _) = socket(&mut network, 1, 53);
    let (client, _) = socket(&mut network, 0, 0);
    for length in [1472, 1473, 5_000, 65_507] {
        let large: Vec<u8> = (0..length).map(|place| byte_at(1, place)).collect();
        send(&mut network, 0, client, &large, Some(endpoint(1, 53))).unwrap();
        network.pass(SECOND);
        let (data, _) = receive(&mut network, 1, server).unwrap();
        assert!(data == large, "{length}");
    }
    let refused = send(
        &mut network,
        0,
        client,
        &vec![0; 65_508],
        Some(endpoint(1, 53)),
    );
    assert_eq!(refused, Err(Errno::EMSGSIZE));
}

/// What the network layer of a frame of IPv4 says: the number, whether it must not be cut,
/// and whether it is one of several pieces.
fn cut_fields(frame: &[u8]) -> (u16, bool, bool) {
    let header = &frame[14..];
    let word = u16::from_be_bytes([header[6], header[7]]);
    let ident = u16::from_be_bytes([header[4], header[5]]);
    (ident, word & 0x4000 != 0, word & 0x3fff != 0)
}

/// ip(7), IP_MTU_DISCOVER: who may cut what a frame has no room for.
#[test]
fn a_sender_says_who_may_cut_a_datagram() {
    use PathMtu::*;
    for path_mtu in [Dont, Want, Do, Probe, Interface, Omit] {
        let mut network = network();
        let (server, _) = socket(&mut network, 1, 53);
        let (client, _) = socket(&mut network, 0, 0);
        let settings = Settings {
            path_mtu,
            ..Settings::default()
        };
        network.log = Some(Vec::new());
        let delivery = Delivery::to(endpoint(1, 53));
        let arrive = |network: &mut Network, length: usize| {
            let now = network.now;
            let data = vec![7; length];
            network.stacks[0].udp_send(now, client, &data, &delivery, &settings)?;
            network.pass(SECOND);
            receive(network, 1, server).map(|(data, _)| data.len())
        };
        for _ in 0..2 {
            assert_eq!(arrive(&mut network, 1472), Ok(1472));
        }
        let cut = match path_mtu {
            Dont | Want | Omit => Ok(1473),
            Do | Probe | Interface => Err(Errno::EMSGSIZE),
        };
        assert_eq!(arrive(&mut network, 1473), cut, "{path_mtu:?}");
        let is_ipv4 = |frame: &&Vec<u8>| frame[12..14] == [8, 0];
        let log = network.log.take().unwrap();
        let fields: Vec<_> = log
            .iter()
            .filter(is_ipv4)
            .map(|it| cut_fields(it))
            .collect();
        let whole = matches!(path_mtu, Want | Do | Probe);
        assert_eq!(fields.len(), if cut.is_ok() { 4 } else { 2 });
        for (_, is_whole, is_piece) in &fields[..2] {
            assert_eq!((*is_whole, *is_piece), (whole, false), "{path_mtu:?}");
        }
        // Pieces are told apart by their numbers.
        assert_eq!(fields[0].0 == fields[1].0, whole, "{path_mtu:?}");
        for (_, is_whole, is_piece) in &fields[2..] {
            assert_eq!((*is_whole, *is_piece), (false, true), "{path_mtu:?}");
        }
    }
}

#[test]
fn nothing_is_lost_by_closing_here() {
    let mut network = network();
    let (server, _) = socket(&mut network, 0, 53);
    let to = IpEndpoint::new(IpAddress::Ipv4(Ipv4Address::LOCALHOST), 53);
    let (client, _) = socket(&mut network, 0, 0);
    let large = vec![7; 65_507];
    send(&mut network, 0, client, &large, Some(to)).unwrap();
    network.stacks[0].udp_close(client);
    assert_eq!(receive(&mut network, 0, server).unwrap().0, large);
    network.stacks[0].udp_close(server);
    assert_eq!(network.account.bytes(), 0);
}

#[test]
fn those_that_are_connected_hear_that_nobody_is_there() {
    let mut network = network();
    let nobody = [
        endpoint(1, 9),
        IpEndpoint::new(Ipv4Address::LOCALHOST.into(), 9),
    ];
    for to in nobody {
        let (client, told) = socket(&mut network, 0, 0);
        network.stacks[0]
            .udp_connect(client, Some(to), Local::AnyIpv4)
            .unwrap();
        send(&mut network, 0, client, b"x", None).unwrap();
        network.pass(SECOND);
        assert!(told.take().contains(Ready::ERR));
        assert_eq!(receive(&mut network, 0, client), Err(Errno::ECONNREFUSED));
        assert_eq!(receive(&mut network, 0, client), Err(Errno::EAGAIN));
        let (other, _) = socket(&mut network, 0, 0);
        send(&mut network, 0, other, b"x", Some(to)).unwrap();
        network.pass(SECOND);
        assert_eq!(receive(&mut network, 0, other), Err(Errno::EAGAIN));
    }
}

/// IP_RECVERR: from a wire and from this machine, to who asked for it.
#[test]
fn who_asks_is_told_what_became_of_datagrams() {
    let mut network = network();
    let (client, told) = socket(&mut network, 0, 0);
    let far = endpoint(1, 9);
    let near = IpEndpoint::new(Ipv4Address::LOCALHOST.into(), 9);
    for to in [far, near] {
        send(&mut network, 0, client, b"unasked", Some(to)).unwrap();
        network.pass(SECOND);
        assert_eq!(network.stacks[0].udp_failure(client), None);
    }
    let settings = Settings {
        failures: true,
        ..Settings::default()
    };
    network.stacks[0].udp_set(client, &settings);
    for to in [far, near] {
        send(&mut network, 0, client, b"datagram", Some(to)).unwrap();
        network.pass(SECOND);
        assert!(told.take().contains(Ready::ERR));
        assert!(network.stacks[0].udp_ready(client).contains(Ready::ERR));
        let failure = network.stacks[0].udp_failure(client).unwrap();
        assert_eq!((failure.errno, failure.to), (Errno::ECONNREFUSED, to));
        assert_eq!((failure.kind, failure.code, failure.mtu), (3, 3, 0));
        assert_eq!(failure.offender, to.addr);
        assert!(b"datagram".starts_with(&failure.data[..]));
        assert_eq!(network.stacks[0].udp_ready(client), Ready::OUT);
    }
    for _ in 0..100 {
        network.stacks[0].udp_take_error(client);
        send(&mut network, 0, client, b"many", Some(near)).unwrap();
    }
    let kept = std::iter::from_fn(|| network.stacks[0].udp_failure(client));
    assert_eq!(kept.count(), 16);
}

#[test]
fn connected_sockets_hear_nobody_else() {
    let mut network = network();
    let (server, _) = socket(&mut network, 1, 53);
    network.stacks[1]
        .udp_connect(server, Some(endpoint(0, 700)), Local::AnyIpv4)
        .unwrap();
    let (stranger, _) = socket(&mut network, 0, 701);
    let (friend, _) = socket(&mut network, 0, 700);
    send(&mut network, 0, stranger, b"a", Some(endpoint(1, 53))).unwrap();
    send(&mut network, 0, friend, b"b", Some(endpoint(1, 53))).unwrap();
    network.pass(SECOND);
    assert_eq!(receive(&mut network, 1, server).unwrap().0, b"b");
    assert_eq!(receive(&mut network, 1, server), Err(Errno::EAGAIN));
}

#[test]
fn what_waits_is_bounded_and_paid_for() {
    let mut network = network();
    let (server, _) = socket(&mut network, 0, 53);
    let (client, _) = socket(&mut network, 0, 0);
    let to = IpEndpoint::new(Ipv4Address::LOCALHOST.into(), 53);
    for _ in 0..10_000 {
        send(&mut network, 0, client, &[1; 900], Some(to)).unwrap();
    }
    let paid = network.account.bytes();
    assert!((200_000..220_000).contains(&paid), "{paid}");
    let mut count = 0;
    while receive(&mut network, 0, server).is_ok() {
        count += 1;
    }
    assert!((200..250).contains(&count), "{count}");
    assert!(network.account.bytes() < 2000);
}

#[test]
fn everybody_is_reached_with_leave_only() {
    let mut network = network();
    let (server, _) = socket(&mut network, 1, 53);
    let (client, _) = socket(&mut network, 0, 0);
    let all = IpEndpoint::new(Ipv4Address::BROADCAST.into(), 53);
    assert_eq!(
        send(&mut network, 0, client, b"x", Some(all)),
        Err(Errno::EACCES)
    );
    let now = network.now;
    let to_all = Delivery {
        broadcasts: true,
        ..Delivery::to(all)
    };
    network.stacks[0]
        .udp_send(now, client, b"x", &to_all, &Settings::default())
        .unwrap();
    network.pass(SECOND);
    assert_eq!(receive(&mut network, 1, server).unwrap().0, b"x");
}

#[test]
fn ports_are_given_out_and_taken_once() {
    let mut network = network();
    let (_, _) = socket(&mut network, 0, 53);
    let (second, _) = socket(&mut network, 0, 0);
    let stack = &mut network.stacks[0];
    let plain = Settings::default();
    assert_eq!(
        stack.udp_bind(second, Local::AnyIpv4, 53, &plain),
        Err(Errno::EADDRINUSE)
    );
    assert_eq!(
        stack.udp_bind(second, Local::AnyIpv4, 68, &plain),
        Err(Errno::EADDRINUSE)
    );
    stack.udp_bind(second, Local::AnyIpv4, 0, &plain).unwrap();
    assert_eq!(
        stack.udp_bind(second, Local::AnyIpv4, 0, &plain),
        Err(Errno::EINVAL)
    );
    let port = stack.udp_state(second).unwrap().bound.unwrap().1;
    assert!(port >= 49152);
}

/// Datagrams and messages with bytes changed at random, checksums included.
#[test]
fn changed_packets_do_no_harm() {
    let mut network = network();
    let (server, _) = socket(&mut network, 1, 53);
    let (client, _) = socket(&mut network, 0, 0);
    let mut frames = Vec::new();
    for port in [53, 54] {
        let ask = |network: &mut _| {
            send(network, 0, client, b"a question", Some(endpoint(1, port))).unwrap();
        };
        ask(&mut network);
        network.pass(SECOND);
        ask(&mut network);
        frames.extend(network.stacks[0].host().frames.clone());
        network.collect();
        while network.step(network.now + MS) {
            frames.extend(network.stacks[1].host().frames.clone());
        }
    }
    assert!(!frames.is_empty());
    let mut random = Random::new(3);
    for _ in 0..200_000 {
        let at = random.below(frames.len() as u64) as usize;
        let mut frame = frames[at].clone();
        for _ in 0..=random.below(4) {
            let at = 14 + random.below(frame.len() as u64 - 14) as usize;
            frame[at] = random.next() as u8;
        }
        if random.percent(10) {
            frame.truncate(15 + random.below(40) as usize);
        }
        let side = random.below(2) as usize;
        deliver(&mut network.stacks[side], network.now, &frame);
        network.stacks[side].host().frames.clear();
    }
    while receive(&mut network, 1, server).is_ok() {}
    assert!(network.account.bytes() < 4000);
}

/// ip(7), IP_PKTINFO: what a receiver learns, and the address that a sender chooses.
#[test]
fn how_a_datagram_came_is_known() {
    let mut network = network();
    let (server, _) = socket(&mut network, 1, 53);
    let (client, _) = socket(&mut network, 0, 0);
    let settings = Settings {
        ttl: 7,
        tos: 0x10,
        ..Settings::default()
    };
    let to = IpEndpoint::new(address(1).into(), 53);
    let now = network.now;
    let mut delivery = Delivery::to(to);
    network.stacks[0]
        .udp_send(now, client, b"x", &delivery, &settings)
        .unwrap();
    network.pass(SECOND);
    let arrived = network.stacks[1].udp_receive(server, &mut [0; 4], false);
    let arrival = arrived.unwrap().arrival.unwrap();
    assert_eq!((arrival.hops, arrival.class), (7, 0x10));
    assert_eq!(arrival.to, to.addr);

    delivery.source = Some(address(1).into());
    let sent = network.stacks[0].udp_send(now, client, b"x", &delivery, &settings);
    assert_eq!(sent, Err(Errno::ENETUNREACH), "another machine's address");
    let (listener, _) = socket(&mut network, 0, 54);
    let own = Ipv4Address::new(127, 0, 0, 2);
    let delivery = Delivery {
        source: Some(own.into()),
        ..Delivery::to(IpEndpoint::new(Ipv4Address::LOCALHOST.into(), 54))
    };
    network.stacks[0]
        .udp_send(now, client, b"x", &delivery, &settings)
        .unwrap();
    let arrived = network.stacks[0].udp_receive(listener, &mut [0; 4], false);
    let arrival = arrived.unwrap().arrival.unwrap();
    assert_eq!(arrival.from.addr, own.into());
    assert_eq!((arrival.hops, arrival.class), (7, 0x10));
}
