//! Files without extents: ext2 and ext3.

use super::*;
use crate::Kind;
use crate::bytes::get_u16;
use crate::layout::STATE_CLEAN;
use paddock_vfs::{Allocation, Errno, SeekTo, SetMetadata};

fn disk(features: &str, block_size: u32, kilobytes: u32) -> Arc<MemDisk> {
    let image = make_image_with(features, block_size, kilobytes, None);
    Arc::new(MemDisk::new(image))
}

fn mount_as(kind: Kind, disk: &Arc<MemDisk>) -> Result<Arc<Ext4>> {
    let cache = Arc::new(PageCache::new(Arc::new(HeapPages), 1024));
    Ext4::mount(kind, disk.clone(), clock(), cache, 8, false)
}

fn cut(file: &dyn Inode, size: u64) {
    let change = SetMetadata {
        size: Some(size),
        ..SetMetadata::default()
    };
    file.set_metadata(&change).unwrap();
}

/// Around each block at which the numbers are in another table, and in between.
fn places(block_size: u64) -> Vec<u64> {
    let per_table = block_size / 4;
    let edges = [
        12,
        12 + per_table,
        12 + 2 * per_table,
        12 + per_table + per_table * per_table,
        12 + 2 * per_table + per_table * per_table,
    ];
    let around = |edge: &u64| [edge - 1, *edge, edge + 1].map(|block| block * block_size);
    [0].into_iter()
        .chain(edges.iter().flat_map(around))
        .collect()
}

#[test]
fn every_table_is_used_and_given_back() {
    for (features, block_size) in [(EXT2, 1024), (EXT3, 1024), (EXT3, 2048), (EXT2, 4096)] {
        let disk = disk(features, block_size, 24 << 10);
        let fs = mount(&disk);
        let free = fs.stats().unwrap().blocks_free;
        let file = fs.root().create(b"f", &node(FileKind::Regular)).unwrap();
        let places = places(u64::from(block_size));
        for (index, at) in (1_u8..).zip(&places) {
            write_all(&*file, at + 10, &[index; 20]).unwrap();
        }
        fs.sync().unwrap();
        let used = file.metadata().unwrap().blocks;
        drop(file);
        fs.unmount().unwrap();
        check_clean(&disk.image(), "tables of every depth");

        let fs = mount(&disk);
        let file = fs.root().lookup(b"f").unwrap();
        assert_eq!(file.metadata().unwrap().blocks, used);
        for (index, at) in (1_u8..).zip(&places) {
            let mut bytes = [0xff; 40];
            file.read_at(*at, &mut bytes.as_mut_slice().into()).unwrap();
            assert_eq!(bytes[9..30], [&[0][..], &[index; 20]].concat());
        }
        let next = file.seek_data(places[6] + 4 * u64::from(block_size), SeekTo::Data);
        assert_eq!(next, Ok(places[7]));
        for at in places.iter().rev() {
            cut(&*file, at + 15);
            fs.sync().unwrap();
            let size = file.metadata().unwrap().size as usize;
            assert_eq!(size as u64, at + 15);
        }
        check_blocks(&disk, &fs);
        cut(&*file, 0);
        assert_eq!(file.metadata().unwrap().blocks, 0);
        fs.root().unlink(b"f").unwrap();
        drop(file);
        fs.sync().unwrap();
        assert_eq!(fs.stats().unwrap().blocks_free, free);
        fs.unmount().unwrap();
        check_clean(&disk.image(), "given back");
    }
}

/// What is on the disk once it is settled is sound.
fn check_blocks(disk: &Arc<MemDisk>, fs: &Ext4) {
    let copy = Arc::new(MemDisk::new(settled(fs, disk)));
    mount(&copy).unmount().unwrap();
    let mut image = copy.image();
    // The copy was made while it was in use.
    image[1024 + STATE] |= STATE_CLEAN as u8;
    check_clean(&image, "in use");
}

#[test]
fn what_another_system_made_is_read() {
    let from = TempDir::new();
    let data = pattern(7, 3 << 20);
    std::fs::write(from.0.join("large"), &data).unwrap();
    std::os::unix::fs::symlink("t".repeat(200), from.0.join("long")).unwrap();
    std::os::unix::fs::symlink("short", from.0.join("short")).unwrap();
    for (features, block_size) in [(EXT2, 1024), (EXT3, 4096)] {
        let image = make_image_with(features, block_size, 24 << 10, Some(&from.0));
        let disk = Arc::new(MemDisk::new(image));
        let fs = mount(&disk);
        let root = fs.root();
        assert!(read_all(&*root.lookup(b"large").unwrap()) == data);
        let target = |name: &[u8]| root.lookup(name).unwrap().readlink().unwrap();
        assert_eq!(target(b"long"), vec![b't'; 200]);
        assert_eq!(target(b"short"), b"short");
        for name in [&b"large"[..], b"long", b"short"] {
            root.unlink(name).unwrap();
        }
        fs.unmount().unwrap();
        check_clean(&disk.image(), "taken away");
    }
}

#[test]
fn only_a_hole_can_be_had_without_a_write() {
    let disk = disk(EXT2, 1024, 16 << 10);
    let fs = mount(&disk);
    let file = fs.root().create(b"f", &node(FileKind::Regular)).unwrap();
    let data = vec![7; 600 << 10];
    write_all(&*file, 0, &data).unwrap();
    let before = file.metadata().unwrap().blocks;
    for what in [
        Allocation::Reserve { keep_size: true },
        Allocation::Zero { keep_size: false },
    ] {
        assert_eq!(file.allocate(what, 0, 4096), Err(Errno::EOPNOTSUPP));
    }
    file.allocate(Allocation::Punch, 8 << 10, 400 << 10)
        .unwrap();
    assert_eq!(file.metadata().unwrap().blocks, before - 800);
    assert_eq!(file.seek_data(0, SeekTo::Hole), Ok(8 << 10));
    assert_eq!(file.seek_data(8 << 10, SeekTo::Data), Ok(408 << 10));
    let mut expected = data;
    expected[8 << 10..408 << 10].fill(0);
    assert!(read_all(&*file) == expected);
    drop(file);
    fs.unmount().unwrap();
    check_clean(&disk.image(), "punched");
}

#[test]
fn each_kind_has_its_features() {
    let all = [Kind::Ext2, Kind::Ext3, Kind::Ext4];
    for (features, accepted) in [
        (EXT2, [true, false, true]),
        (EXT3, [true, true, true]),
        (FEW, [false, false, true]),
        (DEBIAN_12, [false, false, true]),
    ] {
        let disk = disk(features, 1024, 16 << 10);
        for (kind, is_accepted) in all.into_iter().zip(accepted) {
            match mount_as(kind, &disk) {
                Ok(fs) => {
                    assert!(is_accepted, "{features} as {kind:?}");
                    assert_eq!(fs.kind(), kind.name());
                    fs.unmount().unwrap();
                }
                Err(error) => {
                    assert!(!is_accepted, "{features} as {kind:?}");
                    assert_eq!(error, Errno::EINVAL);
                }
            }
        }
    }
}

#[test]
fn without_a_journal_the_state_says_whether_it_was_unmounted() {
    let disk = disk(EXT2, 1024, 16 << 10);
    let is_clean = || get_u16(&disk.image(), 1024 + STATE) & STATE_CLEAN != 0;
    assert!(is_clean());
    let fs = mount(&disk);
    assert!(!is_clean());
    fs.root().create(b"f", &node(FileKind::Regular)).unwrap();
    fs.sync().unwrap();
    assert!(!is_clean());
    let torn = Arc::new(MemDisk::new(disk.image()));
    fs.unmount().unwrap();
    assert!(is_clean());
    // What nobody has checked stays to be checked.
    let fs = mount(&torn);
    assert!(fs.root().lookup(b"f").is_ok());
    fs.unmount().unwrap();
    assert_eq!(get_u16(&torn.image(), 1024 + STATE) & STATE_CLEAN, 0);
}

#[test]
fn tables_that_name_themselves_end() {
    let disk = disk(EXT2, 1024, 16 << 10);
    let fs = mount(&disk);
    let file = fs.root().create(b"f", &node(FileKind::Regular)).unwrap();
    let deep = places(1024)[11];
    write_all(&*file, deep, b"x").unwrap();
    let ino = file.ino() as u32;
    fs.sync().unwrap();
    {
        let mut core = fs.shared.core.lock();
        let raw = core.inode(ino).unwrap();
        let table = crate::bytes::get_u32(raw.i_block(), 14 * 4);
        core.operation(|core| {
            let numbers = core.modify(u64::from(table), crate::checksums::Seal::None)?;
            numbers.copy_from_slice(&table.to_le_bytes().repeat(256));
            Ok(())
        })
        .unwrap();
    }
    fs.sync().unwrap();
    let change = SetMetadata {
        size: Some(0),
        ..SetMetadata::default()
    };
    assert_eq!(file.set_metadata(&change), Err(Errno::EUCLEAN));
}
