//! Power cuts: after any prefix of the writes, in any order between flushes.

use super::disk::Event;
use super::*;
use paddock_vfs::path::NoSpecialNodes;
use paddock_vfs::{Allocation, MountNamespace, OpenFlags, PathContext, SetXattr};

/// The disk as the power cut after `count` events leaves it. What came after
/// the last flush may or may not have been written: `choice` decides.
fn cut(start: &[u8], log: &[Event], count: usize, choice: u64) -> Vec<u8> {
    let mut image = start.to_vec();
    let done = &log[..count];
    let flushed = done.iter().rposition(|event| matches!(event, Event::Flush));
    let flushed = flushed.unwrap_or(0);
    let mut state = choice | 1;
    for (index, event) in done.iter().enumerate() {
        let Event::Write(offset, data) = event else {
            continue;
        };
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let written = index < flushed || choice == 0 || state >> 63 == 1;
        if written {
            image[*offset..offset + data.len()].copy_from_slice(data);
        }
    }
    image
}

/// Names that a round adds to a hashed directory.
const NAMES: u64 = 40;

fn long_name(round: u64, index: u64) -> Vec<u8> {
    format!("{round}-a-long-name-{index:0>60}").into_bytes()
}

/// Does things to a filesystem; gives the length of the log and the number of
/// complete rounds after each sync.
fn work(fs: &Ext4, disk: &MemDisk) -> Vec<(usize, u64)> {
    let root = fs.root();
    let mut synced = Vec::new();
    let many = root.create(b"many", &node(FileKind::Directory)).unwrap();
    for round in 0..6_u64 {
        let dir = format!("dir-{round}");
        let dir = root
            .create(dir.as_bytes(), &node(FileKind::Directory))
            .unwrap();
        for index in 0..12_u64 {
            let name = format!("file-{index}");
            let file = dir
                .create(name.as_bytes(), &node(FileKind::Regular))
                .unwrap();
            let len = (index as usize * 3_001) % 20_000;
            write_all(&*file, 0, &pattern(round * 100 + index, len)).unwrap();
        }
        root.symlink(
            format!("link-{round}").as_bytes(),
            &[b'z'; 300],
            &node(FileKind::Symlink),
        )
        .unwrap();
        // Enough for an index, whose leaves are split.
        let first = dir.lookup(b"file-0").unwrap();
        for index in 0..NAMES {
            many.link(&long_name(round, index), &first).unwrap();
        }
        edit_space(&root, round);
        if round >= 2 {
            // Everything of an older round goes, and its blocks are used
            // again by the next.
            let old = root
                .lookup(format!("dir-{}", round - 2).as_bytes())
                .unwrap();
            for name in names(&*old) {
                old.unlink(name.as_bytes()).unwrap();
            }
            drop(old);
            for index in 0..NAMES {
                many.unlink(&long_name(round - 2, index)).unwrap();
            }
            root.unlink(format!("space-{}", round - 2).as_bytes())
                .unwrap();
            root.rmdir(format!("dir-{}", round - 2).as_bytes()).unwrap();
            root.unlink(format!("link-{}", round - 2).as_bytes())
                .unwrap();
        }
        fs.sync().unwrap();
        synced.push((disk.log_len(), round));
    }
    synced
}

const SPACE: usize = 150_000;

/// Sets space aside, writes some of it, and punches holes.
fn edit_space(root: &Arc<dyn Inode>, round: u64) {
    let name = format!("space-{round}");
    let file = root
        .create(name.as_bytes(), &node(FileKind::Regular))
        .unwrap();
    let reserve = Allocation::Reserve {
        keep_size: round.is_multiple_of(2),
    };
    file.allocate(reserve, 0, SPACE as u64).unwrap();
    let value = [round as u8; 600];
    file.set_xattr(b"user.round", Some(&value), SetXattr::Any)
        .unwrap();
    let data = pattern(round, SPACE);
    for at in [3_000, 90_000, 40_000] {
        write_all(&*file, at as u64, &data[at..at + 30_000]).unwrap();
    }
    file.allocate(Allocation::Punch, 50_000, 9_000).unwrap();
    let zero = Allocation::Zero { keep_size: false };
    file.allocate(zero, 100_000, 50_000).unwrap();
}

/// Whatever was lost, a file of [`edit_space`] holds its own bytes and zeroes;
/// all of them if `whole`.
fn check_space(fs: &Ext4, round: u64, whole: bool) {
    let Ok(file) = fs.root().lookup(format!("space-{round}").as_bytes()) else {
        assert!(!whole);
        return;
    };
    let data = pattern(round, SPACE);
    let found = read_all(&*file);
    for (at, (&found, &own)) in found.iter().zip(&data).enumerate() {
        assert!(
            found == own || found == 0,
            "space-{round} at {at}: {found:#x}"
        );
    }
    if !whole {
        return;
    }
    let value = file.get_xattr(b"user.round").unwrap();
    assert!(value == [round as u8; 600]);
    let mut expected = vec![0; SPACE];
    for range in [
        3_000..33_000,
        40_000..50_000,
        59_000..70_000,
        90_000..100_000,
    ] {
        expected[range.clone()].copy_from_slice(&data[range]);
    }
    assert!(found == expected);
}

/// Fills the free blocks with what no file must show.
pub(super) fn spoil_free_blocks(disk: &Arc<MemDisk>) {
    let fs = mount(disk);
    let root = fs.root();
    let file = root.create(b"f", &node(FileKind::Regular)).unwrap();
    let mut at = 0;
    while let Ok(count) = file.write_at(at, &mut (&[0xee; 1 << 16]).into()) {
        at += count as u64;
    }
    fs.sync().unwrap();
    root.unlink(b"f").unwrap();
    drop(file);
    fs.unmount().unwrap();
}

/// The files of a synced round are there, unless a later round removed them.
fn check_round(fs: &Ext4, round: u64) {
    let root = fs.root();
    let dir = root.lookup(format!("dir-{round}").as_bytes()).unwrap();
    for index in 0..12_u64 {
        let file = dir.lookup(format!("file-{index}").as_bytes()).unwrap();
        let len = (index as usize * 3_001) % 20_000;
        assert!(read_all(&*file) == pattern(round * 100 + index, len));
    }
    check_space(fs, round, true);
    let many = root.lookup(b"many").unwrap();
    (0..NAMES).for_each(|index| drop(many.lookup(&long_name(round, index)).unwrap()));
    let link = root.lookup(format!("link-{round}").as_bytes()).unwrap();
    assert_eq!(link.readlink().unwrap(), [b'z'; 300]);
}

pub(super) fn replayed_by_e2fsck(image: &[u8]) -> Vec<u8> {
    let dir = TempDir::new();
    let path = dir.0.join("image");
    std::fs::write(&path, image).unwrap();
    let output = tool("e2fsck").arg("-fy").arg(&path).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // What a replay leaves to do: free the orphans, nothing else.
    // It may also offer to pack an extent tree more densely.
    let is_complaint = |line: &&str| line.contains("? yes") && !line.contains("Optimize? yes");
    let complaints: Vec<_> = text.lines().filter(is_complaint).collect();
    assert!(complaints.is_empty(), "{text}");
    std::fs::read(&path).unwrap()
}

#[test]
fn a_power_cut_at_any_moment_leaves_a_clean_disk() {
    for (block_size, checkpoints) in [(1024, None), (4096, Some(8)), (1024, Some(0))] {
        let mut start = make_image(block_size, 12 << 10, None);
        if block_size == 4096 {
            start = with_log_checksums(&start);
        }
        let disk = Arc::new(MemDisk::new(start));
        spoil_free_blocks(&disk);
        let start = disk.image();
        disk.start_log();
        let fs = mount(&disk);
        fs.shared.core.lock().checkpoint_late(checkpoints);
        let synced = work(&fs, &disk);
        drop(fs);
        let log = disk.take_log();
        let step = (log.len() / 60).max(1);
        for count in (0..=log.len()).step_by(step) {
            for choice in [0, count as u64 * 77 + 5] {
                let image = cut(&start, &log, count, choice);
                let disk = Arc::new(MemDisk::new(image.clone()));
                let fs = mount(&disk);
                let last = synced.iter().rev().find(|(at, _)| *at <= count);
                if let Some((_, round)) = last {
                    check_round(&fs, *round);
                }
                (0..6).for_each(|round| check_space(&fs, round, false));
                fs.unmount().unwrap();
                check_clean(&disk.image(), &format!("cut at {count}/{}", log.len()));
                if choice != 0 && count % 4 == 0 {
                    check_clean(&replayed_by_e2fsck(&image), "replayed by e2fsck");
                }
            }
        }
    }
}

/// Gives the log the checksums that Linux would give it.
pub(super) fn with_log_checksums(image: &[u8]) -> Vec<u8> {
    let dir = TempDir::new();
    let path = dir.0.join("image");
    std::fs::write(&path, image).unwrap();
    let commands = dir.0.join("commands");
    std::fs::write(&commands, "jo -c\njc\n").unwrap();
    let mut debugfs = tool("debugfs");
    let output = debugfs.arg("-w").arg("-f").arg(&commands).arg(&path);
    let output = output.output().unwrap();
    let image = std::fs::read(&path).unwrap();
    assert_eq!(log_at(&image).1 & 0x10, 0x10, "{output:?}");
    image
}

/// Where the log lies, and its features that not everybody can read.
fn log_at(image: &[u8]) -> (usize, u32) {
    let is_log = |at: &usize| {
        let word = |offset| crate::bytes::get_be32(image, at + offset);
        word(0) == 0xc03b_3998 && word(4) == 4
    };
    let at = (0..image.len()).step_by(1024).find(is_log).unwrap();
    (at, crate::bytes::get_be32(image, at + 40))
}

#[test]
fn a_damaged_log_is_not_replayed() {
    let start = with_log_checksums(&make_image(4096, 12 << 10, None));
    let disk = Arc::new(MemDisk::new(start));
    let fs = mount(&disk);
    for name in [b"one", b"two"] {
        fs.root().create(name, &node(FileKind::Regular)).unwrap();
        fs.sync().unwrap();
    }
    let image = disk.image();
    let (log, _) = log_at(&image);
    let kind = |block: usize| crate::bytes::get_be32(&image, log + block * 4096 + 4);
    let is_record =
        |block: usize| crate::bytes::get_be32(&image, log + block * 4096) == 0xc03b_3998;
    let commits: Vec<usize> = (1..60)
        .filter(|&at| is_record(at) && kind(at) == 2)
        .collect();
    // Without the last commit record, what it commits has not happened.
    let mut torn = image.clone();
    torn[log + commits[commits.len() - 1] * 4096 + 60] ^= 1;
    let torn = Arc::new(MemDisk::new(torn));
    let again = mount(&torn);
    again.unmount().unwrap();
    check_clean(&torn.image(), "torn");
    // A copy that is not what was written is an error.
    let mut damaged = image.clone();
    damaged[log + (commits[commits.len() - 1] - 1) * 4096 + 99] ^= 1;
    let damaged = Arc::new(MemDisk::new(damaged));
    assert_eq!(
        mount_with(&damaged, 64).err(),
        Some(paddock_vfs::Errno::EUCLEAN)
    );
}

#[test]
fn orphans_are_freed_after_a_power_cut() {
    let disk = Arc::new(MemDisk::new(make_image(4096, 12 << 10, None)));
    let fs = mount(&disk);
    let free = fs.stats().unwrap().blocks_free;
    let open: Vec<_> = (0..5_u8)
        .map(|index| {
            let file = fs
                .root()
                .create(&[b'a' + index], &node(FileKind::Regular))
                .unwrap();
            write_all(&*file, 0, &[index; 50_000]).unwrap();
            fs.root().unlink(&[b'a' + index]).unwrap();
            file
        })
        .collect();
    drop(fs.root().create_unnamed(&node(FileKind::Regular)).unwrap());
    fs.sync().unwrap();
    let after = Arc::new(MemDisk::new(disk.image()));
    let again = mount(&after);
    assert_eq!(again.stats().unwrap().blocks_free, free);
    again.unmount().unwrap();
    check_clean(&after.image(), "orphans freed");
    drop(open);
    fs.unmount().unwrap();
    check_clean(&disk.image(), "orphans closed");
}

/// The first of the disk's list of orphans, as its superblock says.
fn first_orphan(image: &[u8]) -> u32 {
    u32::from_le_bytes(image[1024 + 232..][..4].try_into().unwrap())
}

#[test]
fn what_nobody_uses_is_free_as_its_name_goes_and_never_an_orphan() {
    let disk = Arc::new(MemDisk::new(make_image(4096, 12 << 10, None)));
    let fs = mount(&disk);
    let root = fs.root();
    let before = fs.stats().unwrap();
    drop(root.create(b"unused", &node(FileKind::Regular)).unwrap());
    drop(root.create(b"folder", &node(FileKind::Directory)).unwrap());
    let open = root.create(b"open", &node(FileKind::Regular)).unwrap();
    write_all(&*open, 0, &[7; 9_000]).unwrap();
    fs.sync().unwrap();
    root.unlink(b"unused").unwrap();
    root.rmdir(b"folder").unwrap();
    {
        let core = fs.shared.core.lock();
        assert_eq!(core.unlisted.len(), 0);
    }
    root.unlink(b"open").unwrap();
    assert_eq!(fs.stats().unwrap().files_free, before.files_free - 1);
    // In the list from the commit on, and until it goes.
    assert_eq!(first_orphan(&disk.image()), 0);
    fs.sync().unwrap();
    assert_eq!(u64::from(first_orphan(&settled(&fs, &disk))), open.ino());
    assert_eq!(read_all(&*open), [7; 9_000]);
    drop(open);
    fs.sync().unwrap();
    assert_eq!(first_orphan(&settled(&fs, &disk)), 0);
    fs.sync().unwrap();
    let after = fs.stats().unwrap();
    assert_eq!(after.files_free, before.files_free);
    assert_eq!(after.blocks_free, before.blocks_free);
    check_clean(&settled(&fs, &disk), "nothing is left");
}

#[test]
fn what_is_removed_by_its_path_is_free_at_once_unless_it_is_open() {
    let disk = Arc::new(MemDisk::new(make_image(4096, 12 << 10, None)));
    let fs = mount(&disk);
    let before = fs.stats().unwrap().files_free;
    let namespace = MountNamespace::new(fs.clone(), "disk", Arc::new(NoSpecialNodes), 64).unwrap();
    let context = PathContext::root_at(namespace.root());
    let create = |path: &[u8]| {
        let flags = OpenFlags::RDWR | OpenFlags::CREAT;
        namespace.open(&context, path, flags, 0o600).unwrap()
    };
    let unlisted = || fs.shared.core.lock().unlisted.len();
    drop(create(b"/closed"));
    namespace.mkdir(&context, b"/folder", 0o700).unwrap();
    drop(namespace.resolve(&context, b"/closed", true).unwrap());
    namespace.unlink(&context, b"/closed").unwrap();
    namespace.rmdir(&context, b"/folder").unwrap();
    assert_eq!(unlisted(), 0);
    assert_eq!(fs.stats().unwrap().files_free, before);
    let open = create(b"/open");
    let path = namespace.resolve(&context, b"/open", true).unwrap();
    namespace.link(&path, &context, b"/other").unwrap();
    drop(path);
    namespace.unlink(&context, b"/open").unwrap();
    assert_eq!(unlisted(), 0);
    namespace.unlink(&context, b"/other").unwrap();
    assert_eq!(unlisted(), 1);
    assert_eq!(open.write(b"still here").unwrap(), 10);
    drop(open);
    assert_eq!(fs.stats().unwrap().files_free, before);
    assert_eq!(unlisted(), 0);
    fs.sync().unwrap();
    check_clean(&settled(&fs, &disk), "removed by path");
}

#[test]
fn a_file_without_a_name_that_gets_one_is_no_orphan() {
    let disk = Arc::new(MemDisk::new(make_image(4096, 12 << 10, None)));
    let fs = mount(&disk);
    for commit_between in [false, true] {
        let name = [b'a' + u8::from(commit_between)];
        let file = fs.root().create_unnamed(&node(FileKind::Regular)).unwrap();
        write_all(&*file, 0, &[1; 100]).unwrap();
        if commit_between {
            fs.sync().unwrap();
            assert_ne!(first_orphan(&settled(&fs, &disk)), 0);
        }
        fs.root().link(&name, &file).unwrap();
        drop(file);
        fs.sync().unwrap();
        assert_eq!(first_orphan(&settled(&fs, &disk)), 0);
    }
    let after = mount(&Arc::new(MemDisk::new(disk.image())));
    for name in [b"a", b"b"] {
        let file = after.root().lookup(name).unwrap();
        assert_eq!(read_all(&*file), [1; 100]);
    }
}

#[test]
fn the_log_wraps_around_many_times() {
    for checkpoints in CHECKPOINTS {
        let start = make_image(1024, 16 << 10, None);
        let disk = Arc::new(MemDisk::new(start));
        let fs = mount(&disk);
        fs.shared.core.lock().checkpoint_late(checkpoints);
        wrap_around(&fs, &disk);
        fs.unmount().unwrap();
        check_clean(&disk.image(), "wrapped");
    }
}

fn wrap_around(fs: &Ext4, disk: &MemDisk) {
    let root = fs.root();
    for round in 0..400_u32 {
        let name = format!("f{}", round % 37);
        if round >= 37 {
            root.unlink(name.as_bytes()).unwrap();
        }
        let file = root
            .create(name.as_bytes(), &node(FileKind::Regular))
            .unwrap();
        write_all(&*file, 0, &pattern(u64::from(round), 30_000)).unwrap();
        fs.sync().unwrap();
        if round % 50 == 49 {
            let copy = Arc::new(MemDisk::new(disk.image()));
            let again = mount(&copy);
            let file = again.root().lookup(name.as_bytes()).unwrap();
            assert!(read_all(&*file) == pattern(u64::from(round), 30_000));
            drop(file);
            again.unmount().unwrap();
            check_clean(&copy.image(), "wrapped");
        }
    }
}

/// A disk that does not hold what was written to the log stops changes, rather than that
/// the log is emptied.
#[test]
fn a_full_log_that_cannot_be_read_stops_changes() {
    let disk = Arc::new(MemDisk::new(make_image(1024, 16 << 10, None)));
    let fs = mount(&disk);
    fs.shared.core.lock().checkpoint_late(None);
    let file = fs.root().create(b"f", &node(FileKind::Regular)).unwrap();
    let change = |round: u64| {
        write_all(&*file, round * 1024, b"x")?;
        fs.sync()
    };
    change(0).unwrap();
    let (log, _) = log_at(&disk.image());
    // The record of the first transaction's commit.
    let is_commit = |at: &usize| {
        let image = disk.image();
        let word = |offset| crate::bytes::get_be32(&image, at + offset);
        word(0) == 0xc03b_3998 && word(4) == 2
    };
    let commit = (log..).step_by(1024).find(is_commit).unwrap();
    disk.flip(commit + 5);
    let failed = (1..2000).find_map(|round| change(round).err());
    assert_eq!(failed, Some(paddock_vfs::Errno::EUCLEAN));
    assert!(fs.read_only());
    // Nothing has been written over.
    disk.flip(commit + 5);
    let copy = Arc::new(MemDisk::new(disk.image()));
    let again = mount(&copy);
    assert!(read_all(&*again.root().lookup(b"f").unwrap()).len() > 100_000);
    again.unmount().unwrap();
}
