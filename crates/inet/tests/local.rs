//! Streams between two ends on this machine: every byte in its place, and every debt
//! paid, however pieces, reads and limits fall.

mod common;

use common::*;
use paddock_abi::Errno;
use paddock_charge::Account;
use paddock_inet::{Backlog, Id, Local, Settings, Stack};
use smoltcp::wire::{IpAddress, IpEndpoint, Ipv4Address};
use std::sync::Arc;

/// One end: what it has sent and what has come.
struct End {
    id: Id,
    account: Arc<Account>,
    salt: u64,
    sent: usize,
    got: usize,
    is_shut: bool,
    has_ended: bool,
}

struct Pair {
    stack: TestStack,
    now: u64,
    random: Random,
    ends: [End; 2],
}

impl Pair {
    fn new(seed: u64) -> Pair {
        let mut random = Random::new(seed);
        let mut stack = Stack::new(machine(seed));
        let settings = Settings {
            receive_limit: 2304 + random.below(200_000) as u32,
            send_limit: 4608 + random.below(200_000) as u32,
            no_delay: random.percent(50),
            ..Settings::default()
        };
        let limit = match random.percent(30) {
            true => 20_000 + random.below(200_000) as usize,
            false => usize::MAX,
        };
        let [one, other] = [(); 2].map(|()| Account::of_user(limit).unwrap());
        let claim = stack.bind(Local::AnyIpv4, 80, &settings).unwrap();
        let (watcher, backlog) = (Watcher::default(), Backlog::new(4));
        let listener = stack.listen(claim, backlog, settings, watcher, account());
        let to = IpEndpoint::new(IpAddress::Ipv4(Ipv4Address::LOCALHOST), 80);
        let client = stack.connect(SECOND, None, to, settings, Watcher::default(), &one);
        let server = stack.accept(listener.unwrap(), Watcher::default(), &other);
        let end = |id, account, salt| End {
            id,
            account,
            salt,
            sent: 0,
            got: 0,
            is_shut: false,
            has_ended: false,
        };
        let ends = [
            end(client.unwrap(), one, 1),
            end(server.unwrap().id, other, 2),
        ];
        Pair {
            stack,
            now: SECOND,
            random,
            ends,
        }
    }

    fn write(&mut self, side: usize) {
        let end = &mut self.ends[side];
        let most = [10, 3_000, 70_000, 150_000][self.random.below(4) as usize];
        let count = 1 + self.random.below(most) as usize;
        let bytes: Vec<u8> = (end.sent..end.sent + count)
            .map(|place| byte_at(end.salt, place))
            .collect();
        match self.stack.write(self.now, end.id, &bytes) {
            Ok(count) => end.sent += count,
            Err(Errno::EAGAIN | Errno::ENOMEM) => {}
            Err(Errno::EPIPE) => assert!(end.is_shut),
            Err(error) => panic!("{error}"),
        }
    }

    /// Whether there was anything.
    fn read(&mut self, side: usize) -> bool {
        let most = [10, 3_000, 70_000, 300_000][self.random.below(4) as usize];
        let mut bytes = vec![0; 1 + self.random.below(most) as usize];
        let peer = &self.ends[1 - side];
        let (salt, sent, is_shut) = (peer.salt, peer.sent, peer.is_shut);
        let end = &mut self.ends[side];
        match self.stack.read(self.now, end.id, &mut bytes) {
            Ok(0) => {
                assert!(is_shut && end.got == sent);
                end.has_ended = true;
            }
            Ok(count) => {
                for (place, &byte) in bytes[..count].iter().enumerate() {
                    assert_eq!(byte, byte_at(salt, end.got + place));
                }
                end.got += count;
                assert!(end.got <= sent);
                return true;
            }
            Err(Errno::EAGAIN) => {}
            Err(error) => panic!("{error}"),
        }
        false
    }

    fn pass(&mut self, time: u64) {
        self.now += time;
        for _ in 0..100 {
            if self.stack.deadline() > self.now {
                return;
            }
            self.stack.on_time(self.now);
        }
    }

    fn step(&mut self) {
        let side = self.random.below(2) as usize;
        match self.random.below(10) {
            0..4 => self.write(side),
            4..8 => drop(self.read(side)),
            8 => {
                let time = self.random.below(3 * SECOND);
                self.pass(time);
            }
            _ if self.random.percent(3) && !self.ends[side].is_shut => {
                let id = self.ends[side].id;
                self.stack.shutdown(self.now, id, false, true).unwrap();
                self.ends[side].is_shut = true;
            }
            _ => {}
        }
    }

    /// All that was sent comes, also what had no memory before.
    fn drain(&mut self) {
        for side in [0, 1] {
            if !self.ends[side].is_shut {
                let id = self.ends[side].id;
                self.stack.shutdown(self.now, id, false, true).unwrap();
                self.ends[side].is_shut = true;
            }
        }
        for _ in 0..2_000 {
            let any = [0, 1].map(|side| self.read(side));
            if self.ends.iter().all(|end| end.has_ended) {
                return;
            }
            if any == [false, false] {
                self.pass(SECOND);
            }
        }
        let left = |end: &End| (end.sent, end.got, end.has_ended);
        panic!("stuck: {:?}", [0, 1].map(|side| left(&self.ends[side])));
    }
}

#[test]
fn every_byte_comes_and_every_debt_is_paid() {
    for seed in 0..600 {
        let mut pair = Pair::new(seed);
        for _ in 0..pair.random.below(300) {
            pair.step();
        }
        pair.drain();
        for side in [0, 1] {
            let id = pair.ends[side].id;
            pair.stack.close(pair.now, id, false);
        }
        pair.pass(200 * SECOND);
        assert_eq!(pair.stack.counts().0, 0, "seed {seed}");
        for end in &pair.ends {
            assert_eq!(end.account.bytes(), 0, "seed {seed}");
        }
    }
}

/// A queue that goes over as a whole is no copy, and leaves nothing behind.
#[test]
fn a_piece_goes_over_with_its_memory() {
    let mut pair = Pair::new(3);
    let [client, server] = [0, 1].map(|side| pair.ends[side].id);
    let mut bytes = vec![0; 4_000];
    for turn in 0..100u8 {
        bytes.fill(turn);
        assert_eq!(pair.stack.write(pair.now, client, &bytes), Ok(4_000));
        assert_eq!(pair.stack.queues(client), (0, 0));
        assert_eq!(pair.stack.queues(server), (4_000, 0));
        assert_eq!(pair.stack.read(pair.now, server, &mut bytes), Ok(4_000));
        assert!(bytes.iter().all(|&byte| byte == turn));
    }
}
