use super::*;
use alloc::sync::Arc;
use paddock_abi::Errno;
use paddock_abi::socket::Ucred;
use paddock_sync::{Pollable, Ready};
use paddock_vfs::dev_fs::NullFile;
use paddock_vfs::{OpenFile, OpenFlags};
use std::thread;

fn who(pid: i32) -> Ucred {
    Ucred {
        pid,
        uid: 0,
        gid: 0,
    }
}

fn server(registry: &Registry) -> Arc<UnixSocket> {
    let socket = UnixSocket::new(Kind::Stream, who(1)).unwrap();
    socket.set_name(b"/run/s").unwrap();
    registry.bind(Name::Inode(1, 7), &socket).unwrap();
    socket
}

fn send(socket: &UnixSocket, bytes: &[u8]) -> paddock_abi::Result<usize> {
    socket.send(bytes, &mut Vec::new(), None)
}

fn receive(socket: &UnixSocket) -> paddock_abi::Result<Vec<u8>> {
    let mut buf = vec![0; 100];
    let received = socket.receive(&mut buf, false)?;
    Ok(buf[..received.count].to_vec())
}

#[test]
fn a_client_connects_and_talks() {
    let registry = Registry::new();
    let listener = server(&registry);
    let client = UnixSocket::new(Kind::Stream, who(2)).unwrap();
    let target = registry.find(&Name::Inode(1, 7)).unwrap();
    assert_eq!(client.connect(&target), Err(Errno::ECONNREFUSED));
    assert_eq!(listener.accept().err(), Some(Errno::EINVAL));
    listener.listen(2).unwrap();
    assert_eq!(listener.accept().err(), Some(Errno::EAGAIN));
    client.connect(&target).unwrap();
    assert_eq!(listener.ready(), Ready::IN);
    send(&client, b"hello").unwrap();
    let accepted = listener.accept().unwrap();
    assert_eq!(receive(&accepted).unwrap(), b"hello");
    assert_eq!(receive(&accepted), Err(Errno::EAGAIN));
    assert_eq!(accepted.peer_credentials().unwrap().pid, 2);
    assert_eq!(client.peer_name().unwrap(), b"/run/s");
    assert_eq!(client.connect(&target), Err(Errno::EISCONN));
    drop(accepted);
    assert_eq!(receive(&client).unwrap(), b"");
    assert_eq!(send(&client, b"x"), Err(Errno::EPIPE));
    assert!(client.ready().contains(Ready::HUP | Ready::IN));
}

#[test]
fn a_backlog_is_bounded_and_dies_with_its_socket() {
    let registry = Registry::new();
    let listener = server(&registry);
    listener.listen(1).unwrap();
    let clients: Vec<_> = (0..2)
        .map(|_| UnixSocket::new(Kind::Stream, who(2)).unwrap())
        .collect();
    clients[0].connect(&listener).unwrap();
    assert_eq!(clients[1].connect(&listener), Err(Errno::EAGAIN));
    drop(listener);
    assert_eq!(receive(&clients[0]).unwrap(), b"");
    assert_eq!(
        registry.find(&Name::Inode(1, 7)).err(),
        Some(Errno::ECONNREFUSED)
    );
    server(&registry);
}

#[test]
fn directions_close_apart() {
    let (first, second) = UnixSocket::pair(Kind::Stream, who(1)).unwrap();
    send(&first, b"end").unwrap();
    first.shutdown(false, true).unwrap();
    assert_eq!(receive(&second).unwrap(), b"end");
    assert_eq!(receive(&second).unwrap(), b"");
    assert_eq!(send(&first, b"x"), Err(Errno::EPIPE));
    send(&second, b"back").unwrap();
    assert_eq!(receive(&first).unwrap(), b"back");
    assert!(second.ready().contains(Ready::RDHUP) && !second.ready().contains(Ready::HUP));
}

#[test]
fn files_arrive_with_their_byte() {
    let (first, second) = UnixSocket::pair(Kind::Stream, who(1)).unwrap();
    let file = OpenFile::new(Arc::new(NullFile), None, OpenFlags::RDWR).unwrap();
    send(&first, b"before").unwrap();
    let mut files = vec![file.clone()];
    first.send(b"with", &mut files, None).unwrap();
    assert!(files.is_empty());
    let mut buf = [0; 100];
    let plain = second.receive(&mut buf, false).unwrap();
    assert_eq!((plain.count, plain.files.len()), (6, 0));
    let marked = second.receive(&mut buf, false).unwrap();
    assert_eq!((marked.count, marked.files.len()), (4, 1));
    let mut lost = vec![file.clone()];
    first.send(b"never", &mut lost, None).unwrap();
    drop((second, marked));
    assert_eq!(Arc::strong_count(&file), 1);
}

#[test]
fn messages_keep_their_bounds_and_senders() {
    let registry = Registry::new();
    let log = UnixSocket::new(Kind::Datagram, who(1)).unwrap();
    registry
        .bind(Name::Abstract(b"log".to_vec()), &log)
        .unwrap();
    let sender = UnixSocket::new(Kind::Datagram, who(2)).unwrap();
    assert_eq!(send(&sender, b"x"), Err(Errno::ENOTCONN));
    sender.set_name(b"me").unwrap();
    let target = registry.find(&Name::Abstract(b"log".to_vec())).unwrap();
    sender.connect(&target).unwrap();
    send(&sender, b"first").unwrap();
    send(&sender, b"second").unwrap();
    let mut small = [0; 3];
    let peeked = log.receive(&mut small, true).unwrap();
    assert_eq!((peeked.count, peeked.length), (3, 5));
    let cut = log.receive(&mut small, false).unwrap();
    assert_eq!((cut.count, cut.length, &cut.from[..]), (3, 5, &b"me"[..]));
    assert_eq!(receive(&log).unwrap(), b"second");
    let many = (0..1000)
        .take_while(|_| send(&sender, &[0; 1000]).is_ok())
        .count();
    assert!(many > 100 && many < 1000);
    assert!(!sender.ready().contains(Ready::OUT));
    drop((log, target));
    assert_eq!(send(&sender, b"x"), Err(Errno::ECONNREFUSED));
}

#[test]
fn a_megabyte_goes_through_unchanged() {
    let (first, second) = UnixSocket::pair(Kind::Stream, who(1)).unwrap();
    let data: Vec<u8> = (0..1u32 << 20).map(|i| (i * 31 + i / 509) as u8).collect();
    let sent = data.clone();
    let writer = thread::spawn(move || {
        let mut rest = &sent[..];
        while !rest.is_empty() {
            let queue = first.wait_queue().unwrap();
            let count = queue.wait_until(|| match send(&first, rest) {
                Err(Errno::EAGAIN) => None,
                other => Some(other.unwrap()),
            });
            rest = &rest[count..];
        }
    });
    let mut got = Vec::new();
    loop {
        let part = second
            .wait_queue()
            .unwrap()
            .wait_until(|| match receive(&second) {
                Err(Errno::EAGAIN) => None,
                other => Some(other.unwrap()),
            });
        if part.is_empty() {
            break;
        }
        got.extend(part);
    }
    writer.join().unwrap();
    assert!(got == data);
}
