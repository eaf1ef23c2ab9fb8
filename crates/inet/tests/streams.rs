//! Streams in both directions over bad wires: every byte arrives in order, or
//! the connection fails.

mod common;

use common::*;
use paddock_abi::Errno;
use paddock_inet::{Id, Settings};

/// One side's program: it sends so many bytes, ends, and reads to the end.
struct Program {
    side: usize,
    id: Id,
    to_send: usize,
    sent: usize,
    ended: bool,
    to_receive: usize,
    received: usize,
    saw_end: bool,
    error: Option<Errno>,
}

impl Program {
    fn new(side: usize, id: Id, to_send: usize, to_receive: usize) -> Program {
        Program {
            side,
            id,
            to_send,
            sent: 0,
            ended: false,
            to_receive,
            received: 0,
            saw_end: false,
            error: None,
        }
    }

    fn is_done(&self) -> bool {
        self.error.is_some() || self.ended && self.saw_end
    }

    /// Does something, if it can.
    fn run(&mut self, network: &mut Network) {
        let (now, side) = (network.now, self.side);
        let most = 1 + network.random.below(9000) as usize;
        if self.error.is_none() && self.sent < self.to_send {
            let count = most.min(self.to_send - self.sent);
            let data: Vec<u8> = (self.sent..self.sent + count)
                .map(|place| byte_at(side as u64, place))
                .collect();
            match network.stacks[side].write(now, self.id, &data) {
                Ok(count) => self.sent += count,
                Err(Errno::EAGAIN) => {}
                Err(error) => self.error = Some(error),
            }
        }
        if self.error.is_none() && self.sent == self.to_send && !self.ended {
            self.ended = true;
            let _ = network.stacks[side].shutdown(now, self.id, false, true);
        }
        if network.random.percent(70) && !self.saw_end && self.error.is_none() {
            self.receive(network, most);
        }
        network.collect();
    }

    fn receive(&mut self, network: &mut Network, most: usize) {
        let (now, peer) = (network.now, 1 - self.side as u64);
        let mut buffer = vec![0; most];
        match network.stacks[self.side].read(now, self.id, &mut buffer) {
            Ok(0) => self.saw_end = true,
            Ok(count) => {
                for (index, byte) in buffer[..count].iter().enumerate() {
                    assert_eq!(*byte, byte_at(peer, self.received + index), "order");
                }
                self.received += count;
                assert!(self.received <= self.to_receive, "no more than was sent");
            }
            Err(Errno::EAGAIN) => {}
            Err(error) => self.error = Some(error),
        }
    }
}

/// Whether all arrived.
fn exchange(seed: u64, wire: Wire) -> bool {
    let mut network = Network::new(seed, wire);
    network.set_card(Card::of_seed(seed));
    let random = &mut network.random;
    let sizes = [random.below(60_000) as usize, random.below(60_000) as usize];
    let settings = Settings {
        no_delay: random.percent(50),
        quick_ack: random.percent(20),
        send_limit: 2048 << random.below(8),
        receive_limit: 2048 << random.below(8),
        ..Settings::default()
    };
    let Some((client, server)) = network.try_pair(settings) else {
        return false;
    };
    let mut programs = [
        Program::new(0, client, sizes[0], sizes[1]),
        Program::new(1, server, sizes[1], sizes[0]),
    ];
    let end = network.now + 4000 * SECOND;
    while !programs.iter().all(Program::is_done) {
        for program in &mut programs {
            program.run(&mut network);
        }
        let soon = network.now + 10 * MS;
        network.step(soon);
        assert!(network.now < end, "seed {seed}: it stands still, {wire:?}");
    }
    let good = programs.iter().all(|program| program.error.is_none());
    for program in &programs {
        assert!(!good || program.received == program.to_receive);
        network.stacks[program.side].close(network.now, program.id, false);
    }
    network.pass(4000 * SECOND);
    for stack in &network.stacks {
        assert_eq!(stack.counts(), (0, 0, 0), "seed {seed}: all is forgotten");
    }
    assert_eq!(network.account.bytes(), 0, "seed {seed}: all is paid back");
    good
}

fn wire(seed: u64) -> Wire {
    let mut random = Random::new(seed ^ 0xabc);
    Wire {
        loss: random.below(12),
        doubled: random.below(10),
        late: random.below(30),
        delay: random.below(40) * MS + 10_000,
        burst: random.below(20) as usize,
    }
}

#[test]
fn every_byte_arrives_over_bad_wires() {
    let seeds = std::env::var("INET_SEEDS").map_or(2000, |count| count.parse().unwrap());
    for seed in 1..=seeds {
        assert!(exchange(seed, wire(seed)), "seed {seed}: {:?}", wire(seed));
    }
}

#[test]
fn over_terrible_wires_it_arrives_or_fails() {
    for seed in 1..=100 {
        let bad = Wire {
            loss: 35,
            ..wire(seed)
        };
        exchange(seed, bad);
    }
}
