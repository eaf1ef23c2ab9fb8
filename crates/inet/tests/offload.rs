//! What a card does in place of the stack.

mod common;

use common::*;
use paddock_abi::Errno;
use paddock_inet::{Id, Settings};
use smoltcp::wire::{IpAddress, Ipv4Packet, TcpPacket};

/// Bytes of the headers of Ethernet and IPv4.
const HEADERS: usize = 14 + 20;

fn network(card: Card) -> (Network, Id, Id) {
    let wire = Wire {
        delay: MS,
        ..Wire::default()
    };
    let mut network = Network::new(3, wire);
    network.set_card(card);
    let (client, server) = network.pair(Settings::default());
    network.trace = Some(Vec::new());
    (network, client, server)
}

/// Has side 0 send so many bytes, and side 1 read them.
fn send(network: &mut Network, client: Id, server: Id, count: usize) {
    let data: Vec<u8> = (0..count).map(|place| byte_at(0, place)).collect();
    let (mut sent, mut received) = (0, Vec::new());
    let mut buffer = vec![0; 1 << 16];
    while received.len() < count {
        let now = network.now;
        match network.stacks[0].write(now, client, &data[sent..]) {
            Ok(more) => sent += more,
            Err(error) => assert_eq!(error, Errno::EAGAIN),
        }
        network.pass(5 * MS);
        match network.stacks[1].read(network.now, server, &mut buffer) {
            Ok(more) => received.extend_from_slice(&buffer[..more]),
            Err(error) => assert_eq!(error, Errno::EAGAIN),
        }
    }
    assert!(received == data);
}

/// Bytes of data in each segment that side 0 has sent.
fn lengths(network: &mut Network) -> Vec<usize> {
    let trace = network.trace.replace(Vec::new()).unwrap();
    let data = |frame: &[u8]| TcpPacket::new_unchecked(&frame[HEADERS..]).payload().len();
    let sent = trace.iter().filter(|(to, _)| *to == 1);
    sent.map(|(_, frame)| data(frame))
        .filter(|it| *it > 0)
        .collect()
}

#[test]
fn large_segments_are_whole_pieces_and_one_rest() {
    let (mut network, client, server) = network(Card::Passes);
    // The congestion window opens.
    send(&mut network, client, server, 300_000);
    lengths(&mut network);
    let stack = &mut network.stacks[0];
    let full = stack.figures(client).unwrap().mss as usize;
    send(&mut network, client, server, 10 * full + 5);
    assert_eq!(lengths(&mut network), [10 * full, 5]);
    // No frame is larger than what the card cuts.
    send(&mut network, client, server, 100_000);
    let largest = lengths(&mut network).into_iter().max().unwrap();
    assert!(
        largest > 16 << 10 && largest <= (32 << 10) - HEADERS,
        "{largest}"
    );
}

#[test]
fn what_is_cut_arrives_as_frames_of_the_wire() {
    let (mut network, client, server) = network(Card::Cuts);
    send(&mut network, client, server, 300_000);
    // The card looks at each.
    assert!(lengths(&mut network).iter().all(|length| *length <= 1460));
}

/// Without a card that does it nothing is left to it.
#[test]
fn a_plain_card_gets_frames_that_are_finished() {
    let (mut network, client, server) = network(Card::Plain);
    send(&mut network, client, server, 300_000);
    assert!(lengths(&mut network).iter().all(|length| *length <= 1460));
}

/// Between machines of one host nobody fills in a checksum; anybody else's is looked
/// at.
#[test]
fn a_checksum_is_not_looked_at_if_the_card_says_so() {
    for is_checked in [false, true] {
        let (mut network, client, server) = network(Card::Plain);
        let now = network.now;
        network.stacks[0].write(now, client, b"data").unwrap();
        let mut frame = network.stacks[0].host().frames.pop().unwrap();
        let mut packet = Ipv4Packet::new_unchecked(&mut frame[14..]);
        let ends: [IpAddress; 2] = [packet.src_addr().into(), packet.dst_addr().into()];
        let mut segment = TcpPacket::new_unchecked(packet.payload_mut());
        let sum = segment.checksum();
        segment.set_checksum(!sum);
        assert!(!segment.verify_checksum(&ends[0], &ends[1]));
        match is_checked {
            true => network.stacks[1].burst(now, |burst| burst.packet(&frame[14..], true)),
            false => network.stacks[1].on_packet(now, &frame[14..]),
        }
        let read = network.stacks[1].read(now, server, &mut [0; 9]);
        assert_eq!(read.is_ok(), is_checked);
    }
}
