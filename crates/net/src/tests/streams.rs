//! What goes in comes out, in order and without waiting.

use super::machine::*;
use crate::{IpAddress, TcpSocket};
use paddock_abi::Errno;
use paddock_sync::{Pollable, Ready};
use std::hash::Hasher;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

const MIB: usize = 1 << 20;

fn block_of(index: usize) -> Vec<u8> {
    (0..64 << 10)
        .map(|at| ((index * 7919 + at * 31) >> 3) as u8)
        .collect()
}

/// Sends `total` bytes there and back; both ends hash what they see.
fn echo(client: Arc<TcpSocket>, server: Arc<TcpSocket>, total: usize) {
    let sender = client.clone();
    let sending = thread::spawn(move || {
        let mut hash = std::hash::DefaultHasher::new();
        for index in 0..total / (64 << 10) {
            let block = block_of(index);
            hash.write(&block);
            send_all(&sender, &block);
        }
        sender.shutdown(false, true).unwrap();
        hash.finish()
    });
    let echoing = thread::spawn(move || {
        let mut buffer = vec![0; 50_000];
        loop {
            match receive(&server, &mut buffer).unwrap() {
                0 => return,
                count => send_all(&server, &buffer[..count]),
            }
        }
    });
    let mut hash = std::hash::DefaultHasher::new();
    let (mut buffer, mut count, mut whole) = (vec![0; 60_000], 0, Vec::new());
    loop {
        match receive(&client, &mut buffer).unwrap() {
            0 => break,
            got => {
                count += got;
                whole.extend_from_slice(&buffer[..got]);
                let blocks = whole.len() / (64 << 10) * (64 << 10);
                whole
                    .chunks_exact(64 << 10)
                    .for_each(|block| hash.write(block));
                whole.drain(..blocks);
            }
        }
    }
    assert_eq!(count, total);
    assert_eq!(hash.finish(), sending.join().unwrap());
    echoing.join().unwrap();
}

fn connected(
    server: &Machine,
    client: &Machine,
    address: IpAddress,
) -> (Arc<TcpSocket>, Arc<TcpSocket>) {
    let listener = listen(server, 0, 4);
    let connection = connect(client, address, listener.local().port);
    (connection, accept(&listener))
}

#[test]
fn sixteen_mebibytes_through_loopback() {
    let machine = Machine::alone(LIMITS);
    let (client, server) = pair(&machine);
    echo(client, server, 16 * MIB);
}

#[test]
fn sixteen_mebibytes_between_two_machines() {
    let (one, other) = two(0);
    let (client, server) = connected(&one, &other, FIRST);
    echo(client, server, 16 * MIB);
}

#[test]
fn a_wire_that_loses_frames() {
    let (one, other) = two(50);
    let (client, server) = connected(&one, &other, FIRST);
    echo(client, server, MIB);
}

#[test]
fn no_transfer_through_loopback_waits_for_a_delayed_acknowledgement() {
    let machine = Machine::alone(LIMITS);
    for size in [
        1, 100, 1959, 1960, 1961, 2048, 2500, 10_000, 50_000, 200_000,
    ] {
        let times: Vec<Duration> = (0..10)
            .map(|_| {
                let (client, server) = pair(&machine);
                let started = Instant::now();
                let sender = thread::spawn(move || send_all(&client, &vec![7; size]));
                receive_exact(&server, size);
                let took = started.elapsed();
                sender.join().unwrap();
                took
            })
            .collect();
        // The host may be busy; a wait that is there is there each time.
        assert!(
            times.iter().min() < Some(&Duration::from_millis(9)),
            "{size} bytes: {times:?}"
        );
    }
}

#[test]
fn half_closed_connections_still_carry_the_other_way() {
    let machine = Machine::alone(LIMITS);
    let (client, server) = pair(&machine);
    send_all(&client, b"question");
    client.shutdown(false, true).unwrap();
    assert_eq!(client.send(b"x"), Err(Errno::EPIPE));
    assert_eq!(receive_exact(&server, 8), b"question");
    assert_eq!(receive(&server, &mut [0; 8]), Ok(0));
    let ready = server.ready();
    assert!(
        ready.contains(Ready::IN | Ready::RDHUP | Ready::OUT) && !ready.contains(Ready::HUP),
        "{ready:?}"
    );
    send_all(&server, b"answer");
    drop(server);
    assert_eq!(receive_exact(&client, 6), b"answer");
    assert_eq!(receive(&client, &mut [0; 8]), Ok(0));
    wait(&*client, Ready::HUP);
}

#[test]
fn what_was_written_arrives_after_the_socket_is_gone() {
    let machine = Machine::alone(LIMITS);
    let (client, server) = pair(&machine);
    let data: Vec<u8> = (0..60_000).map(|at| at as u8).collect();
    send_all(&client, &data);
    drop(client);
    assert_eq!(receive_exact(&server, data.len()), data);
    assert_eq!(receive(&server, &mut [0; 8]), Ok(0));
}

#[test]
fn peeking_takes_nothing() {
    let machine = Machine::alone(LIMITS);
    let (client, server) = pair(&machine);
    assert_eq!(server.peek(&mut [0; 4]), Err(Errno::EAGAIN));
    send_all(&client, b"abcdef");
    wait(&*server, Ready::IN);
    let mut buffer = [0; 4];
    assert_eq!(
        block(&*server, Ready::IN, || server.peek(&mut buffer)),
        Ok(4)
    );
    assert_eq!(&buffer, b"abcd");
    assert_eq!(server.queues(), Ok((6, 0)));
    assert!(server.ready().contains(Ready::IN));
    assert_eq!(receive_exact(&server, 6), b"abcdef");
    assert!(!server.ready().contains(Ready::IN));
}

#[test]
fn an_idle_machine_does_not_poll() {
    let machine = Machine::alone(LIMITS);
    let (client, server) = pair(&machine);
    thread::sleep(Duration::from_millis(300));
    for _ in 0..1000 {
        assert!(client.ready() == Ready::OUT && server.receive(&mut [0; 8]) == Err(Errno::EAGAIN));
    }
    let polls = machine.polls();
    assert!(
        polls < 60,
        "looking at sockets polled the runners {polls} times"
    );
}

/// A waiter that never looks again by itself, as epoll's edge trigger.
struct Edges(std::sync::atomic::AtomicUsize);

impl std::task::Wake for Edges {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }
}

impl Edges {
    fn grow_past(&self, count: usize) -> usize {
        let started = Instant::now();
        loop {
            let now = self.0.load(std::sync::atomic::Ordering::SeqCst);
            if now > count {
                return now;
            }
            assert!(started.elapsed() < Duration::from_secs(10), "no edge");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
fn every_change_is_an_edge() {
    let machine = Machine::alone(LIMITS);
    let (client, server) = pair(&machine);
    let edges = Arc::new(Edges(Default::default()));
    let waker = edges.clone().into();
    let registration = server.wait_queue().unwrap().register(&waker).unwrap();
    server.ready();
    let mut buffer = [0; 4];
    let mut count = 0;
    // Read to the last byte but not to EAGAIN, then read in part.
    for message in [&b"full"[..], b"full", b"more than", b"still more"] {
        send_all(&client, message);
        count = edges.grow_past(count);
        registration.renew(&waker);
        assert_eq!(server.receive(&mut buffer), Ok(4));
    }
    client.set_linger_reset(true);
    drop(client);
    edges.grow_past(count);
}
