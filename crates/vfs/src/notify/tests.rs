use super::*;
use crate::mem_fs::MemFs;
use crate::{Cred, File, FileSystem, HeapPages, NewNode};
use paddock_charge::Account;
use paddock_sync::{Pollable, Ready};

struct Now;

impl crate::Clock for Now {
    fn now(&self) -> crate::Timestamp {
        crate::Timestamp::default()
    }
}

fn files() -> (Arc<MemFs>, Arc<dyn Inode>) {
    let pages = Arc::new(HeapPages);
    let fs = MemFs::new(1, 1 << 20, 0o755, Arc::new(Now), pages).unwrap();
    let node = NewNode::new(FileKind::Regular, 0o644, &Cred::root());
    let inode = fs.root().create(b"file", &node).unwrap();
    (fs, inode)
}

/// Watch, events, cookie and name of all that waits.
fn read(instance: &Inotify) -> Vec<(i32, u32, u32, Vec<u8>)> {
    let mut bytes = vec![0; 1 << 20];
    let count = match instance.read(&mut 0, &mut (&mut bytes[..]).into()) {
        Ok(count) => count,
        Err(Errno::EAGAIN) => 0,
        Err(error) => panic!("{error}"),
    };
    let mut rest = &bytes[..count];
    let mut all = Vec::new();
    while !rest.is_empty() {
        let word = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
        let (length, head) = (word(12) as usize, (word(0) as i32, word(4), word(8)));
        let name: Vec<u8> = rest[16..16 + length]
            .iter()
            .copied()
            .take_while(|b| *b != 0)
            .collect();
        all.push((head.0, head.1, head.2, name));
        rest = &rest[16 + length..];
    }
    all
}

#[test]
fn events_reach_those_who_watch() {
    let account = Account::of_user(1 << 20).unwrap();
    let (_fs, inode) = files();
    let instance = Inotify::new(&account).unwrap();
    let other = Inotify::new(&account).unwrap();
    let flags = WatchFlags::empty();
    let number = instance
        .watch(&inode, Events::MODIFY | Events::OPEN, flags)
        .unwrap();
    let all = other
        .watch(&inode, Events::WATCHED, WatchFlags::ONESHOT)
        .unwrap();
    to_inode(&inode, None, Events::ATTRIB);
    assert!(!instance.ready().contains(Ready::IN));
    assert_eq!(
        read(&other),
        [(all, 4, 0, vec![]), (all, 0x8000, 0, vec![])]
    );
    to_inode(&inode, None, Events::MODIFY);
    to_inode(&inode, None, Events::MODIFY);
    to_inode(&inode, None, Events::OPEN);
    assert_eq!(
        read(&instance),
        [(number, 2, 0, vec![]), (number, 0x20, 0, vec![])]
    );
    let again = instance.watch(&inode, Events::ATTRIB, WatchFlags::MASK_ADD);
    assert_eq!(again, Ok(number));
    to_inode(&inode, None, Events::ATTRIB);
    to_inode(&inode, None, Events::MODIFY);
    assert_eq!(read(&instance).len(), 2);
    let create = instance.watch(&inode, Events::ATTRIB, WatchFlags::MASK_CREATE);
    assert_eq!(create, Err(Errno::EEXIST));
    to_inode(&inode, None, Events::DELETE_SELF);
    assert_eq!(read(&instance), [(number, 0x8000, 0, vec![])]);
    assert_eq!(instance.unwatch(number), Err(Errno::EINVAL));
    drop((instance, other));
    assert_eq!(account.bytes(), 0);
}

#[test]
fn what_is_too_much_is_told_as_lost() {
    let account = Account::of_user(1 << 30).unwrap();
    let (_fs, inode) = files();
    let instance = Inotify::new(&account).unwrap();
    let number = instance
        .watch(&inode, Events::WATCHED, WatchFlags::empty())
        .unwrap();
    for _ in 0..MAX_EVENTS {
        to_inode(&inode, None, Events::MODIFY);
        to_inode(&inode, None, Events::ATTRIB);
    }
    let all = read(&instance);
    // What tells of it has a place besides.
    assert_eq!(all.len(), MAX_EVENTS + 1);
    assert_eq!(all[0].0, number);
    assert_eq!(all[MAX_EVENTS], (-1, 0x4000, 0, vec![]));
    to_inode(&inode, None, Events::OPEN);
    assert_eq!(read(&instance).len(), 1);
    instance.unwatch(number).unwrap();
    read(&instance);
    drop(instance);
    assert_eq!(account.bytes(), 0);
}

#[test]
fn who_has_no_memory_loses_events_and_is_told() {
    let account = Account::of_user(2 * 512 + 200).unwrap();
    let (_fs, inode) = files();
    let instance = Inotify::new(&account).unwrap();
    instance
        .watch(&inode, Events::WATCHED, WatchFlags::empty())
        .unwrap();
    for events in [
        Events::OPEN,
        Events::MODIFY,
        Events::ATTRIB,
        Events::OPEN,
        Events::MODIFY,
    ] {
        to_inode(&inode, None, events);
    }
    let all: Vec<_> = read(&instance).into_iter().map(|event| event.1).collect();
    assert_eq!(all, [0x20, 2, 4, 0x4000]);
    to_inode(&inode, None, Events::OPEN);
    assert_eq!(read(&instance).len(), 1);
    drop(instance);
    assert_eq!(account.bytes(), 0);
}
