//! How connections begin and end.

use super::machine::*;
use crate::{IpEndpoint, KeepAlive, Limits, TcpSocket};
use paddock_abi::Errno;
use paddock_abi::socket::AF_INET;
use paddock_sync::{Pollable, Ready};
use paddock_unix_sockets::Switch;
use std::time::{Duration, Instant};

#[test]
fn nobody_listens() {
    let machine = Machine::alone(LIMITS);
    let socket = TcpSocket::new(&machine.net, AF_INET).unwrap();
    assert_eq!(socket.ready(), Ready::OUT | Ready::HUP);
    let nowhere = IpEndpoint::new(LOCALHOST, 9);
    assert_eq!(socket.connect(nowhere), Err(Errno::EINPROGRESS));
    wait(&*socket, Ready::OUT);
    assert!(
        socket
            .ready()
            .contains(Ready::ERR | Ready::OUT | Ready::HUP)
    );
    assert_eq!(socket.take_error(), Some(Errno::ECONNREFUSED));
    assert_eq!(socket.take_error(), None);
    assert_eq!(socket.send(b"x"), Err(Errno::EPIPE));
    let again = TcpSocket::new(&machine.net, AF_INET).unwrap();
    assert_eq!(try_connect(&again, nowhere), Err(Errno::ECONNREFUSED));
    // As on Linux, the socket can try again.
    let listener = listen(&machine, 0, 1);
    assert_eq!(
        try_connect(&again, IpEndpoint::new(LOCALHOST, listener.local().port)),
        Ok(())
    );
}

#[test]
fn there_is_no_network_card() {
    let machine = Machine::alone(LIMITS);
    let socket = TcpSocket::new(&machine.net, AF_INET).unwrap();
    assert_eq!(
        socket.connect(IpEndpoint::new(SECOND, 80)),
        Err(Errno::ENETUNREACH)
    );
}

#[test]
fn the_other_machine_refuses() {
    let (one, _other) = two(0);
    let socket = TcpSocket::new(&one.net, AF_INET).unwrap();
    assert_eq!(
        try_connect(&socket, IpEndpoint::new(SECOND, 81)),
        Err(Errno::ECONNREFUSED)
    );
}

#[test]
fn addresses_of_both_ends() {
    let (one, other) = two(0);
    let listener = listen(&other, 8080, 1);
    let client = connect(&one, SECOND, 8080);
    let (server, peer) = block(&*listener, Ready::IN, || listener.accept()).unwrap();
    assert_eq!(client.remote(), Ok(IpEndpoint::new(SECOND, 8080)));
    assert_eq!(server.local(), IpEndpoint::new(SECOND, 8080));
    assert_eq!(peer, client.local());
    assert_eq!(server.remote(), Ok(client.local()));
    assert_eq!(client.local().addr, FIRST);
    assert!((32768..=60999).contains(&client.local().port));
}

#[test]
fn the_own_address_leads_through_loopback() {
    let (one, _other) = two(0);
    let listener = TcpSocket::new(&one.net, AF_INET).unwrap();
    listener.bind(Some(FIRST), 7000).unwrap();
    listener.listen(1).unwrap();
    let client = connect(&one, FIRST, 7000);
    assert_eq!(client.remote(), Ok(IpEndpoint::new(FIRST, 7000)));
    send_all(&client, b"hello");
    assert_eq!(receive_exact(&accept(&listener), 5), b"hello");
    let other = TcpSocket::new(&one.net, AF_INET).unwrap();
    assert_eq!(other.bind(Some(SECOND), 7001), Err(Errno::EADDRNOTAVAIL));
}

#[test]
fn connecting_from_a_bound_port() {
    let machine = Machine::alone(LIMITS);
    let listener = listen(&machine, 0, 4);
    let to = IpEndpoint::new(LOCALHOST, listener.local().port);
    for port in [2000, 65535, 40_000, 1025] {
        let client = TcpSocket::new(&machine.net, AF_INET).unwrap();
        client.bind(None, port).unwrap();
        try_connect(&client, to).unwrap();
        let (_, peer) = block(&*listener, Ready::IN, || listener.accept()).unwrap();
        assert_eq!((peer.port, client.local().port), (port, port));
    }
    let client = TcpSocket::new(&machine.net, AF_INET).unwrap();
    client.bind(None, 512).unwrap();
    assert_eq!(try_connect(&client, to), Err(Errno::EADDRNOTAVAIL));
}

#[test]
fn ports_are_one_sockets() {
    let machine = Machine::alone(LIMITS);
    let first = listen(&machine, 0, 1);
    let port = first.local().port;
    assert_ne!(port, 0);
    let second = TcpSocket::new(&machine.net, AF_INET).unwrap();
    second.options.set(Switch::ReuseAddress, true);
    assert_eq!(second.bind(None, port), Err(Errno::EADDRINUSE));
    assert_eq!(second.bind(Some(LOCALHOST), port), Err(Errno::EADDRINUSE));
    let client = connect(&machine, LOCALHOST, port);
    let server = accept(&first);
    drop(first);
    // The accepted connection does not keep the port.
    second.bind(None, port).unwrap();
    second.listen(1).unwrap();
    assert_eq!(second.bind(None, port), Err(Errno::EINVAL));
    send_all(&client, b"still");
    assert_eq!(receive_exact(&server, 5), b"still");
    let third = TcpSocket::new(&machine.net, AF_INET).unwrap();
    third.bind(Some(LOCALHOST), 0).unwrap();
    assert_ne!(third.local().port, port);
}

#[test]
fn a_reset_is_told_once() {
    let machine = Machine::alone(LIMITS);
    let (client, server) = pair(&machine);
    // Unread data at the close makes it a reset.
    send_all(&client, b"unread");
    wait(&*server, Ready::IN);
    drop(server);
    wait(&*client, Ready::ERR);
    assert!(client.ready().contains(Ready::IN | Ready::OUT | Ready::HUP));
    assert_eq!(client.receive(&mut [0; 4]), Err(Errno::ECONNRESET));
    assert_eq!(client.receive(&mut [0; 4]), Ok(0));
    assert_eq!(client.send(b"x"), Err(Errno::EPIPE));
}

#[test]
fn a_reset_leaves_what_had_come() {
    let machine = Machine::alone(LIMITS);
    let (client, server) = pair(&machine);
    send_all(&server, b"last words");
    wait(&*client, Ready::IN);
    server.set_linger_reset(true);
    drop(server);
    wait(&*client, Ready::ERR);
    assert_eq!(receive_exact(&client, 10), b"last words");
    assert_eq!(client.receive(&mut [0; 4]), Err(Errno::ECONNRESET));
}

#[test]
fn no_room_for_more_sockets() {
    let limits = Limits {
        buffer: 4096,
        sockets: 24,
        listening: 4,
    };
    let machine = Machine::alone(limits);
    let listener = listen(&machine, 0, 16);
    let to = IpEndpoint::new(LOCALHOST, listener.local().port);
    let mut held = Vec::new();
    let error = loop {
        let client = TcpSocket::new(&machine.net, AF_INET).unwrap();
        match try_connect(&client, to) {
            Ok(()) => held.push((client, listener.accept().ok())),
            Err(error) => break error,
        }
        assert!(held.len() < 24);
    };
    assert!(
        matches!(error, Errno::ENFILE | Errno::ECONNREFUSED),
        "{error:?}"
    );
    drop(held);
    let started = Instant::now();
    loop {
        let client = TcpSocket::new(&machine.net, AF_INET).unwrap();
        if try_connect(&client, to).is_ok() {
            return;
        }
        assert!(
            started.elapsed() < Duration::from_secs(15),
            "the sockets never came back"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_silent_peer_is_given_up() {
    let (one, mut other) = two(0);
    let listener = listen(&other, 90, 1);
    let client = connect(&one, SECOND, 90);
    let server = accept(&listener);
    client.options.set(Switch::KeepAlive, true);
    client.set_keep_alive(KeepAlive {
        idle: 1,
        interval: 1,
        count: 1,
    });
    // Alive and idle: nothing happens.
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(client.ready(), Ready::OUT);
    other.freeze();
    wait(&*client, Ready::ERR);
    assert!(client.take_error().is_some());
    drop(server);
}

#[test]
fn nobody_answers_dhcp() {
    let machine = unplugged(embassy_net::Config::dhcpv4(Default::default()));
    let fallback = embassy_net::StaticConfigV4 {
        address: embassy_net::Ipv4Cidr::new(embassy_net::Ipv4Address::new(10, 0, 2, 15), 24),
        gateway: None,
        dns_servers: Default::default(),
    };
    let patience = embassy_time::Duration::from_millis(100);
    let configured = run(machine.net.configure(fallback.clone(), patience));
    assert!(!configured);
    assert_eq!(machine.net.config_v4(), Some(fallback));
}
