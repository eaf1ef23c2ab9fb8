//! Listeners that last.

use super::machine::*;
use crate::TcpSocket;
use paddock_abi::Errno;
use paddock_abi::socket::AF_INET;
use paddock_sync::{Pollable, Ready};
use std::thread;

#[test]
fn ten_thousand_connections_of_every_kind() {
    const COUNT: usize = 10_000;
    let machine = Machine::alone(LIMITS);
    let listener = listen(&machine, 0, 64);
    let port = listener.local().port;
    let serving = {
        let listener = listener.clone();
        thread::spawn(move || {
            let mut byte = [0];
            while byte != *b"." {
                let server = accept(&listener);
                if receive(&server, &mut byte) == Ok(1) {
                    let _ = server.send(&byte);
                }
            }
        })
    };
    for turn in 0..COUNT {
        let client = connect(&machine, LOCALHOST, port);
        match turn % 4 {
            // An answered question, ended by this side.
            0 => {
                send_all(&client, b"q");
                assert_eq!(receive(&client, &mut [0; 4]), Ok(1));
            }
            // A reset.
            1 => client.set_linger_reset(true),
            // A question whose answer nobody waits for.
            2 => send_all(&client, b"q"),
            // Nothing at all.
            _ => {}
        }
    }
    send_all(&connect(&machine, LOCALHOST, port), b".");
    serving.join().unwrap();
    let sockets = machine.net.tcp_sockets().unwrap();
    assert!(sockets.len() < 120, "{} sockets are left", sockets.len());
}

#[test]
fn connections_that_are_gone_before_they_are_accepted() {
    let machine = Machine::alone(LIMITS);
    let listener = listen(&machine, 0, 4);
    let port = listener.local().port;
    for _ in 0..500 {
        let client = connect(&machine, LOCALHOST, port);
        client.set_linger_reset(true);
        drop(client);
        // Given up connections are not accepted, or accepted dead.
        while let Ok((dead, _)) = listener.accept() {
            drop(dead);
        }
    }
    let client = connect(&machine, LOCALHOST, port);
    send_all(&client, b"x");
    let alive = loop {
        let server = accept(&listener);
        if receive(&server, &mut [0; 1]) == Ok(1) {
            break server;
        }
    };
    drop(alive);
}

#[test]
fn a_full_queue_refuses_and_recovers() {
    let machine = Machine::alone(LIMITS);
    let listener = listen(&machine, 0, 2);
    let to = crate::IpEndpoint::new(LOCALHOST, listener.local().port);
    let mut clients = Vec::new();
    loop {
        let client = TcpSocket::new(&machine.net, AF_INET).unwrap();
        match try_connect(&client, to) {
            Ok(()) => clients.push(client),
            Err(error) => {
                assert_eq!(error, Errno::ECONNREFUSED);
                break;
            }
        }
        assert!(clients.len() < 10, "the queue has no end");
    }
    assert!(clients.len() >= 2);
    assert!(listener.ready().contains(Ready::IN));
    for _ in &clients {
        listener.accept().unwrap();
    }
    assert_eq!(listener.accept().err(), Some(Errno::EAGAIN));
    assert!(!listener.ready().contains(Ready::IN));
    let client = TcpSocket::new(&machine.net, AF_INET).unwrap();
    assert_eq!(try_connect(&client, to), Ok(()));
}

#[test]
fn a_closed_listener_resets_those_that_wait() {
    let machine = Machine::alone(LIMITS);
    let listener = listen(&machine, 0, 4);
    let client = connect(&machine, LOCALHOST, listener.local().port);
    wait(&*listener, Ready::IN);
    drop(listener);
    wait(&*client, Ready::ERR);
    assert_eq!(client.receive(&mut [0; 1]), Err(Errno::ECONNRESET));
}

#[test]
fn what_does_not_listen_does_not_accept() {
    let machine = Machine::alone(LIMITS);
    let socket = TcpSocket::new(&machine.net, AF_INET).unwrap();
    assert_eq!(socket.accept().err(), Some(Errno::EINVAL));
    assert_eq!(socket.receive(&mut [0; 1]), Err(Errno::ENOTCONN));
    assert_eq!(socket.send(b"x"), Err(Errno::ENOTCONN));
    assert_eq!(socket.shutdown(true, true), Err(Errno::ENOTCONN));
    let (client, _server) = pair(&machine);
    assert_eq!(client.listen(1), Err(Errno::EINVAL));
    assert_eq!(client.accept().err(), Some(Errno::EINVAL));
}

#[test]
fn a_burst_from_another_machine() {
    let (one, other) = two(0);
    let _listener = listen(&other, 5000, 64);
    let clients: Vec<_> = (0..16)
        .map(|_| TcpSocket::new(&one.net, AF_INET).unwrap())
        .collect();
    let mut accepted = 0;
    for client in &clients {
        assert_eq!(
            client.connect(crate::IpEndpoint::new(SECOND, 5000)),
            Err(Errno::EINPROGRESS)
        );
        thread::sleep(std::time::Duration::from_millis(1));
    }
    for client in &clients {
        wait(&**client, Ready::OUT);
        accepted += usize::from(client.take_error().is_none());
    }
    assert!(accepted >= 8, "only {accepted} of 16 got through");
}
