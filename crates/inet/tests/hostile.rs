//! Segments that nobody should send: nothing panics, memory stays bounded, and
//! forged ones do not end a connection.

mod common;

use common::*;
use paddock_inet::{Id, Settings, State};
use smoltcp::wire::{EthernetFrame, Ipv4Packet, TcpPacket, TcpSeqNumber};

/// Changes something of a frame, and makes its checksums right again most of
/// the time.
fn mutate(random: &mut Random, frame: &mut Vec<u8>) {
    for _ in 0..=random.below(3) {
        let at = random.below(frame.len() as u64) as usize;
        match random.below(4) {
            0 => frame[at] = random.next() as u8,
            1 => frame[at] ^= 1 << random.below(8),
            2 => frame.truncate(at.max(14)),
            _ => frame.extend_from_slice(&random.next().to_le_bytes()),
        }
        if frame.len() <= 14 {
            return;
        }
    }
    if random.percent(90) {
        mend(frame);
    }
}

fn mend(frame: &mut [u8]) {
    let mut ethernet = EthernetFrame::new_unchecked(frame);
    let Ok(mut packet) = Ipv4Packet::new_checked(ethernet.payload_mut()) else {
        return;
    };
    packet.fill_checksum();
    let (from, to) = (packet.src_addr().into(), packet.dst_addr().into());
    if let Ok(mut segment) = TcpPacket::new_checked(packet.payload_mut()) {
        segment.fill_checksum(&from, &to);
    }
}

fn fuzz(seed: u64) {
    let wire = Wire {
        loss: 2,
        doubled: 2,
        late: 5,
        delay: MS,
        burst: 1,
    };
    let mut network = Network::new(seed, wire);
    let mut random = Random::new(!seed);
    let (listener, _) = network.listen(80, 8, Settings::default());
    let mut corpus: Vec<(usize, Vec<u8>)> = Vec::new();
    let mut ids = Vec::new();
    for round in 0..60 {
        if round % 8 == 0 {
            ids.push((0, network.connect(80, Settings::default()).0));
        }
        while let Ok((accepted, _)) = network.accept(listener) {
            ids.push((1, accepted.id));
        }
        let (side, id) = ids[random.below(ids.len() as u64) as usize];
        let now = network.now;
        let stack = &mut network.stacks[side];
        match random.below(12) {
            0 => drop(stack.shutdown(now, id, false, true)),
            1 => stack.close(now, id, random.percent(50)),
            2..6 => drop(stack.read(now, id, &mut [0; 700])),
            _ => drop(stack.write(now, id, &vec![7; random.below(4000) as usize])),
        }
        for side in 0..2 {
            let frames = network.stacks[side].host().frames.clone();
            corpus.extend(frames.into_iter().map(|frame| (1 - side, frame)));
        }
        for _ in 0..4 {
            let Some((to, frame)) = corpus.get(random.below(corpus.len() as u64) as usize) else {
                break;
            };
            let (to, mut frame) = (*to, frame.clone());
            mutate(&mut random, &mut frame);
            if frame.len() > 14 {
                deliver(&mut network.stacks[to], network.now, &frame);
            }
        }
        network.pass(random.below(300) * MS);
    }
    for (side, id) in ids {
        network.stacks[side].close(network.now, id, false);
    }
    network.stacks[1].close_listener(network.now, listener);
    network.pass(10_000 * SECOND);
    for stack in &network.stacks {
        assert_eq!(stack.counts(), (0, 0, 0), "seed {seed}");
    }
    assert_eq!(network.account.bytes(), 0);
}

#[test]
fn changed_segments_do_no_harm() {
    let seeds = std::env::var("INET_SEEDS").map_or(500, |count| count.parse().unwrap());
    (1..=seeds).for_each(fuzz);
}

/// Rules for resets and SYN in a connection (RFC 5961): only the very number
/// that is expected counts.
#[test]
fn forged_resets_are_challenged() {
    let mut network = Network::new(
        1,
        Wire {
            delay: MS,
            ..Wire::default()
        },
    );
    let (client, server) = network.pair(Settings::default());
    network.stacks[0]
        .write(network.now, client, b"hello")
        .unwrap();
    let template = network.stacks[0].host().frames.last().unwrap().clone();
    network.pass(SECOND);
    let forge = |offset: i32, change: fn(&mut TcpPacket<&mut [u8]>)| {
        let mut frame = template.clone();
        let mut ethernet = EthernetFrame::new_unchecked(&mut frame[..]);
        let mut packet = Ipv4Packet::new_unchecked(ethernet.payload_mut());
        let mut segment = TcpPacket::new_unchecked(packet.payload_mut());
        let seq = segment.seq_number().0.wrapping_add(5 + offset);
        segment.set_seq_number(TcpSeqNumber(seq));
        segment.set_psh(false);
        change(&mut segment);
        mend(&mut frame);
        frame
    };
    let now = network.now;
    let reset = forge(100, |segment| segment.set_rst(true));
    let syn = forge(0, |segment| segment.set_syn(true));
    let stack = &mut network.stacks[1];
    deliver(stack, now, &reset);
    assert_eq!(stack.state(server), State::Established);
    assert_eq!(stack.host().frames.len(), 1, "a challenge");
    for _ in 0..100 {
        deliver(stack, now, &syn);
        deliver(stack, now, &reset);
    }
    assert_eq!(stack.host().frames.len(), 1, "not for each");
    let outside = forge(1 << 30, |segment| segment.set_rst(true));
    deliver(stack, now, &outside);
    assert_eq!(stack.state(server), State::Established);
    let exact = forge(0, |segment| segment.set_rst(true));
    deliver(stack, now, &exact);
    assert_eq!(stack.state(server), State::Closed);
}

/// Has a listener of side 1 get so many beginnings of others, none of which goes on.
fn flood(network: &mut Network, template: &[u8], count: u32) {
    for number in 0..count {
        let mut frame = template.to_vec();
        let mut ethernet = EthernetFrame::new_unchecked(&mut frame[..]);
        let mut packet = Ipv4Packet::new_unchecked(ethernet.payload_mut());
        packet.set_src_addr([10, 0, 0, 9 + (number >> 16) as u8].into());
        let mut segment = TcpPacket::new_unchecked(packet.payload_mut());
        segment.clear_flags();
        segment.set_syn(true);
        segment.set_src_port(number as u16 | 1);
        mend(&mut frame);
        deliver(&mut network.stacks[1], network.now, &frame);
    }
    network.stacks[1].host().frames.clear();
}

/// A network with a listener of side 1, and a segment to it.
fn network_to_flood() -> (Network, Id, Vec<u8>) {
    let mut network = Network::new(2, Wire::default());
    let (listener, _) = network.listen(80, 100, Settings::default());
    let (client, _) = network.connect(80, Settings::default());
    network.pass(SECOND);
    assert!(network.accept(listener).is_ok());
    network.stacks[0].write(network.now, client, b"x").unwrap();
    let template = network.stacks[0].host().frames.pop().unwrap();
    (network, listener, template)
}

/// Beginnings without an end take no more than the listener has room for.
#[test]
fn a_flood_is_bounded() {
    let (mut network, _, template) = network_to_flood();
    let before = network.account.bytes();
    flood(&mut network, &template, 100_000);
    // At most 257 have begun, each of less than a kilobyte.
    assert!(network.stacks[1].counts().0 <= 1 + 257);
    assert!(network.account.bytes() - before < 257 * 1024);
    network.pass(200 * SECOND);
    assert_eq!(network.stacks[1].counts().0, 1, "they are given up");
}

/// Whoever goes on with a connection gets in beside a flood at once, though nothing of
/// the beginning was kept.
#[test]
fn a_flood_keeps_nobody_out() {
    let (mut network, listener, template) = network_to_flood();
    for is_lost in [false, true] {
        flood(&mut network, &template, 2_000);
        let begun = network.stacks[1].counts().0;
        let (client, _) = network.connect(80, Settings::default());
        network.step(network.now + SECOND);
        assert_eq!(network.stacks[1].counts().0, begun, "nothing is kept");
        if is_lost {
            // The acknowledgement: what comes behind it says the same.
            network.log = Some(Vec::new());
            network.lost = [0].into();
        }
        network.step(network.now + SECOND);
        let data: Vec<u8> = (0..5000).map(|place| byte_at(0, place)).collect();
        assert_eq!(
            network.stacks[0].write(network.now, client, &data),
            Ok(5000)
        );
        network.pass(SECOND / 2);
        let (accepted, _) = network.accept(listener).unwrap();
        let mut buffer = vec![0; 9000];
        let read = network.stacks[1].read(network.now, accepted.id, &mut buffer);
        assert_eq!(read, Ok(5000), "lost: {is_lost}");
        assert!(buffer[..5000] == data);
        let figures = network.stacks[1].figures(accepted.id).unwrap();
        assert_eq!(figures.mss, 1460, "the size is remembered");
        network.log = None;
        network.lost.clear();
    }
}

/// Without a cookie nobody gets in: what was never begun is reset, beside a flood as
/// well.
#[test]
fn numbers_that_nobody_was_given_are_reset() {
    let (mut network, listener, template) = network_to_flood();
    flood(&mut network, &template, 2_000);
    for number in 0..2_000u32 {
        let mut frame = template.clone();
        let mut ethernet = EthernetFrame::new_unchecked(&mut frame[..]);
        let mut packet = Ipv4Packet::new_unchecked(ethernet.payload_mut());
        let mut segment = TcpPacket::new_unchecked(packet.payload_mut());
        segment.set_src_port(7);
        segment.set_ack_number(TcpSeqNumber((number.wrapping_mul(0x9e37_79b9)) as i32));
        mend(&mut frame);
        deliver(&mut network.stacks[1], network.now, &frame);
    }
    assert_eq!(network.stacks[1].host().frames.len(), 2_000);
    assert!(network.accept(listener).is_err());
}
