//! Space without data: set aside, punched, zeroed; and where data is.

use super::disk::Event;
use super::*;
use paddock_vfs::{Allocation, Errno, SeekTo, SetMetadata};

const RESERVE: Allocation = Allocation::Reserve { keep_size: false };
const KEEP: Allocation = Allocation::Reserve { keep_size: true };
const ZERO: Allocation = Allocation::Zero { keep_size: false };

/// A disk whose free blocks hold what nobody must see.
fn dirty_disk(block_size: u32, kilobytes: u32) -> Arc<MemDisk> {
    let disk = Arc::new(MemDisk::new(make_image(block_size, kilobytes, None)));
    let fs = mount(&disk);
    let root = fs.root();
    let file = root.create(b"f", &node(FileKind::Regular)).unwrap();
    let chunk = [0xee; 1 << 16];
    let mut at = 0;
    while let Ok(count) = file.write_at(at, &mut (&chunk).into()) {
        at += count as u64;
    }
    fs.sync().unwrap();
    root.unlink(b"f").unwrap();
    drop(file);
    fs.unmount().unwrap();
    disk
}

fn blocks(file: &Arc<dyn Inode>) -> u64 {
    file.metadata().unwrap().blocks
}

#[test]
fn setting_space_aside_writes_no_data() {
    let disk = dirty_disk(4096, 256 << 10);
    let fs = mount(&disk);
    let file = fs.root().create(b"f", &node(FileKind::Regular)).unwrap();
    disk.start_log();
    file.allocate(RESERVE, 0, 200 << 20).unwrap();
    fs.sync().unwrap();
    let written = |event: &Event| match event {
        Event::Write(_, data) => data.len(),
        Event::Flush => 0,
    };
    let bytes: usize = disk.take_log().iter().map(written).sum();
    assert!(bytes < 1 << 20, "{bytes} bytes written");
    assert_eq!(blocks(&file), 200 << 11);
    assert!(read_all(&*file).iter().all(|&byte| byte == 0));
    // A write makes its own blocks written, and no others.
    disk.start_log();
    write_all(&*file, 100_000_000, b"data").unwrap();
    fs.sync().unwrap();
    let bytes: usize = disk.take_log().iter().map(written).sum();
    assert!(bytes < 1 << 20, "{bytes} bytes written");
    assert_eq!(blocks(&file), 200 << 11);
    drop(file);
    fs.unmount().unwrap();
    check_clean(&disk.image(), "set aside");
    let file = mount(&disk).root().lookup(b"f").unwrap();
    let mut expected = vec![0; 200 << 20];
    expected[100_000_000..100_000_004].copy_from_slice(b"data");
    assert!(read_all(&*file) == expected);
}

#[test]
fn what_is_too_much_is_refused() {
    let disk = dirty_disk(4096, 16 << 10);
    let fs = mount(&disk);
    let file = fs.root().create(b"f", &node(FileKind::Regular)).unwrap();
    let most = file.allocate(RESERVE, 0, 1 << 30);
    assert_eq!(most, Err(Errno::ENOSPC));
    assert_eq!(file.allocate(RESERVE, 1 << 60, 1), Err(Errno::EFBIG));
    let shorter = SetMetadata {
        size: Some(0),
        ..SetMetadata::default()
    };
    file.set_metadata(&shorter).unwrap();
    assert_eq!(blocks(&file), 0);
    for mode in [8, 0x20, 2, 0x12, 0x40] {
        assert_eq!(Allocation::from_mode(mode), Err(Errno::EOPNOTSUPP));
    }
    assert_eq!(Allocation::from_mode(0x28), Err(Errno::EINVAL));
    drop(file);
    fs.unmount().unwrap();
    check_clean(&disk.image(), "too much");
}

#[test]
fn space_behind_the_end_stays_until_the_file_is_cut() {
    let disk = dirty_disk(1024, 16 << 10);
    let fs = mount(&disk);
    let file = fs.root().create(b"f", &node(FileKind::Regular)).unwrap();
    write_all(&*file, 0, b"abc").unwrap();
    file.allocate(KEEP, 0, 100_000).unwrap();
    assert_eq!(file.metadata().unwrap().size, 3);
    assert_eq!(blocks(&file), 98 * 2);
    fs.sync().unwrap();
    check_clean(&replayed(&disk), "behind the end");
    write_all(&*file, 50_000, b"x").unwrap();
    assert_eq!(blocks(&file), 98 * 2);
    let mut expected = vec![0; 50_001];
    expected[..3].copy_from_slice(b"abc");
    expected[50_000] = b'x';
    assert!(read_all(&*file) == expected);
    let same = SetMetadata {
        size: Some(50_001),
        ..SetMetadata::default()
    };
    file.set_metadata(&same).unwrap();
    assert_eq!(blocks(&file), 49 * 2);
    drop(file);
    fs.unmount().unwrap();
    check_clean(&disk.image(), "cut at its end");
}

/// What the disk is after its journal was replayed.
fn replayed(disk: &MemDisk) -> Vec<u8> {
    let copy = Arc::new(MemDisk::new(disk.image()));
    mount(&copy).unmount().unwrap();
    copy.image()
}

#[test]
fn holes_are_punched_and_found() {
    for block_size in [1024, 4096] {
        let disk = dirty_disk(block_size, 16 << 10);
        let fs = mount(&disk);
        let file = fs.root().create(b"f", &node(FileKind::Regular)).unwrap();
        let mut expected = pattern(8, 200_000);
        write_all(&*file, 0, &expected).unwrap();
        let before = blocks(&file);
        file.allocate(Allocation::Punch, 50_001, 70_000).unwrap();
        expected[50_001..120_001].fill(0);
        assert!(read_all(&*file) == expected);
        assert!(before - blocks(&file) >= (70_000 - 2 * 4096) / 512);
        let seek = |offset, to| file.seek_data(offset, to);
        let size = u64::from(block_size);
        let hole = 50_001_u64.next_multiple_of(size);
        let data = 120_001 / size * size;
        assert_eq!(seek(0, SeekTo::Data), Ok(0));
        assert_eq!(seek(7, SeekTo::Hole), Ok(hole));
        assert_eq!(seek(hole + 5, SeekTo::Hole), Ok(hole + 5));
        assert_eq!(seek(hole + 5, SeekTo::Data), Ok(data));
        assert_eq!(seek(data, SeekTo::Hole), Ok(200_000));
        assert_eq!(seek(200_000, SeekTo::Hole), Err(Errno::ENXIO));
        file.allocate(RESERVE, 0, 300_000).unwrap();
        assert_eq!(
            seek(200_000, SeekTo::Hole).unwrap(),
            200_000_u64.next_multiple_of(size)
        );
        assert_eq!(seek(250_000, SeekTo::Data), Err(Errno::ENXIO));
        let before = blocks(&file);
        file.allocate(ZERO, 10_000, 30_000).unwrap();
        // No data, but perhaps nodes for the extents that were divided.
        let more = blocks(&file) - before;
        assert!(more <= 2 * size / 512, "{more}");
        expected.resize(300_000, 0);
        expected[10_000..40_000].fill(0);
        assert!(read_all(&*file) == expected);
        drop(file);
        fs.unmount().unwrap();
        check_clean(&disk.image(), "punched");
        let file = mount(&disk).root().lookup(b"f").unwrap();
        assert!(read_all(&*file) == expected);
    }
}

#[test]
fn a_mapped_page_keeps_its_place_and_is_zeroed() {
    let disk = dirty_disk(4096, 16 << 10);
    let fs = mount(&disk);
    let file = fs.root().create(b"f", &node(FileKind::Regular)).unwrap();
    write_all(&*file, 0, &[7; 40_960]).unwrap();
    let page = file.page(5, true).unwrap();
    file.allocate(Allocation::Punch, 0, 40_960).unwrap();
    let mut bytes = [1; 4];
    page.read(0, &mut bytes);
    assert_eq!(bytes, [0; 4]);
    assert_eq!(blocks(&file), 8);
    // What is changed through the mapping afterwards is not lost.
    page.write(10, b"late");
    fs.sync().unwrap();
    drop((page, file));
    fs.unmount().unwrap();
    check_clean(&disk.image(), "mapped");
    let file = mount(&disk).root().lookup(b"f").unwrap();
    let mut expected = vec![0; 40_960];
    expected[5 * 4096 + 10..5 * 4096 + 14].copy_from_slice(b"late");
    assert!(read_all(&*file) == expected);
}

#[test]
fn a_comb_of_holes_has_a_deep_tree() {
    let disk = dirty_disk(1024, 24 << 10);
    let fs = mount(&disk);
    let file = fs.root().create(b"f", &node(FileKind::Regular)).unwrap();
    let mut expected = pattern(5, 8 << 20);
    write_all(&*file, 0, &expected).unwrap();
    for at in (0..8 << 20).step_by(2048) {
        file.allocate(Allocation::Punch, at as u64, 1024).unwrap();
        expected[at..at + 1024].fill(0);
    }
    let nodes = blocks(&file) / 2 - 4096;
    assert!((50..=100).contains(&nodes), "{nodes}");
    file.allocate(ZERO, 1 << 20, 1 << 20).unwrap();
    expected[1 << 20..2 << 20].fill(0);
    file.allocate(Allocation::Punch, 4 << 20, 1 << 20).unwrap();
    expected[4 << 20..5 << 20].fill(0);
    drop(file);
    fs.unmount().unwrap();
    check_clean(&disk.image(), "comb");
    let file = mount(&disk).root().lookup(b"f").unwrap();
    assert!(read_all(&*file) == expected);
}
