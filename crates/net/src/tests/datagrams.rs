//! UDP.

use super::machine::*;
use crate::{IpEndpoint, UdpSocket};
use paddock_abi::Errno;
use paddock_abi::socket::AF_INET;
use paddock_sync::{Pollable, Ready};

fn take(socket: &UdpSocket, buffer: &mut [u8]) -> crate::Arrived {
    block(socket, Ready::IN, || socket.receive(buffer, false)).unwrap()
}

#[test]
fn a_question_and_an_answer_between_machines() {
    let (one, other) = two(0);
    let server = UdpSocket::new(&other.net, AF_INET).unwrap();
    server.bind(None, 53).unwrap();
    let client = UdpSocket::new(&one.net, AF_INET).unwrap();
    client
        .send(b"question", Some(IpEndpoint::new(SECOND, 53)))
        .unwrap();
    let mut buffer = [0; 100];
    let got = take(&server, &mut buffer);
    assert_eq!(&buffer[..got.count], b"question");
    assert_eq!(
        got.from.unwrap(),
        IpEndpoint::new(FIRST, client.local().port)
    );
    server.send(b"answer", got.from).unwrap();
    let got = take(&client, &mut buffer);
    assert_eq!(
        (&buffer[..got.count], got.from.unwrap()),
        (&b"answer"[..], IpEndpoint::new(SECOND, 53))
    );
}

#[test]
fn one_socket_serves_both_interfaces() {
    let (one, other) = two(0);
    let server = UdpSocket::new(&one.net, AF_INET).unwrap();
    server.bind(None, 1234).unwrap();
    let local = UdpSocket::new(&one.net, AF_INET).unwrap();
    let remote = UdpSocket::new(&other.net, AF_INET).unwrap();
    for (socket, address) in [(&local, LOCALHOST), (&remote, FIRST), (&local, FIRST)] {
        socket
            .send(b"hi", Some(IpEndpoint::new(address, 1234)))
            .unwrap();
        let got = take(&server, &mut [0; 8]);
        server.send(b"ho", got.from).unwrap();
        assert_eq!(take(socket, &mut [0; 8]).count, 2);
    }
}

#[test]
fn long_datagrams_are_cut_and_looked_at() {
    let machine = Machine::alone(LIMITS);
    let server = UdpSocket::new(&machine.net, AF_INET).unwrap();
    server.bind(None, 0).unwrap();
    let client = UdpSocket::new(&machine.net, AF_INET).unwrap();
    let to = IpEndpoint::new(LOCALHOST, server.local().port);
    assert_eq!(
        server.receive(&mut [0; 4], false).err(),
        Some(Errno::EAGAIN)
    );
    assert_eq!(
        client.send(&vec![1; crate::MAX_DATAGRAM + 1], Some(to)),
        Err(Errno::EMSGSIZE)
    );
    client.send(b"abcdef", Some(to)).unwrap();
    client.send(b"", Some(to)).unwrap();
    wait(&*server, Ready::IN);
    let mut buffer = [0; 4];
    let looked = block(&*server, Ready::IN, || server.receive(&mut buffer, true)).unwrap();
    assert_eq!((looked.count, looked.length, &buffer), (4, 6, b"abcd"));
    assert_eq!(server.unread(), 6);
    assert_eq!(take(&server, &mut buffer).length, 6);
    assert_eq!(take(&server, &mut buffer).length, 0);
    assert!(!server.ready().contains(Ready::IN));
}

#[test]
fn a_connected_socket_hears_its_peer_only() {
    let machine = Machine::alone(LIMITS);
    let make = || {
        let socket = UdpSocket::new(&machine.net, AF_INET).unwrap();
        socket.bind(Some(LOCALHOST), 0).unwrap();
        let at = IpEndpoint::new(LOCALHOST, socket.local().port);
        (socket, at)
    };
    let ((own, at), (friend, friend_at), (stranger, _)) = (make(), make(), make());
    assert_eq!(own.send(b"x", None), Err(Errno::EDESTADDRREQ));
    own.connect(Some(friend_at)).unwrap();
    assert_eq!(own.remote(), Ok(friend_at));
    stranger.send(b"no", Some(at)).unwrap();
    friend.send(b"yes", Some(at)).unwrap();
    assert_eq!(take(&own, &mut [0; 8]).count, 3);
    own.send(b"back", None).unwrap();
    assert_eq!(take(&friend, &mut [0; 8]).from, Some(at));
}

#[test]
fn ports_and_room_come_back() {
    let machine = Machine::alone(LIMITS);
    for _ in 0..1000 {
        let socket = UdpSocket::new(&machine.net, AF_INET).unwrap();
        socket.bind(None, 4000).unwrap();
        let other = UdpSocket::new(&machine.net, AF_INET).unwrap();
        assert_eq!(other.bind(None, 4000), Err(Errno::EADDRINUSE));
        other
            .send(b"x", Some(IpEndpoint::new(LOCALHOST, 4000)))
            .unwrap();
    }
}

#[test]
fn the_last_words_of_a_closed_socket_are_sent() {
    let (one, other) = two(0);
    let server = UdpSocket::new(&other.net, AF_INET).unwrap();
    server.bind(None, 514).unwrap();
    let client = UdpSocket::new(&one.net, AF_INET).unwrap();
    client
        .send(b"log", Some(IpEndpoint::new(SECOND, 514)))
        .unwrap();
    drop(client);
    assert_eq!(take(&server, &mut [0; 8]).count, 3);
}

#[test]
fn the_longest_datagrams_of_each_interface() {
    let (one, other) = two(0);
    for (machine, address, longest) in [
        (&one, LOCALHOST, crate::MAX_DATAGRAM),
        (&other, FIRST, 1472),
    ] {
        let server = UdpSocket::new(&one.net, AF_INET).unwrap();
        server.bind(None, 0).unwrap();
        let client = UdpSocket::new(&machine.net, AF_INET).unwrap();
        let to = Some(IpEndpoint::new(address, server.local().port));
        assert_eq!(client.send(&vec![1; longest + 1], to), Err(Errno::EMSGSIZE));
        for fill in 0..5 {
            client.send(&vec![fill; longest], to).unwrap();
            let mut buffer = vec![0; longest];
            assert_eq!(take(&server, &mut buffer).count, longest);
            assert!(buffer.iter().all(|&byte| byte == fill));
        }
    }
}
