//! Sockets for packets and for echoes.

mod common;

use common::*;
use paddock_abi::Errno;
use paddock_inet::{Carries, Delivery, Echoes, Id, Local, Packets, Settings};
use smoltcp::wire::{IpAddress, IpEndpoint, Ipv4Address, Ipv4Packet};

const REQUEST: [u8; 12] = [8, 0, 0, 0, 0, 0, 0, 5, b'e', b'c', b'h', b'o'];

fn echoes() -> Carries {
    Carries::Echoes(Echoes {
        is_ipv6: false,
        ident: None,
        local: None,
    })
}

fn network() -> Network {
    let wire = Wire {
        delay: MS,
        ..Wire::default()
    };
    Network::new(5, wire)
}

fn socket(network: &mut Network, carries: Carries) -> Id {
    let account = network.account.clone();
    let stack = &mut network.stacks[0];
    let id = stack.udp_open(Watcher::default(), &account).unwrap();
    stack.carry(id, carries).unwrap();
    id
}

fn send(network: &mut Network, id: Id, data: &[u8], to: IpAddress) -> Result<(), Errno> {
    let (now, to) = (network.now, IpEndpoint::new(to, 0));
    let stack = &mut network.stacks[0];
    stack.udp_send(now, id, data, &Delivery::to(to), &Settings::default())
}

fn receive(network: &mut Network, id: Id) -> Option<(Vec<u8>, IpAddress)> {
    let mut buffer = vec![0; 65_536];
    let arrived = network.stacks[0].udp_receive(id, &mut buffer, false).ok()?;
    buffer.truncate(arrived.count);
    Some((buffer, arrived.arrival.unwrap().from.addr))
}

fn localhost() -> IpAddress {
    Ipv4Address::LOCALHOST.into()
}

#[test]
fn echoes_come_back_to_who_asked() {
    let mut network = network();
    let [one, other] = [(); 2].map(|()| socket(&mut network, echoes()));
    let peer = address(1).into();
    for to in [peer, localhost()] {
        for id in [one, other] {
            send(&mut network, id, &REQUEST, to).unwrap();
        }
        network.pass(SECOND);
        let [first, second] = [one, other].map(|id| receive(&mut network, id).unwrap());
        for (message, from) in [&first, &second] {
            assert_eq!((message[0], &message[6..], *from), (0, &REQUEST[6..], to));
        }
        assert_ne!(first.0[4..6], second.0[4..6], "each has its identifier");
        assert_eq!(receive(&mut network, one), None);
    }
    let reply = [0; 12];
    assert_eq!(send(&mut network, one, &reply, peer), Err(Errno::EINVAL));
    assert_eq!(send(&mut network, one, &[8], peer), Err(Errno::EINVAL));
}

#[test]
fn identifiers_are_taken_once_and_given_back() {
    let mut network = network();
    let settings = Settings::default();
    let [one, other] = [(); 2].map(|()| socket(&mut network, echoes()));
    let mut bind = |id| network.stacks[0].udp_bind(id, Local::AnyIpv4, 77, &settings);
    assert_eq!(bind(one), Ok(()));
    assert_eq!(bind(one), Err(Errno::EINVAL));
    assert_eq!(bind(other), Err(Errno::EADDRINUSE));
    network.stacks[0].udp_close(one);
    let again = network.stacks[0].udp_bind(other, Local::AnyIpv4, 77, &settings);
    assert_eq!(again, Ok(()));
    let bound = network.stacks[0].udp_state(other).unwrap().bound;
    assert_eq!(bound.map(|(_, ident)| ident), Some(77));
}

#[test]
fn packets_have_their_headers_and_filters() {
    let mut network = network();
    let icmp = socket(&mut network, Carries::Packets(Packets::new(false, 1)));
    let mut request = REQUEST.to_vec();
    // The checksum is the program's.
    let sum = !request
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))
        .sum::<u32>() as u16;
    request[2..4].copy_from_slice(&sum.to_be_bytes());
    send(&mut network, icmp, &request, address(1).into()).unwrap();
    network.pass(SECOND);
    let (packet, from) = receive(&mut network, icmp).unwrap();
    let header = Ipv4Packet::new_checked(&packet[..]).unwrap();
    assert_eq!((header.src_addr(), from), (address(1), address(1).into()));
    assert_eq!(header.payload()[0], 0);
    // On this machine the request is heard as well, unless it is left out.
    send(&mut network, icmp, &request, localhost()).unwrap();
    let kinds: Vec<u8> = std::iter::from_fn(|| receive(&mut network, icmp))
        .map(|(packet, _)| packet[20])
        .collect();
    assert_eq!(kinds, [8, 0]);
    network.stacks[0].set_packets(icmp, |packets| packets.filter[0] = 1 << 8);
    send(&mut network, icmp, &request, localhost()).unwrap();
    assert_eq!(receive(&mut network, icmp).unwrap().0[20], 0);
    assert_eq!(receive(&mut network, icmp), None);
}

#[test]
fn a_header_of_the_programs_own() {
    let mut network = network();
    let hears = socket(&mut network, Carries::Packets(Packets::new(false, 99)));
    let sends = socket(&mut network, Carries::Packets(Packets::new(false, 255)));
    let mut packet = vec![0; 24];
    packet[0] = 0x45;
    (packet[8], packet[9]) = (7, 99);
    packet[16..20].copy_from_slice(&Ipv4Address::LOCALHOST.octets());
    packet[20..].copy_from_slice(b"data");
    send(&mut network, sends, &packet, localhost()).unwrap();
    let (heard, from) = receive(&mut network, hears).unwrap();
    assert_eq!(
        (heard[8], &heard[20..], from),
        (7, &b"data"[..], localhost())
    );
    for bad in [&packet[..19], &[0x55; 24][..], &[0x4f; 24][..], &[]] {
        let sent = send(&mut network, sends, bad, localhost());
        assert_eq!(sent, Err(Errno::EINVAL));
    }
    let large = [&packet[..], &[0; 1500]].concat();
    let sent = send(&mut network, sends, &large, address(1).into());
    assert_eq!(sent, Err(Errno::EMSGSIZE));
    let echo = socket(&mut network, echoes());
    let large = [&REQUEST[..], &[7; 5000]].concat();
    send(&mut network, echo, &large, address(1).into()).unwrap();
    network.pass(SECOND);
    let refused = receive(&mut network, echo);
    assert_eq!(refused.map(|(reply, _)| reply.len()), Some(large.len()));
    network.stacks[0].udp_close(hears);
    send(&mut network, sends, &packet, localhost()).unwrap();
}
