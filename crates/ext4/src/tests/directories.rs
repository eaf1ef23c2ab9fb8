//! Hashed directories: against a map, against e2fsck, and large.

use super::*;
use crate::dir::Hasher;
use crate::layout::Geometry;
use paddock_vfs::Errno;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A superblock's fields for hashes: where they are, and their values.
struct Hashes {
    version: u8,
    unsigned: bool,
}

const KINDS: [Hashes; 6] = {
    let mut kinds = [const {
        Hashes {
            version: 0,
            unsigned: false,
        }
    }; 6];
    let mut at = 0;
    while at < 6 {
        kinds[at].version = (at % 3) as u8;
        kinds[at].unsigned = at >= 3;
        at += 1;
    }
    kinds
};

/// Makes the image's directories use another hash.
fn choose_hash(image: &mut [u8], kind: &Hashes) {
    image[1024 + 252] = kind.version;
    set_in_superblock(image, 352, if kind.unsigned { 2 } else { 1 });
}

/// Names of every length, with bytes of every value; no two are equal.
fn odd_name(seed: u64) -> Vec<u8> {
    let bytes = pattern(seed + 1, 256);
    let mut name = format!("{seed:x}").into_bytes();
    let len = name.len().max(usize::from(bytes[0]));
    name.extend(&bytes[1..]);
    name.truncate(len);
    for byte in &mut name {
        if matches!(*byte, 0 | b'/' | b'.') {
            *byte = b'_';
        }
    }
    name
}

#[test]
fn names_hash_as_debugfs_says() {
    let dir = TempDir::new();
    let names: Vec<String> = (0..150_usize)
        .map(|index| format!("{index}-{}", "name".repeat(60)[..index].to_owned()))
        .collect();
    let seed = "01020304-0506-0708-090a-0b0c0d0e0f10";
    let mut image = make_image(1024, 12 << 10, None);
    for (at, byte) in (1..=16).enumerate() {
        image[1024 + 236 + at] = byte;
    }
    let geometry = Geometry::parse(&image[1024..]).unwrap();
    for (version, algorithm) in ["legacy", "half_md4", "tea"].iter().enumerate() {
        let script = dir.0.join("commands");
        let commands: Vec<String> = names
            .iter()
            .map(|name| format!("dx_hash -h {algorithm} -s {seed} {name}\n"))
            .collect();
        std::fs::write(&script, commands.concat()).unwrap();
        let output = tool("debugfs").arg("-f").arg(&script).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let hasher = Hasher::new(&geometry, version as u8).unwrap();
        let mut seen = 0;
        for line in text.lines().filter(|line| line.starts_with("Hash of ")) {
            let words: Vec<&str> = line.split(' ').collect();
            let hash = hasher.hash(words[2].as_bytes());
            let minor = if version == 0 { 0 } else { hash.minor };
            let expected = format!("{:#x} (minor {minor:#x})", hash.major);
            assert_eq!(words[4..].join(" "), expected, "{algorithm}: {line}");
            seen += 1;
        }
        assert_eq!(seen, names.len(), "{text}");
    }
}

#[test]
fn every_hash_makes_a_sound_index() {
    for kind in &KINDS {
        for block_size in [1024, 4096] {
            let mut image = make_image(block_size, 24 << 10, None);
            choose_hash(&mut image, kind);
            let disk = Arc::new(MemDisk::new(image));
            let fs = mount(&disk);
            let root = fs.root();
            let dir = root.create(b"d", &node(FileKind::Directory)).unwrap();
            let file = root.create(b"f", &node(FileKind::Regular)).unwrap();
            for seed in 0..1500 {
                dir.link(&odd_name(seed), &file).unwrap();
            }
            for seed in (0..1500).step_by(5) {
                dir.unlink(&odd_name(seed)).unwrap();
            }
            for seed in 0..1500 {
                let found = dir.lookup(&odd_name(seed)).map(|inode| inode.ino());
                let expected = match seed % 5 {
                    0 => Err(Errno::ENOENT),
                    _ => Ok(file.ino()),
                };
                assert_eq!(found, expected);
            }
            root.rename(b"d", &root, b"moved", 0).unwrap();
            drop((dir, file));
            fs.unmount().unwrap();
            let when = format!("hash {}, unsigned {}", kind.version, kind.unsigned);
            check_clean(&disk.image(), &when);
            assert!(debugfs(&disk.image(), "htree_dump /moved").contains("Root node dump"));
        }
    }
}

/// What debugfs says to a command.
fn debugfs(image: &[u8], command: &str) -> String {
    let dir = TempDir::new();
    let path = dir.0.join("image");
    std::fs::write(&path, image).unwrap();
    let output = tool("debugfs").args(["-R", command]).arg(&path).output();
    String::from_utf8_lossy(&output.unwrap().stdout).into_owned()
}

/// All names of a directory, read a few at a time.
fn listed(dir: &dyn Inode, at_once: usize) -> Vec<Vec<u8>> {
    let mut names = Vec::new();
    let mut cursor = 0;
    loop {
        let before = names.len();
        cursor = dir
            .readdir(cursor, &mut |entry| {
                let fits = names.len() - before < at_once;
                if fits {
                    names.push(entry.name.to_vec());
                }
                fits
            })
            .unwrap();
        if names.len() == before {
            return names;
        }
    }
}

#[test]
fn a_listing_goes_on_while_the_directory_grows() {
    for block_size in [1024, 4096] {
        let disk = Arc::new(MemDisk::new(make_image(block_size, 24 << 10, None)));
        let fs = mount(&disk);
        let root = fs.root();
        let dir = root.create(b"d", &node(FileKind::Directory)).unwrap();
        let file = root.create(b"f", &node(FileKind::Regular)).unwrap();
        let name = |index: u32| format!("a-name-that-stays-{index}").into_bytes();
        (0..20).for_each(|index| dir.link(&name(index), &file).unwrap());
        let mut seen = BTreeMap::new();
        let mut cursor = 0;
        for step in 0.. {
            let mut left = 3;
            let mut ended = true;
            cursor = dir
                .readdir(cursor, &mut |entry| {
                    ended = left > 0;
                    left -= i32::from(ended);
                    if ended {
                        *seen.entry(entry.name.to_vec()).or_insert(0) += 1;
                    }
                    ended
                })
                .unwrap();
            if ended {
                break;
            }
            for index in 0..30 {
                let name = format!("newcomer-{step}-{index}");
                let _ = dir.link(name.as_bytes(), &file);
            }
        }
        (0..20).for_each(|index| assert_eq!(seen.get(&name(index)), Some(&1)));
        assert!(seen.values().all(|&times| times == 1));
    }
}

#[test]
fn a_directory_of_many_levels_says_when_it_is_full() {
    let name = |index: u32| format!("{index:0>250}").into_bytes();
    for large in [false, true] {
        let mut features = DEBIAN_12.to_owned();
        if large {
            features.push_str(",large_dir");
        }
        let disk = Arc::new(MemDisk::new(make_image_with(
            &features,
            1024,
            40 << 10,
            None,
        )));
        let fs = mount(&disk);
        let root = fs.root();
        let dir = root.create(b"d", &node(FileKind::Directory)).unwrap();
        let file = root.create(b"f", &node(FileKind::Regular)).unwrap();
        let full =
            (0..30_000).find_map(|index| Some((index, dir.link(&name(index), &file).err()?)));
        let count = match (large, full) {
            (true, None) => 30_000,
            (false, Some((index, Errno::ENOSPC))) => index,
            other => panic!("{other:?}"),
        };
        // By the seed of the hash some tables fill before others: no less than one
        // name for each leaf of an index that is three quarters full.
        assert!(count > 10_000, "{count}");
        assert_eq!(listed(&*dir, 1000).len(), count as usize);
        for index in (0..count).step_by(97) {
            assert_eq!(dir.lookup(&name(index)).unwrap().ino(), file.ino());
        }
        assert_eq!(dir.lookup(&name(count)).err(), Some(Errno::ENOENT));
        drop((dir, file));
        fs.unmount().unwrap();
        check_clean(&disk.image(), "many levels");
        let levels = debugfs(&disk.image(), "htree_dump /d");
        let expected = if large {
            "Indirect levels: 2"
        } else {
            "Indirect levels: 1"
        };
        assert!(levels.contains(expected), "{}", &levels[..400]);
    }
}

#[test]
fn a_hundred_thousand_names_are_made_and_found() {
    let mut image = make_image(4096, 96 << 10, None);
    choose_hash(&mut image, &KINDS[1]);
    let disk = Arc::new(MemDisk::new(image));
    let fs = mount(&disk);
    let root = fs.root();
    let dir = root.create(b"d", &node(FileKind::Directory)).unwrap();
    let files = [b"f0", b"f1"].map(|name| root.create(name, &node(FileKind::Regular)).unwrap());
    let name = |index: u32| format!("file-{index}").into_bytes();
    let file = |index: u32| &files[(index / 60_000) as usize];
    (0..100_000).for_each(|index| dir.link(&name(index), file(index)).unwrap());
    let mut names = listed(&*dir, 5000);
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 100_000);
    drop((dir, files));
    fs.unmount().unwrap();
    check_clean(&disk.image(), "a hundred thousand");
    let fs = mount(&disk);
    let dir = fs.root().lookup(b"d").unwrap();
    (0..100_000).for_each(|index| drop(dir.lookup(&name(index)).unwrap()));
    (0..100_000).for_each(|index| dir.unlink(&name(index)).unwrap());
    drop(dir);
    fs.root().rmdir(b"d").unwrap();
    fs.unmount().unwrap();
    check_clean(&disk.image(), "none of a hundred thousand");
}

/// Blocks that are looked at to make `range`, for each file.
fn cost(fs: &Ext4, dir: &dyn Inode, range: core::ops::Range<u32>) -> u64 {
    let count = u64::from(range.end - range.start);
    let before = fs.shared.core.lock().uses();
    for index in range {
        let name = format!("file-number-{index}");
        dir.create(name.as_bytes(), &node(FileKind::Regular))
            .unwrap();
    }
    (fs.shared.core.lock().uses() - before) / count
}

#[test]
fn the_ten_thousandth_file_costs_what_the_first_ones_do() {
    let image = make_image(4096, 256 << 10, None);
    let fs = mount(&Arc::new(MemDisk::new(image)));
    let dir = fs.root().create(b"d", &node(FileKind::Directory)).unwrap();
    let first = cost(&fs, &*dir, 0..1000);
    let last = cost(&fs, &*dir, 9000..10_000);
    assert!(last < first * 3 / 2, "{first} blocks, then {last}");
}

#[derive(Clone, Debug)]
enum Change {
    Add(u64),
    Remove(u64),
    Rename(u64, u64),
    Remount,
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let name = 0..400_u64;
    let change = prop_oneof![
        20 => name.clone().prop_map(Change::Add),
        6 => name.clone().prop_map(Change::Remove),
        4 => (name.clone(), name).prop_map(|(old, new)| Change::Rename(old, new)),
        1 => Just(Change::Remount),
    ];
    prop::collection::vec(change, 1..900)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn behaves_as_a_map(changes in changes(), kind in 0..6_usize, size in 0..3_u32) {
        let mut image = make_image(1024 << size, 24 << 10, None);
        choose_hash(&mut image, &KINDS[kind]);
        let disk = Arc::new(MemDisk::new(image));
        let mut fs = mount_with(&disk, 128).unwrap();
        let files = [b"f0", b"f1"].map(|name| {
            fs.root().create(name, &node(FileKind::Regular)).unwrap().ino()
        });
        fs.root().create(b"d", &node(FileKind::Directory)).unwrap();
        let mut model = BTreeMap::new();
        for (step, change) in changes.iter().enumerate() {
            let dir = fs.root().lookup(b"d").unwrap();
            match *change {
                Change::Add(name) => {
                    let target = fs.root().lookup(&[b'f', b'0' + (step % 2) as u8]).unwrap();
                    let got = dir.link(&odd_name(name), &target);
                    let free = !model.contains_key(&odd_name(name));
                    prop_assert_eq!(got.is_ok(), free);
                    model.entry(odd_name(name)).or_insert(files[step % 2]);
                }
                Change::Remove(name) => {
                    let got = dir.unlink(&odd_name(name));
                    prop_assert_eq!(got.is_ok(), model.remove(&odd_name(name)).is_some());
                }
                Change::Rename(old, new) => {
                    let got = dir.rename(&odd_name(old), &dir, &odd_name(new), 0);
                    let from = model.get(&odd_name(old)).copied();
                    prop_assert_eq!(got.is_ok(), from.is_some());
                    // Two names of one inode stay as they are.
                    if let Some(ino) = from.filter(|ino| model.get(&odd_name(new)) != Some(ino)) {
                        model.remove(&odd_name(old));
                        model.insert(odd_name(new), ino);
                    }
                }
                Change::Remount => {
                    drop(dir);
                    fs.unmount().unwrap();
                    fs = mount_with(&disk, 128).unwrap();
                }
            }
        }
        let dir = fs.root().lookup(b"d").unwrap();
        let mut names = listed(&*dir, 7);
        names.sort();
        prop_assert_eq!(&names, &model.keys().cloned().collect::<Vec<_>>());
        for (name, ino) in &model {
            prop_assert_eq!(dir.lookup(name).unwrap().ino(), *ino);
        }
        drop(dir);
        fs.unmount().unwrap();
        check_clean(&disk.image(), "as a map");
    }
}

#[test]
fn what_was_deleted_first_is_freed_as_fast_among_many() {
    let disk = Arc::new(MemDisk::new(make_image(4096, 32 << 10, None)));
    let fs = mount(&disk);
    let cost = |count: u32| {
        let name = |index: u32| format!("{index}").into_bytes();
        let files: Vec<_> = (0..count)
            .map(|index| {
                fs.root()
                    .create(&name(index), &node(FileKind::Regular))
                    .unwrap()
            })
            .collect();
        (0..count).for_each(|index| fs.root().unlink(&name(index)).unwrap());
        let before = fs.shared.core.lock().uses();
        for file in files {
            drop(file);
            fs.shared.reap(&mut fs.shared.core.lock());
        }
        (fs.shared.core.lock().uses() - before) / u64::from(count)
    };
    let (few, many) = (cost(5), cost(2000));
    assert!(many <= few + 2, "{few} blocks looked at, among many {many}");
    fs.unmount().unwrap();
    check_clean(&disk.image(), "deleted while they were open");
}
