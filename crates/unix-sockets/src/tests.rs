//! Sockets on the host.

use crate::{Ancillary, Kind, Name, Target, UnixSocket};
use paddock_abi::Errno;
use paddock_abi::socket::Ucred;
use paddock_charge::Account;
use paddock_sync::{OwnedRegistration, Pollable, Ready};
use paddock_vfs::{File, OpenFile, OpenFlags};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;

fn payer() -> Arc<Account> {
    Account::of_user(usize::MAX).unwrap()
}

const ME: Ucred = Ucred {
    pid: 1,
    uid: 2,
    gid: 3,
};
const YOU: Ucred = Ucred {
    pid: 4,
    uid: 5,
    gid: 6,
};

fn write(socket: &UnixSocket, bytes: &[u8]) -> Result<usize, Errno> {
    File::write(socket, &mut 0, &mut bytes.into())
}

fn read(socket: &UnixSocket, room: usize) -> Result<Vec<u8>, Errno> {
    let mut buf = vec![0; room];
    let count = File::read(socket, &mut 0, &mut (&mut buf).into())?;
    buf.truncate(count);
    Ok(buf)
}

fn listening(kind: Kind, name: &str, backlog: i32) -> (Arc<UnixSocket>, Target) {
    let socket = UnixSocket::new(kind, ME, 1, &payer()).unwrap();
    let bytes = format!("\0{name}").into_bytes();
    socket
        .bind(Name::abstract_name(bytes.clone(), 1).unwrap())
        .unwrap();
    if kind.is_connected() {
        socket.listen(backlog, ME).unwrap();
    }
    (socket, Target::named(&bytes, 1).unwrap())
}

fn connected(kind: Kind, target: &Target) -> Arc<UnixSocket> {
    let socket = UnixSocket::new(kind, YOU, 1, &payer()).unwrap();
    socket.connect(target, YOU).unwrap();
    socket
}

#[test]
fn bytes_go_both_ways_and_end() {
    let (one, two) = UnixSocket::pair(Kind::Stream, ME, 1, &payer()).unwrap();
    assert_eq!(read(&two, 4), Err(Errno::EAGAIN));
    assert_eq!(one.ready(), Ready::OUT);
    write(&one, b"there").unwrap();
    write(&one, b" and").unwrap();
    assert_eq!(two.ready(), Ready::IN | Ready::OUT);
    assert_eq!(two.unread(), Ok(9));
    assert_eq!(read(&two, 7).unwrap(), b"there a");
    assert_eq!(read(&two, 7).unwrap(), b"nd");
    one.shutdown(false, true);
    assert_eq!(two.ready(), Ready::IN | Ready::OUT | Ready::RDHUP);
    assert_eq!(read(&two, 7).unwrap(), b"");
    assert_eq!(write(&one, b"x"), Err(Errno::EPIPE));
    write(&two, b"back").unwrap();
    drop(two);
    assert_eq!(read(&one, 9).unwrap(), b"back");
    assert_eq!(read(&one, 9).unwrap(), b"");
    assert!(one.ready().contains(Ready::HUP));
}

#[test]
fn what_was_not_read_is_reported() {
    let (one, two) = UnixSocket::pair(Kind::Stream, ME, 1, &payer()).unwrap();
    write(&one, b"lost").unwrap();
    drop(two);
    assert_eq!(write(&one, b"x"), Err(Errno::EPIPE));
    assert_eq!(read(&one, 4), Err(Errno::ECONNRESET));
    assert_eq!(read(&one, 4).unwrap(), b"");
}

#[test]
fn connections_wait_to_be_accepted() {
    let (listener, target) = listening(Kind::Stream, "accept", 1);
    assert_eq!(listener.accept().err(), Some(Errno::EAGAIN));
    let first = connected(Kind::Stream, &target);
    write(&first, b"early").unwrap();
    let _second = connected(Kind::Stream, &target);
    let third = UnixSocket::new(Kind::Stream, YOU, 1, &payer()).unwrap();
    assert_eq!(third.connect(&target, YOU), Err(Errno::EAGAIN));
    assert_eq!(third.ready(), Ready::empty());
    let server = listener.accept().unwrap();
    assert_eq!(third.ready(), Ready::OUT | Ready::HUP);
    third.connect(&target, YOU).unwrap();
    assert_eq!(third.connect(&target, YOU), Err(Errno::EISCONN));
    assert_eq!(read(&server, 9).unwrap(), b"early");
    assert_eq!(server.peer_credentials().map(|who| who.pid), Some(4));
    assert_eq!(first.peer_credentials().map(|who| who.pid), Some(1));
    let name = first.peer_name().unwrap().unwrap();
    assert_eq!(name.bytes(), b"\0accept");
    drop(server);
    assert!(Target::named(b"\0accept", 1).is_ok());
    assert_eq!(read(&first, 9).unwrap(), b"");
    drop(listener);
    assert_eq!(read(&third, 9), Err(Errno::ECONNRESET));
    assert_eq!(
        UnixSocket::new(Kind::Stream, ME, 1, &payer())
            .unwrap()
            .connect(&target, YOU),
        Err(Errno::ECONNREFUSED)
    );
    assert!(Target::named(b"\0accept", 1).is_err());
}

#[test]
fn a_waiting_connect_is_woken() {
    let (listener, target) = listening(Kind::Stream, "woken", 0);
    let _first = connected(Kind::Stream, &target);
    let waiting = thread::spawn(move || {
        let socket = UnixSocket::new(Kind::Stream, YOU, 1, &payer()).unwrap();
        let queue = socket.wait_queue().unwrap();
        while socket.connect(&target, YOU) == Err(Errno::EAGAIN) {
            queue.wait_until(|| socket.ready().contains(Ready::OUT).then_some(()));
        }
        socket
    });
    thread::sleep(std::time::Duration::from_millis(20));
    listener.accept().unwrap();
    let _second = waiting.join().unwrap();
    listener.accept().unwrap();
}

#[test]
fn messages_keep_their_bounds() {
    let (one, two) = UnixSocket::pair(Kind::SeqPacket, ME, 1, &payer()).unwrap();
    write(&one, b"first").unwrap();
    write(&one, b"second").unwrap();
    let mut buf = [0; 3];
    let seen = two.receive(&mut buf, true).unwrap();
    assert_eq!((seen.count, seen.length), (3, 5));
    let taken = two.receive(&mut buf, false).unwrap();
    assert_eq!((taken.count, taken.length), (3, 5));
    assert_eq!(read(&two, 9).unwrap(), b"second");
    assert_eq!(write(&one, &vec![0; 300_000]), Err(Errno::EMSGSIZE));
    while write(&one, &[0; 4000]).is_ok() {}
    assert_eq!(one.ready(), Ready::empty());
    for _ in 0..20 {
        read(&two, 4000).unwrap();
    }
    assert_eq!(one.ready(), Ready::OUT);
}

#[test]
fn datagrams_name_their_sender() {
    let (server, target) = listening(Kind::Datagram, "server", 0);
    let (client, reply_to) = listening(Kind::Datagram, "client", 0);
    let mut ancillary = Ancillary {
        credentials: YOU,
        ..Ancillary::default()
    };
    client.send(b"", Some(&target), &mut ancillary).unwrap();
    client.send(b"ask", Some(&target), &mut ancillary).unwrap();
    let mut buf = [0; 9];
    assert_eq!(server.receive(&mut buf, false).unwrap().length, 0);
    let asked = server.receive(&mut buf, false).unwrap();
    assert_eq!(asked.from.as_ref().unwrap().bytes(), b"\0client");
    assert_eq!(asked.credentials.pid, 4);
    assert_eq!(write(&server, b"x"), Err(Errno::ENOTCONN));
    server.connect(&reply_to, ME).unwrap();
    write(&server, b"answer").unwrap();
    assert_eq!(read(&client, 9).unwrap(), b"answer");
    let (_third, _) = listening(Kind::Datagram, "third", 0);
    assert_eq!(
        _third.send(b"x", Some(&target), &mut ancillary),
        Err(Errno::EPERM)
    );
    drop(client);
    assert_eq!(write(&server, b"x"), Err(Errno::ECONNREFUSED));
    assert_eq!(write(&server, b"x"), Err(Errno::ENOTCONN));
}

#[test]
fn a_full_receiver_holds_senders_up() {
    let (server, target) = listening(Kind::Datagram, "full", 0);
    let client = connected(Kind::Datagram, &target);
    while write(&client, &[0; 1000]).is_ok() {}
    assert_eq!(client.ready(), Ready::empty());
    let sender = thread::spawn(move || {
        let queue = client.wait_queue().unwrap();
        while write(&client, b"last") == Err(Errno::EAGAIN) {
            queue.wait_until(|| client.ready().contains(Ready::OUT).then_some(()));
        }
    });
    thread::sleep(std::time::Duration::from_millis(20));
    read(&server, 9).unwrap();
    sender.join().unwrap();
}

#[test]
fn a_long_stream_arrives_unchanged() {
    let (one, two) = UnixSocket::pair(Kind::Stream, ME, 1, &payer()).unwrap();
    let text: Vec<u8> = (0..3_000_000u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let sent = text.clone();
    let writer = thread::spawn(move || {
        let mut rest = &sent[..];
        let mut size = 1;
        while !rest.is_empty() {
            size = size * 7 % 100_003;
            let part = &rest[..rest.len().min(size)];
            match write(&one, part) {
                Ok(count) => rest = &rest[count..],
                Err(error) => {
                    assert_eq!(error, Errno::EAGAIN);
                    let queue = one.wait_queue().unwrap();
                    queue.wait_until(|| one.ready().contains(Ready::OUT).then_some(()));
                }
            }
        }
    });
    let mut found = Vec::new();
    loop {
        match read(&two, 5003) {
            Ok(part) if part.is_empty() => break,
            Ok(part) => found.extend(part),
            Err(_) => {
                let queue = two.wait_queue().unwrap();
                queue.wait_until(|| two.ready().contains(Ready::IN).then_some(()));
            }
        }
    }
    writer.join().unwrap();
    assert_eq!(found, text);
}

fn passing(files: Vec<Arc<OpenFile>>) -> Ancillary {
    Ancillary {
        rights: files,
        credentials: ME,
    }
}

fn open(socket: Arc<UnixSocket>) -> Arc<OpenFile> {
    OpenFile::new(socket, None, OpenFlags::RDWR).unwrap()
}

#[test]
fn files_come_with_their_bytes() {
    let (one, two) = UnixSocket::pair(Kind::Stream, ME, 1, &payer()).unwrap();
    let (passed, other) = UnixSocket::pair(Kind::Stream, ME, 1, &payer()).unwrap();
    write(&one, b"ab").unwrap();
    one.send(b"cd", None, &mut passing(vec![open(passed)]))
        .unwrap();
    write(&one, b"ef").unwrap();
    let mut buf = [0; 9];
    let plain = two.receive(&mut buf, false).unwrap();
    assert_eq!((plain.count, plain.rights.len()), (2, 0));
    let mut with_file = two.receive(&mut buf, false).unwrap();
    assert_eq!((with_file.count, with_file.rights.len()), (2, 1));
    let file = with_file.rights.pop().unwrap();
    file.write(b"through").unwrap();
    assert_eq!(read(&other, 9).unwrap(), b"through");
    drop(file);
    assert_eq!(read(&other, 9).unwrap(), b"");
}

#[test]
fn files_that_nobody_received_are_closed() {
    let (mut send, outermost) = UnixSocket::pair(Kind::Stream, ME, 1, &payer()).unwrap();
    // One inside the other, many deep.
    for _ in 0..50_000 {
        let (next, held) = UnixSocket::pair(Kind::Stream, ME, 1, &payer()).unwrap();
        send.send(b"x", None, &mut passing(vec![open(held)]))
            .unwrap();
        send = next;
    }
    assert_eq!(read(&send, 1), Err(Errno::EAGAIN));
    drop(outermost);
    assert_eq!(read(&send, 1).unwrap(), b"");
}

#[test]
fn no_socket_holds_itself() {
    let (one, two) = UnixSocket::pair(Kind::Stream, ME, 1, &payer()).unwrap();
    let mut ancillary = passing(vec![open(two.clone())]);
    assert_eq!(
        one.send(b"x", None, &mut ancillary),
        Err(Errno::ETOOMANYREFS)
    );
    let (three, four) = UnixSocket::pair(Kind::Stream, ME, 1, &payer()).unwrap();
    let two = open(two);
    three.send(b"x", None, &mut passing(vec![two])).unwrap();
    let mut ancillary = passing(vec![open(four)]);
    assert_eq!(
        one.send(b"x", None, &mut ancillary),
        Err(Errno::ETOOMANYREFS)
    );
}

#[test]
fn a_name_is_taken_once() {
    let (_held, _) = listening(Kind::Stream, "once", 1);
    let other = UnixSocket::new(Kind::Stream, ME, 1, &payer()).unwrap();
    let name = || Name::abstract_name(b"\0once".to_vec(), 1).unwrap();
    assert_eq!(other.bind(name()), Err(Errno::EADDRINUSE));
    other.bind_anywhere().unwrap();
    assert_eq!(other.bind(name()), Err(Errno::EINVAL));
    assert_eq!(other.name().unwrap().bytes().len(), 6);
}

/// The whole of another bind comes between this one's two halves.
#[test]
fn of_two_binds_at_once_the_first_stays() {
    let socket = UnixSocket::new(Kind::Stream, ME, 1, &payer()).unwrap();
    let name = |bytes: &[u8]| Name::abstract_name(bytes.to_vec(), 1).unwrap();
    let second = socket.bind_with(|endpoint| {
        socket.bind(name(b"\0first")).unwrap();
        let late = name(b"\0late");
        crate::name::register(&late, endpoint).map(|()| late)
    });
    assert_eq!(second, Err(Errno::EINVAL));
    assert_eq!(socket.name().unwrap().bytes(), b"\0first");
    assert!(Target::named(b"\0first", 1).is_ok());
    assert!(Target::named(b"\0late", 1).is_err());
    drop(socket);
    assert!(Target::named(b"\0first", 1).is_err());
}

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicU32);

impl std::task::Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

#[test]
fn whoever_waits_to_send_learns_of_a_shutdown() {
    let (receiver, target) = listening(Kind::Datagram, "shut", 0);
    let sender = connected(Kind::Datagram, &target);
    while write(&sender, &[0; 4096]).is_ok() {}
    assert!(!sender.ready().contains(Ready::OUT));
    let woken = Arc::new(Woken::default());
    let waits = OwnedRegistration::new(sender.clone(), &woken.clone().into()).unwrap();
    receiver.shutdown(true, false);
    assert_eq!(woken.0.load(Relaxed), 1);
    drop(waits);
    assert!(sender.ready().contains(Ready::OUT));
    assert_eq!(write(&sender, b"x"), Err(Errno::EPIPE));
}

#[test]
fn what_is_under_way_is_the_senders_to_pay() {
    let (sender, receiver) = (payer(), payer());
    let before = sender.bytes();
    let one = UnixSocket::new(Kind::Stream, ME, 1, &sender).unwrap();
    let (listener, target) = listening(Kind::Stream, "paid", 1);
    one.connect(&target, ME).unwrap();
    let two = listener.accept().unwrap();
    let idle = sender.bytes();
    assert_eq!(write(&one, &[7; 100_000]), Ok(100_000));
    assert!(sender.bytes() >= idle + 100_000);
    assert_eq!(receiver.bytes(), 0);
    let mut left = 100_000;
    while left > 0 {
        left -= read(&two, 30_000).unwrap().len();
    }
    assert_eq!(sender.bytes(), idle);
    write(&one, &[7; 5_000]).unwrap();
    drop((one, two));
    assert_eq!(sender.bytes(), before);
}

#[test]
fn a_sender_at_its_limit_is_told_so() {
    let poor = Account::of_user(60_000).unwrap();
    let (one, two) = UnixSocket::pair(Kind::Stream, ME, 1, &poor).unwrap();
    let sent = write(&one, &[7; 100_000]).unwrap();
    assert_eq!(sent, 32_768);
    assert_eq!(write(&one, &[7; 100_000]), Err(Errno::ENOMEM));
    assert_eq!(read(&two, 100_000).unwrap().len(), sent);
    assert_eq!(write(&one, &[7; 100]), Ok(100));
}

#[test]
fn abstract_names_are_found_within_their_network_namespace() {
    let name = |net| Name::abstract_name(b"\0apart".to_vec(), net).unwrap();
    let [here, there] = [1, 2].map(|net| {
        let socket = UnixSocket::new(Kind::Stream, ME, net, &payer()).unwrap();
        socket.bind(name(net)).unwrap();
        socket
    });
    let third = UnixSocket::new(Kind::Stream, ME, 2, &payer()).unwrap();
    assert_eq!(third.bind(name(2)).unwrap_err(), Errno::EADDRINUSE);
    assert!(Target::named(b"\0apart", 3).is_err());
    drop(here);
    assert!(Target::named(b"\0apart", 1).is_err());
    assert!(Target::named(b"\0apart", 2).is_ok());
    drop(there);
    third.bind(name(2)).unwrap();
}

#[test]
fn many_are_found_by_their_names() {
    let names: Vec<_> = (0..200u32)
        .map(|n| format!("\0many {}", n * 7919 % 200))
        .collect();
    let sockets: Vec<_> = names
        .iter()
        .map(|name| {
            let socket = UnixSocket::new(Kind::Datagram, ME, 9, &payer()).unwrap();
            socket
                .bind(Name::abstract_name(name.clone().into_bytes(), 9).unwrap())
                .unwrap();
            socket
        })
        .collect();
    for (index, socket) in sockets.into_iter().enumerate() {
        assert!(Target::named(names[index].as_bytes(), 9).is_ok());
        drop(socket);
        assert!(Target::named(names[index].as_bytes(), 9).is_err());
    }
}
