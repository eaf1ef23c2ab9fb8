//! Single rules: backlogs, resets, ends, TIME-WAIT, ports, probes.

mod common;

use common::*;
use paddock_abi::Errno;
use paddock_inet::{Backlog, Delivery, Id, Local, Loopback, Settings, Stack, State};
use paddock_sync::Ready;
use smoltcp::wire::{IpAddress, IpEndpoint, Ipv4Address};

const PLAIN: Wire = Wire {
    loss: 0,
    doubled: 0,
    late: 0,
    delay: MS,
    burst: 1,
};

/// One stack, talking to itself.
struct Alone {
    stack: TestStack,
    now: u64,
    listener: Id,
    watcher: Watcher,
}

fn localhost(port: u16) -> IpEndpoint {
    IpEndpoint::new(IpAddress::Ipv4(Ipv4Address::LOCALHOST), port)
}

impl Alone {
    fn new(backlog: usize) -> Alone {
        let mut stack = Stack::new(machine(7));
        let settings = Settings::default();
        let (watcher, account) = (Watcher::default(), account());
        let claim = stack.bind(Local::AnyIpv4, 80, &settings).unwrap();
        let (owner, backlog) = (watcher.clone(), Backlog::new(backlog));
        let listener = stack.listen(claim, backlog, settings, owner, account);
        Alone {
            stack,
            now: SECOND,
            listener: listener.unwrap(),
            watcher,
        }
    }

    fn connect(&mut self, port: u16) -> Result<(Id, Watcher), Errno> {
        let (watcher, account) = (Watcher::default(), account());
        let (settings, to) = (Settings::default(), localhost(port));
        let id = self
            .stack
            .connect(self.now, None, to, settings, watcher.clone(), &account)?;
        Ok((id, watcher))
    }

    fn accept(&mut self) -> Result<(Id, Watcher), Errno> {
        let watcher = Watcher::default();
        let accepted = self
            .stack
            .accept(self.listener, watcher.clone(), &account())?;
        Ok((accepted.id, watcher))
    }

    fn pair(&mut self) -> (Id, Id) {
        let (client, _) = self.connect(80).unwrap();
        (client, self.accept().unwrap().0)
    }

    fn states(&mut self, ids: [Id; 2]) -> [State; 2] {
        ids.map(|id| self.stack.state(id))
    }
}

#[test]
fn connecting_here_is_over_at_once() {
    let mut alone = Alone::new(4);
    let (client, told) = alone.connect(80).unwrap();
    assert_eq!(alone.stack.state(client), State::Established);
    assert!(told.take().contains(Ready::OUT));
    assert_eq!(alone.watcher.take(), Ready::IN);
    let (server, heard) = alone.accept().unwrap();
    assert_eq!(alone.accept().err(), Some(Errno::EAGAIN));
    assert_eq!(alone.stack.write(alone.now, client, b"hello"), Ok(5));
    assert!(heard.take().contains(Ready::IN));
    let mut buffer = [0; 8];
    assert_eq!(alone.stack.read(alone.now, server, &mut buffer), Ok(5));
    assert_eq!(&buffer[..5], b"hello");
    assert_eq!(alone.stack.queues(client), (0, 0));
}

#[test]
fn nothing_is_reached_while_loopback_is_down() {
    let mut alone = Alone::new(4);
    *alone.stack.loopback() = Loopback::down();
    assert_eq!(alone.connect(80).err(), Some(Errno::ENETUNREACH));
    assert!(!alone.stack.is_own(localhost(0).addr));
    let (account, to) = (account(), localhost(53));
    let udp = alone.stack.udp_open(Watcher::default(), &account).unwrap();
    let settings = Settings::default();
    let send =
        |stack: &mut TestStack| stack.udp_send(alone.now, udp, b"x", &Delivery::to(to), &settings);
    assert_eq!(send(&mut alone.stack), Err(Errno::ENETUNREACH));
    alone.stack.loopback().set_up(true).unwrap();
    assert_eq!(send(&mut alone.stack), Ok(()));
    let (client, _) = alone.connect(80).unwrap();
    assert_eq!(alone.stack.state(client), State::Established);
}

#[test]
fn nobody_listens() {
    let mut alone = Alone::new(4);
    let (client, _) = alone.connect(81).unwrap();
    assert_eq!(alone.stack.state(client), State::Closed);
    assert_eq!(alone.stack.take_error(client), Some(Errno::ECONNREFUSED));
}

/// Who closes first, and the states that both sides go through.
#[test]
fn ends_in_turn() {
    let mut alone = Alone::new(4);
    let (client, server) = alone.pair();
    let (now, both) = (alone.now, [client, server]);
    alone.stack.shutdown(now, client, false, true).unwrap();
    assert_eq!(alone.states(both), [State::FinWait2, State::CloseWait]);
    assert_eq!(alone.stack.read(now, server, &mut [0; 4]), Ok(0));
    assert_eq!(alone.stack.write(now, server, b"late"), Ok(4));
    assert_eq!(alone.stack.read(now, client, &mut [0; 4]), Ok(4));
    alone.stack.shutdown(now, server, false, true).unwrap();
    assert_eq!(alone.states(both), [State::Closed; 2]);
    assert_eq!(alone.stack.counts(), (2, 0, 1));
    assert_eq!(alone.stack.write(now, client, b"x"), Err(Errno::EPIPE));
    alone.stack.close(now, client, false);
    alone.stack.close(now, server, false);
    assert_eq!(alone.stack.counts(), (0, 0, 1));
    alone.stack.on_time(now + 61 * SECOND);
    assert_eq!(alone.stack.counts(), (0, 0, 0));
}

#[test]
fn both_ends_at_once_over_a_wire() {
    let mut network = Network::new(3, PLAIN);
    let (client, server) = network.pair(Settings::default());
    network.pass(10 * MS);
    let now = network.now;
    network.stacks[0]
        .shutdown(now, client, false, true)
        .unwrap();
    network.stacks[1]
        .shutdown(now, server, false, true)
        .unwrap();
    assert_eq!(network.stacks[0].state(client), State::FinWait1);
    network.pass(10 * MS);
    for side in 0..2 {
        assert_eq!(network.stacks[side].counts().2, 1, "TIME-WAIT on both");
    }
}

#[test]
fn both_begin_at_once() {
    let mut network = Network::new(4, PLAIN);
    let (settings, account) = (Settings::default(), network.account.clone());
    let now = network.now;
    let mut ids = Vec::new();
    for side in 0..2 {
        let stack = &mut network.stacks[side];
        let claim = stack.bind(Local::AnyIpv4, 700, &settings).unwrap();
        let to = endpoint(1 - side, 700);
        let id = stack.connect(now, Some(claim), to, settings, Watcher::default(), &account);
        ids.push(id.unwrap());
    }
    network.pass(SECOND);
    for (stack, &id) in network.stacks.iter_mut().zip(&ids) {
        assert_eq!(stack.state(id), State::Established);
    }
    assert_eq!(network.stacks[0].write(network.now, ids[0], b"ab"), Ok(2));
    network.pass(SECOND);
    let read = network.stacks[1].read(network.now, ids[1], &mut [0; 4]);
    assert_eq!(read, Ok(2));
}

/// A full backlog drops what comes: clients try again and get in.
#[test]
fn a_full_backlog_refuses_nobody() {
    let mut alone = Alone::new(8);
    let clients: Vec<Id> = (0..40).map(|_| alone.connect(80).unwrap().0).collect();
    let connected = |alone: &mut Alone| {
        let states = clients.iter().map(|&id| alone.stack.state(id));
        states.filter(|state| *state == State::Established).count()
    };
    assert_eq!(connected(&mut alone), 9, "one more than the backlog");
    let mut accepted = 0;
    for _ in 0..1200 {
        while alone.accept().is_ok() {
            accepted += 1;
        }
        alone.now += 100 * MS;
        alone.stack.on_time(alone.now);
    }
    assert_eq!((accepted, connected(&mut alone)), (40, 40));
}

#[test]
fn those_that_gave_up_are_accepted() {
    let mut alone = Alone::new(8);
    for _ in 0..6 {
        let (client, _) = alone.connect(80).unwrap();
        alone.stack.close(alone.now, client, true);
    }
    for _ in 0..6 {
        let (server, _) = alone.accept().unwrap();
        let read = alone.stack.read(alone.now, server, &mut [0; 4]);
        assert_eq!(read, Err(Errno::ECONNRESET));
        assert_eq!(alone.stack.read(alone.now, server, &mut [0; 4]), Ok(0));
        alone.stack.close(alone.now, server, false);
    }
    assert_eq!(alone.stack.counts(), (0, 0, 0));
}

#[test]
fn closing_with_unread_bytes_resets() {
    let mut alone = Alone::new(8);
    let (client, server) = alone.pair();
    alone.stack.write(alone.now, client, b"unread").unwrap();
    alone.stack.close(alone.now, server, false);
    assert_eq!(alone.stack.take_error(client), Some(Errno::ECONNRESET));
    let ready = alone.stack.ready(client);
    assert!(ready.contains(Ready::HUP | Ready::IN | Ready::OUT | Ready::RDHUP));
}

#[test]
fn orphans_deliver_what_was_written() {
    let mut alone = Alone::new(8);
    let (client, server) = alone.pair();
    let mut sum = 0;
    while let Ok(count) = alone.stack.write(alone.now, server, &[1; 5000]) {
        sum += count;
    }
    alone.stack.close(alone.now, server, false);
    assert_eq!(alone.stack.counts(), (2, 1, 0));
    alone.now += 300 * SECOND;
    alone.stack.on_time(alone.now);
    let (mut got, mut buffer) = (0, vec![0; 65536]);
    loop {
        match alone.stack.read(alone.now, client, &mut buffer) {
            Ok(0) => break,
            Ok(count) => got += count,
            Err(error) => panic!("{error} after {got} of {sum}"),
        }
    }
    assert_eq!(got, sum);
    alone.stack.close(alone.now, client, false);
    assert_eq!(alone.stack.counts().0, 0);
}

#[test]
fn a_listener_that_goes_resets_those_that_wait() {
    let mut alone = Alone::new(8);
    let (client, _) = alone.connect(80).unwrap();
    let listener = alone.listener;
    alone.stack.close_listener(alone.now, listener);
    assert_eq!(alone.stack.take_error(client), Some(Errno::ECONNRESET));
    let (late, _) = alone.connect(80).unwrap();
    assert_eq!(alone.stack.take_error(late), Some(Errno::ECONNREFUSED));
}

/// Many in turn do not run out of ports: TIME-WAIT ends for a new one here.
#[test]
fn many_in_turn() {
    let mut alone = Alone::new(8);
    for round in 0..40_000 {
        let (client, server) = alone.pair();
        alone.stack.close(alone.now, client, false);
        alone.stack.close(alone.now, server, false);
        assert_eq!(alone.stack.counts().0, 0, "round {round}");
        alone.now += 1000;
    }
    assert!(alone.stack.counts().2 <= 16384);
}

#[test]
fn an_idle_connection_is_small() {
    let mut alone = Alone::new(8);
    let paying = account();
    let (watcher, to) = (Watcher::default(), localhost(80));
    let settings = Settings::default();
    let client = alone
        .stack
        .connect(alone.now, None, to, settings, watcher, &paying);
    let (client, server) = (client.unwrap(), alone.accept().unwrap().0);
    alone.stack.write(alone.now, client, &[0; 9000]).unwrap();
    alone.stack.write(alone.now, server, &[0; 9000]).unwrap();
    assert!(paying.bytes() > 16000);
    let mut buffer = [0; 10_000];
    assert_eq!(alone.stack.read(alone.now, client, &mut buffer), Ok(9000));
    alone.stack.on_time(alone.now + 5 * SECOND);
    assert!(paying.bytes() < 1000, "{} bytes", paying.bytes());
}

/// A peer that reads nothing is probed; once it reads, all goes on.
#[test]
fn a_closed_window_is_probed() {
    let mut network = Network::new(5, PLAIN);
    let (client, server) = network.pair(Settings::default());
    let mut sent = 0;
    for _ in 0..200 {
        sent += network.stacks[0]
            .write(network.now, client, &[3; 20_000])
            .unwrap_or(0);
        network.pass(20 * MS);
    }
    network.pass(3600 * SECOND);
    assert_eq!(network.stacks[0].state(client), State::Established);
    // What tells of the room is lost: the probe finds it.
    network.wire.loss = 100;
    let (mut got, mut buffer) = (0, vec![0; 100_000]);
    while let Ok(count @ 1..) = network.stacks[1].read(network.now, server, &mut buffer) {
        got += count;
        network.collect();
    }
    network.wire.loss = 0;
    network.pass(300 * SECOND);
    while let Ok(count @ 1..) = network.stacks[1].read(network.now, server, &mut buffer) {
        got += count;
        network.pass(SECOND);
    }
    assert_eq!(got, sent);
}

#[test]
fn keep_alive_finds_a_dead_peer() {
    let mut network = Network::new(6, PLAIN);
    let settings = Settings {
        keep_alive: true,
        keep_idle: 10,
        keep_interval: 2,
        keep_count: 3,
        ..Settings::default()
    };
    let (client, _) = network.pair(settings);
    network.pass(600 * SECOND);
    assert_eq!(network.stacks[0].state(client), State::Established);
    network.wire.loss = 100;
    network.pass(30 * SECOND);
    assert_eq!(network.stacks[0].take_error(client), Some(Errno::ETIMEDOUT));
}

#[test]
fn the_user_time_out_ends_what_is_not_acknowledged() {
    let mut network = Network::new(8, PLAIN);
    let settings = Settings {
        user_timeout: 3000,
        ..Settings::default()
    };
    let (client, _) = network.pair(settings);
    network.wire.loss = 100;
    network.stacks[0].write(network.now, client, b"x").unwrap();
    network.pass(2 * SECOND);
    assert_eq!(network.stacks[0].state(client), State::Established);
    network.pass(8 * SECOND);
    assert_eq!(network.stacks[0].take_error(client), Some(Errno::ETIMEDOUT));
}

#[test]
fn nobody_answers() {
    let mut network = Network::new(9, PLAIN);
    let account = network.account.clone();
    let to = IpEndpoint::new(Ipv4Address::new(10, 0, 0, 77).into(), 9);
    let (now, owner) = (network.now, Watcher::default());
    let id = network.stacks[0].connect(now, None, to, Settings::default(), owner, &account);
    let id = id.unwrap();
    network.pass(2 * SECOND);
    assert_eq!(network.stacks[0].state(id), State::SynSent);
    network.pass(5 * SECOND);
    let error = network.stacks[0].take_error(id);
    assert_eq!(error, Some(Errno::EHOSTUNREACH));
    network.wire.loss = 100;
    let (dead, _) = network.connect(80, Settings::default());
    network.pass(200 * SECOND);
    assert!(network.stacks[0].take_error(dead).is_some());
}

/// Small writes wait for each other unless TCP_NODELAY is set.
#[test]
fn nagle_gathers_small_writes() {
    for (no_delay, most) in [(false, 12), (true, 60)] {
        let mut network = Network::new(10, PLAIN);
        let settings = Settings {
            no_delay,
            quick_ack: true,
            ..Settings::default()
        };
        let (client, _) = network.pair(settings);
        network.pass(100 * MS);
        let before = network.sent;
        for _ in 0..20 {
            network.stacks[0].write(network.now, client, b"x").unwrap();
            network.collect();
        }
        network.pass(100 * MS);
        let frames = network.sent - before;
        assert!(frames <= most, "{frames} frames");
        assert_eq!(frames > 12, no_delay);
    }
}

#[test]
fn ports_of_services_are_not_for_programs() {
    let mut alone = Alone::new(1);
    let settings = Settings::default();
    assert!(alone.stack.bind(Local::AnyIpv4, 22, &settings).is_err());
    let (ssh, _) = alone.connect(22).unwrap();
    assert_eq!(alone.stack.state(ssh), State::SynSent);
    assert_eq!(alone.stack.host().services.len(), 1);
}
