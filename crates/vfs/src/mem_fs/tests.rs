use super::*;
use crate::Cred;
use crate::{HeapPages, SetMetadata, Timestamp};
use alloc::vec::Vec;
use paddock_abi::fcntl::{RENAME_EXCHANGE, RENAME_NOREPLACE};
use proptest::prelude::*;
use std::collections::BTreeMap;

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp::default()
    }
}

fn fs() -> Arc<MemFs> {
    MemFs::new(1, 1 << 20, 0o755, Arc::new(Stopped), Arc::new(HeapPages)).unwrap()
}

fn node(kind: FileKind) -> NewNode {
    NewNode::new(kind, 0o644, &Cred::root())
}

fn list(dir: &dyn Inode, cursor: u64, most: usize) -> (Vec<Vec<u8>>, u64) {
    let mut names = Vec::new();
    let end = dir.readdir(cursor, &mut |entry| {
        if names.len() == most {
            return false;
        }
        names.push(entry.name.to_vec());
        true
    });
    (names, end.unwrap())
}

#[test]
fn reading_a_directory_goes_on_while_it_changes() {
    let fs = fs();
    let root = fs.root();
    for index in 0..100_u8 {
        root.create(&[b'f', index + 1], &node(FileKind::Regular))
            .unwrap();
    }
    let (mut seen, mut cursor) = (Vec::new(), 0);
    loop {
        let (names, next) = list(&*root, cursor, 7);
        if names.is_empty() {
            break;
        }
        names.iter().for_each(|name| root.unlink(name).unwrap());
        seen.extend(names);
        cursor = next;
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 100);
    assert_eq!(list(&*root, 0, 9).0.len(), 0);
}

#[test]
fn links_of_directories_are_counted() {
    let fs = fs();
    let root = fs.root();
    let links = |inode: &Arc<dyn Inode>| inode.metadata().unwrap().links;
    assert_eq!(links(&root), 2);
    let a = root.create(b"a", &node(FileKind::Directory)).unwrap();
    let b = root.create(b"b", &node(FileKind::Directory)).unwrap();
    let sub = a.create(b"sub", &node(FileKind::Directory)).unwrap();
    root.create(b"file", &node(FileKind::Regular)).unwrap();
    assert_eq!(
        (links(&root), links(&a), links(&b), links(&sub)),
        (4, 3, 2, 2)
    );
    a.rename(b"sub", &b, b"moved", 0).unwrap();
    assert_eq!((links(&a), links(&b), links(&sub)), (2, 3, 2));
    root.rename(b"file", &b, b"moved", RENAME_EXCHANGE).unwrap();
    assert_eq!((links(&root), links(&b), links(&sub)), (5, 2, 2));
    assert_eq!(
        root.rename(b"b", &root, b"a", RENAME_NOREPLACE),
        Err(Errno::EEXIST)
    );
    assert_eq!(root.rename(b"a", &root, b"b", 0), Err(Errno::ENOTEMPTY));
    root.rename(b"file", &root, b"a", 0).unwrap();
    assert_eq!((links(&root), links(&a)), (4, 0));
    assert_eq!(
        a.create(b"late", &node(FileKind::Regular)).err(),
        Some(Errno::ENOENT)
    );
}

#[test]
fn the_number_of_nodes_is_bounded() {
    let fs = MemFs::new(1, 1, 0o755, Arc::new(Stopped), Arc::new(HeapPages)).unwrap();
    let root = fs.root();
    let made = (0..=255_u8).find(|&name| {
        let made = root.create(&[name], &node(FileKind::Fifo));
        made.err() == Some(Errno::ENOSPC)
    });
    assert_eq!(made, Some(3));
    root.unlink(&[0]).unwrap();
    root.create(b"again", &node(FileKind::Fifo)).unwrap();
}

#[test]
fn another_filesystem_is_another_device() {
    let (one, two) = (fs(), fs());
    let file = one.root().create(b"f", &node(FileKind::Regular)).unwrap();
    assert_eq!(two.root().link(b"f", &file), Err(Errno::EXDEV));
    assert_eq!(
        one.root().rename(b"f", &two.root(), b"f", 0),
        Err(Errno::EXDEV)
    );
}

fn lengths() -> impl Strategy<Value = usize> {
    prop_oneof![1 => Just(0_usize), 9 => 0..9_000_usize]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// A file behaves as a vector of bytes.
    #[test]
    fn data_is_kept(changes in prop::collection::vec((0..30_000_u64, lengths(), 0..4_u8), 1..40)) {
        let file = fs().root().create(b"f", &node(FileKind::Regular)).unwrap();
        let mut model: Vec<u8> = Vec::new();
        for (index, (offset, len, kind)) in changes.into_iter().enumerate() {
            let data = vec![index as u8 + 1; len];
            match kind {
                0 => {
                    let change = SetMetadata { size: Some(offset), ..SetMetadata::default() };
                    file.set_metadata(&change).unwrap();
                    model.resize(offset as usize, 0);
                }
                1 => {
                    prop_assert_eq!(file.append(&mut (&data).into()), Ok(((model.len() + len) as u64, len)));
                    model.extend(&data);
                }
                _ => {
                    prop_assert_eq!(file.write_at(offset, &mut (&data).into()), Ok(len));
                    let end = offset as usize + len;
                    if len > 0 && model.len() < end {
                        model.resize(end, 0);
                    }
                    if len > 0 {
                        model[offset as usize..end].copy_from_slice(&data);
                    }
                }
            }
            let mut got = vec![0; 60_000];
            let count = file.read_at(0, &mut (&mut got).into()).unwrap();
            let size = model.len().min(got.len());
            prop_assert_eq!(count, size);
            prop_assert!(got[..size] == model[..size]);
        }
    }

    /// A directory behaves as a map from name to inode.
    #[test]
    fn names_are_kept(changes in prop::collection::vec((0..6_u8, 0..6_u8, 0..4_u8), 1..80)) {
        let fs = fs();
        let root = fs.root();
        let mut model: BTreeMap<u8, u64> = BTreeMap::new();
        for (a, b, kind) in changes {
            match kind {
                0 => {
                    let made = root.create(&[a], &node(FileKind::Regular));
                    prop_assert_eq!(made.is_ok(), !model.contains_key(&a));
                    if let Ok(made) = made {
                        model.insert(a, made.ino());
                    }
                }
                1 => prop_assert_eq!(root.unlink(&[a]).is_ok(), model.remove(&a).is_some()),
                2 => {
                    let target = root.lookup(&[a]);
                    let linked = target.and_then(|target| root.link(&[b], &target));
                    let expected = model.contains_key(&a) && !model.contains_key(&b);
                    prop_assert_eq!(linked.is_ok(), expected);
                    if expected {
                        model.insert(b, model[&a]);
                    }
                }
                _ => {
                    let moved = root.rename(&[a], &root, &[b], 0);
                    prop_assert_eq!(moved.is_ok(), model.contains_key(&a));
                    if let Some(&ino) = model.get(&a) && model.get(&b) != Some(&ino) {
                        model.remove(&a);
                        model.insert(b, ino);
                    }
                }
            }
            let mut names: Vec<u8> = list(&*root, 0, 99).0.iter().map(|name| name[0]).collect();
            names.sort_unstable();
            prop_assert_eq!(names, model.keys().copied().collect::<Vec<_>>());
            for (name, ino) in &model {
                let found = root.lookup(&[*name]).unwrap();
                prop_assert_eq!(found.ino(), *ino);
                let links = model.values().filter(|other| *other == ino).count();
                prop_assert_eq!(found.metadata().unwrap().links as usize, links);
            }
        }
    }
}
