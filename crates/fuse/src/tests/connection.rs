//! Questions and answers.

use super::program::{Thread, answer, greeted, next};
use crate::connection::{Connection, NOTHING};
use crate::host::Host;
use crate::message::Message;
use crate::opcode::Opcode;
use crate::request::Expect;
use paddock_abi::{Errno, Result};
use paddock_cred::UserNamespace;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::thread::JoinHandle;

const EINTR: i32 = -4;

/// Asks in a thread of its own.
fn ask(
    connection: &Arc<Connection>,
    opcode: Opcode,
    expect: Expect,
) -> JoinHandle<Result<Vec<u8>>> {
    let connection = connection.clone();
    std::thread::spawn(move || connection.ask(Message::new(opcode, 9).u64(5), expect))
}

#[test]
fn who_asks_gets_what_is_answered() {
    let connection = greeted(&Thread::new());
    for (error, bytes, expected) in [
        (0, &b"four"[..], Ok(b"four".to_vec())),
        (-2, b"", Err(Errno::ENOENT)),
    ] {
        let asked = ask(&connection, Opcode::Read, Expect::UpTo(8));
        let (opcode, unique, node, body) = next(&connection);
        assert_eq!((opcode, node, body), (15, 9, 5_u64.to_le_bytes().to_vec()));
        assert_eq!(
            answer(&connection, unique, error, bytes),
            Ok(16 + bytes.len())
        );
        assert_eq!(answer(&connection, unique, 0, bytes), Err(Errno::ENOENT));
        assert_eq!(asked.join().unwrap(), expected);
    }
}

#[test]
fn answers_of_other_lengths_are_refused() {
    let connection = greeted(&Thread::new());
    for (expect, error, length) in [
        (Expect::Exactly(4), 0, 5),
        (Expect::Exactly(4), 0, 0),
        (Expect::UpTo(4), 0, 5),
        (NOTHING, -2, 1),
    ] {
        let asked = ask(&connection, Opcode::Read, expect);
        let (_, unique, ..) = next(&connection);
        let sent = answer(&connection, unique, error, &vec![0; length]);
        assert_eq!(sent, Err(Errno::EINVAL));
        assert_eq!(asked.join().unwrap(), Err(Errno::EIO));
    }
    assert_eq!(answer(&connection, 77, 1, b""), Err(Errno::EINVAL));
    assert_eq!(answer(&connection, 77, -512, b""), Err(Errno::EINVAL));
    assert_eq!(answer(&connection, 77, i32::MIN, b""), Err(Errno::EINVAL));
    assert_eq!(answer(&connection, 0, 99, b""), Err(Errno::EINVAL));
    assert_eq!(
        connection.write(&mut (&[0; 15][..]).into()),
        Err(Errno::EINVAL)
    );
    let room = &mut [0; 4096][..];
    assert_eq!(connection.read(&mut room.into()), Err(Errno::EINVAL));
}

#[test]
fn nobody_waits_for_a_program_that_is_gone() {
    let connection = greeted(&Thread::new());
    let read = ask(&connection, Opcode::Read, NOTHING);
    next(&connection);
    connection.remove_device();
    assert_eq!(read.join().unwrap(), Err(Errno::ECONNABORTED));
    let later = ask(&connection, Opcode::Read, NOTHING);
    assert_eq!(later.join().unwrap(), Err(Errno::ENOTCONN));
    let mut room = [0; 1 << 17];
    let read = connection.read(&mut (&mut room[..]).into());
    assert_eq!(read, Err(Errno::ENODEV));
}

#[test]
fn who_has_to_end_waits_for_nothing() {
    let thread = Thread::new();
    let host: Arc<dyn Host> = thread.clone();
    let silent = Connection::new(&host, UserNamespace::INITIAL).unwrap();
    let asked = ask(&silent, Opcode::Read, NOTHING);
    thread.is_doomed.store(true, SeqCst);
    assert_eq!(asked.join().unwrap(), Err(Errno::EINTR));
    thread.is_doomed.store(false, SeqCst);
    let connection = greeted(&thread);
    let owed = thread.account.bytes();
    let asked = ask(&connection, Opcode::Lookup, Expect::Exactly(128));
    let (_, unique, ..) = next(&connection);
    thread.is_doomed.store(true, SeqCst);
    assert_eq!(asked.join().unwrap(), Err(Errno::EINTR));
    // The answer comes all the same: what was counted for it is given back.
    let mut entry = vec![0; 128];
    entry[0] = 33;
    assert_eq!(answer(&connection, unique, 0, &entry), Ok(144));
    let (opcode, _, node, body) = next(&connection);
    assert_eq!((opcode, node, body), (2, 33, 1_u64.to_le_bytes().to_vec()));
    assert_eq!(thread.account.bytes(), owed);
}

#[test]
fn the_program_hears_of_signals() {
    let thread = Thread::new();
    let connection = greeted(&thread);
    let asked = ask(&connection, Opcode::Read, NOTHING);
    let (_, unique, ..) = next(&connection);
    thread.has_signal.store(true, SeqCst);
    let (opcode, note, _, body) = next(&connection);
    assert_eq!((opcode, note), (36, unique | 1));
    assert_eq!(body, unique.to_le_bytes());
    // It wants to hear of it again.
    answer(&connection, unique | 1, -11, b"").unwrap();
    assert_eq!(next(&connection).0, 36);
    answer(&connection, unique, EINTR, b"").unwrap();
    assert_eq!(asked.join().unwrap(), Err(Errno::EINTR));
    assert_eq!(
        answer(&connection, unique | 1, -11, b""),
        Err(Errno::ENOENT)
    );
}

#[test]
fn forgotten_nodes_are_told_in_between() {
    let connection = greeted(&Thread::new());
    connection.forget(5, 2);
    connection.forget(5, 1);
    let (opcode, _, node, body) = next(&connection);
    assert_eq!((opcode, node, body), (2, 5, 3_u64.to_le_bytes().to_vec()));
    for node in 0..300 {
        connection.forget(node, 1);
    }
    let told: Vec<_> = (0..2).map(|_| next(&connection)).collect();
    let counts: Vec<u8> = told.iter().map(|it| it.3[0]).collect();
    assert_eq!(told[0].0, 42);
    assert_eq!(told[0].3.len(), 8 + 256 * 16);
    assert_eq!(counts, [0, 44]);
}
