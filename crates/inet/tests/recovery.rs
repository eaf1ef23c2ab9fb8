//! Losses that the peer tells of (RFC 2018, RFC 6675), and copies from long ago
//! (RFC 7323).

mod common;

use common::*;
use paddock_abi::Errno;
use paddock_inet::{Algorithm, Id, Settings};
use smoltcp::wire::{IpAddress, Ipv4Packet, TcpOption, TcpPacket};
use std::collections::BTreeMap;

const WIRE: Wire = Wire {
    loss: 0,
    doubled: 0,
    late: 0,
    delay: 20 * MS,
    burst: 1,
};
/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;

/// Reads what is there; how much in all.
fn read_all(network: &mut Network, id: Id, received: &mut usize) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = network.stacks[1].read(network.now, id, &mut buffer) {
        for (index, byte) in buffer[..count].iter().enumerate() {
            assert_eq!(*byte, byte_at(0, *received + index));
        }
        *received += count;
    }
}

/// Number and length of a segment's data.
fn data_of(frame: &[u8]) -> Option<(i32, usize)> {
    let packet = Ipv4Packet::new_checked(frame.get(ETHERNET..)?).ok()?;
    let segment = TcpPacket::new_checked(packet.payload()).ok()?;
    let length = segment.payload().len();
    (length > 0).then(|| (segment.seq_number().0, length))
}

/// Sends `total` bytes, of which the segments `lost` of the stream get lost
/// once; the time it took, and how many bytes were sent more than once.
fn send(settings: Settings, total: usize, lost: &[usize]) -> (u64, usize) {
    let mut network = Network::new(5, WIRE);
    let (client, server) = network.pair(settings);
    let data: Vec<u8> = (0..total).map(|place| byte_at(0, place)).collect();
    let begin = network.now;
    network.log = Some(Vec::new());
    network.lost = lost.iter().copied().collect();
    assert_eq!(network.stacks[0].write(begin, client, &data), Ok(total));
    let mut received = 0;
    while received < total {
        assert!(network.now < begin + 60 * SECOND, "it stands still");
        let soon = network.now + MS;
        network.step(soon);
        read_all(&mut network, server, &mut received);
    }
    let took = network.now - begin;
    network.pass(SECOND);
    let log = network.log.take().unwrap();
    let sent: Vec<_> = log
        .iter()
        .filter_map(|it| data_of(it))
        .map(|it| it.1)
        .collect();
    let resent = network.stacks[0].figures(client).unwrap().resent;
    let again = sent.iter().sum::<usize>() - total;
    assert_eq!(
        resent as usize,
        again.div_ceil(1448),
        "as TCP_INFO tells it"
    );
    (took, again)
}

#[test]
fn what_is_lost_is_sent_again_and_nothing_else() {
    for algorithm in [Algorithm::Cubic, Algorithm::Reno] {
        let settings = Settings {
            algorithm,
            ..Settings::default()
        };
        // 60 segments; of the second flight, which has twenty, six get lost.
        let (took, again) = send(settings, 60 * 1448, &[12, 14, 16, 18, 20, 22]);
        assert_eq!(again, 6 * 1448, "{algorithm:?}");
        assert!(took < 240 * MS, "no time-out was needed: {took} ns");
    }
}

#[test]
fn what_is_lost_twice_is_sent_a_third_time() {
    let settings = Settings::default();
    let (_, none) = send(settings, 90 * 1448, &[]);
    assert_eq!(none, 0);
    // Frame 30 or soon after is the first that is sent again.
    for second in 28..45 {
        let (took, again) = send(settings, 90 * 1448, &[12, second]);
        assert!(again <= 3 * 1448, "{second}: {again} bytes");
        assert!(took < SECOND, "{second}: {took} ns");
    }
}

#[test]
fn losses_at_any_place_cost_little() {
    for first in 0..40 {
        let lost: BTreeMap<usize, ()> = (0..5).map(|n| (first + 3 * n, ())).collect();
        let lost: Vec<usize> = lost.into_keys().collect();
        let (took, again) = send(Settings::default(), 80 * 1448, &lost);
        assert!(again <= 12 * 1448, "{first}: {again} bytes");
        assert!(took < 4 * SECOND, "{first}: {took} ns");
    }
}

/// Has a segment's timestamp say that it was sent `ms` sooner.
fn make_older(frame: &mut [u8], ms: u32) {
    let mut packet = Ipv4Packet::new_unchecked(&mut frame[ETHERNET..]);
    let (from, to) = (packet.src_addr(), packet.dst_addr());
    let mut segment = TcpPacket::new_unchecked(packet.payload_mut());
    let options = segment.options_mut();
    let (rest, _) = TcpOption::parse(options).unwrap();
    let (rest, _) = TcpOption::parse(rest).unwrap();
    let (_, stamps) = TcpOption::parse(rest).unwrap();
    let TcpOption::TimeStamp { tsval, tsecr } = stamps else {
        panic!("{stamps:?} is no timestamp");
    };
    let tsval = tsval.wrapping_sub(ms);
    TcpOption::TimeStamp { tsval, tsecr }.emit(&mut options[2..]);
    segment.fill_checksum(&IpAddress::Ipv4(from), &IpAddress::Ipv4(to));
}

#[test]
fn a_copy_from_long_ago_is_not_taken() {
    let mut network = Network::new(3, WIRE);
    let (client, server) = network.pair(Settings::default());
    network.pass(10 * SECOND);
    let now = network.now;
    network.stacks[0].write(now, client, b"first").unwrap();
    network.pass(SECOND);
    let mut buffer = [0; 64];
    assert_eq!(
        network.stacks[1].read(network.now, server, &mut buffer),
        Ok(5)
    );
    // The next one gets lost; what comes in its place is older than "first".
    (network.log, network.lost) = (Some(Vec::new()), [0].into());
    let now = network.now;
    network.stacks[0].write(now, client, b"second").unwrap();
    network.collect();
    let mut old = network.log.take().unwrap().remove(0);
    make_older(&mut old, 5_000);
    deliver(&mut network.stacks[1], now, &old);
    let nothing = network.stacks[1].read(now, server, &mut buffer);
    assert_eq!(nothing, Err(Errno::EAGAIN));
    network.pass(5 * SECOND);
    assert_eq!(
        network.stacks[1].read(network.now, server, &mut buffer),
        Ok(6)
    );
}
