use super::*;
use paddock_vfs::{Errno, SetMetadata};

#[test]
fn what_mke2fs_wrote_is_read() {
    let dir = TempDir::new();
    let big = pattern(7, 3_000_000);
    std::fs::create_dir(dir.0.join("sub")).unwrap();
    std::fs::write(dir.0.join("sub/big"), &big).unwrap();
    std::os::unix::fs::symlink("sub/big", dir.0.join("short")).unwrap();
    let long = "x".repeat(200);
    std::os::unix::fs::symlink(&long, dir.0.join("long")).unwrap();
    for index in 0..300 {
        std::fs::write(dir.0.join(format!("sub/file-{index}")), "x").unwrap();
    }
    for block_size in [1024, 2048, 4096] {
        let image = make_image(block_size, 16 << 10, Some(&dir.0));
        let disk = Arc::new(MemDisk::new(image));
        let fs = mount(&disk);
        let root = fs.root();
        assert_eq!(names(&*root), ["long", "lost+found", "short", "sub"]);
        let sub = root.lookup(b"sub").unwrap();
        assert_eq!(names(&*sub).len(), 301);
        assert!(read_all(&*sub.lookup(b"big").unwrap()) == big);
        let link = |name: &[u8]| root.lookup(name).unwrap().readlink().unwrap();
        assert_eq!(link(b"short"), b"sub/big");
        assert_eq!(link(b"long"), long.as_bytes());
        fs.unmount().unwrap();
        check_clean(&disk.image(), "after reading");
    }
}

#[test]
fn a_tree_is_written_and_found_again() {
    for block_size in [1024, 2048, 4096] {
        let disk = Arc::new(MemDisk::new(make_image(block_size, 32 << 10, None)));
        let big = pattern(1, 5_000_000);
        {
            let fs = mount(&disk);
            let root = fs.root();
            let dir = root.create(b"dir", &node(FileKind::Directory)).unwrap();
            let file = dir.create(b"big", &node(FileKind::Regular)).unwrap();
            write_all(&*file, 0, &big).unwrap();
            for index in 0..1500 {
                let name = format!("a-rather-long-name-for-entry-{index}");
                let file = dir.create(name.as_bytes(), &node(FileKind::Regular));
                write_all(&*file.unwrap(), 0, name.as_bytes()).unwrap();
            }
            let fifo = node(FileKind::Fifo);
            root.create(b"fifo", &fifo).unwrap();
            let tty = NewNode {
                rdev: paddock_abi::stat::make_device(300, 70_000),
                ..node(FileKind::CharDevice)
            };
            root.create(b"tty", &tty).unwrap();
            let link = node(FileKind::Symlink);
            root.symlink(b"short", b"dir/big", &link).unwrap();
            root.symlink(b"long", &[b'y'; 500], &link).unwrap();
            fs.unmount().unwrap();
        }
        check_clean(&disk.image(), &format!("written, {block_size}"));
        let fs = mount(&disk);
        let root = fs.root();
        let dir = root.lookup(b"dir").unwrap();
        assert!(read_all(&*dir.lookup(b"big").unwrap()) == big);
        assert_eq!(names(&*dir).len(), 1501);
        let tty = root.lookup(b"tty").unwrap().metadata().unwrap();
        assert_eq!(tty.rdev, paddock_abi::stat::make_device(300, 70_000));
        assert_eq!(tty.mtime.nanos, 123_456_789);
        let long = root.lookup(b"long").unwrap().readlink().unwrap();
        assert_eq!(long, [b'y'; 500]);
        for index in 0..1500 {
            let name = format!("a-rather-long-name-for-entry-{index}");
            dir.unlink(name.as_bytes()).unwrap();
        }
        dir.unlink(b"big").unwrap();
        drop(dir);
        root.rmdir(b"dir").unwrap();
        root.unlink(b"long").unwrap();
        fs.unmount().unwrap();
        check_clean(&disk.image(), &format!("emptied, {block_size}"));
    }
}

#[test]
fn a_full_disk_says_so_and_stays_clean() {
    for block_size in [1024, 4096] {
        let disk = Arc::new(MemDisk::new(make_image(block_size, 12 << 10, None)));
        let fs = mount_with(&disk, 256).unwrap();
        let root = fs.root();
        let free = fs.stats().unwrap().blocks_free;
        for round in 0..3 {
            let file = root.create(b"fill", &node(FileKind::Regular)).unwrap();
            let chunk = pattern(round, 70_000);
            let mut total = 0;
            let error = loop {
                match file.write_at(total, &mut (&chunk).into()) {
                    Ok(count) => total += count as u64,
                    Err(error) => break error,
                }
            };
            assert_eq!(error, Errno::ENOSPC);
            assert!(total > 4 << 20, "{total}");
            let made = (0..).find_map(|index| {
                let name = format!("directory-{index}");
                let made = root.create(name.as_bytes(), &node(FileKind::Directory));
                made.err().map(|error| (index, error))
            });
            let (made, error) = made.unwrap();
            assert_eq!(error, Errno::ENOSPC);
            fs.sync().unwrap();
            root.unlink(b"fill").unwrap();
            drop(file);
            for index in 0..made {
                let name = format!("directory-{index}");
                root.rmdir(name.as_bytes()).unwrap();
            }
        }
        // The root directory keeps the blocks that its entries needed.
        let kept = free - fs.stats().unwrap().blocks_free;
        assert!(kept < 4, "{kept}");
        fs.unmount().unwrap();
        check_clean(&disk.image(), "after being full");
    }
}

#[test]
fn an_unlinked_file_lives_until_it_is_closed() {
    let disk = Arc::new(MemDisk::new(make_image(4096, 16 << 10, None)));
    let fs = mount(&disk);
    let root = fs.root();
    let free = fs.stats().unwrap().blocks_free;
    let file = root.create(b"file", &node(FileKind::Regular)).unwrap();
    write_all(&*file, 0, &pattern(3, 1_000_000)).unwrap();
    root.unlink(b"file").unwrap();
    fs.sync().unwrap();
    let other = root.create(b"file", &node(FileKind::Regular)).unwrap();
    write_all(&*other, 0, &pattern(4, 1_000_000)).unwrap();
    assert!(read_all(&*file) == pattern(3, 1_000_000));
    assert_eq!(file.metadata().unwrap().links, 0);
    root.unlink(b"file").unwrap();
    drop((file, other));
    fs.sync().unwrap();
    assert_eq!(fs.stats().unwrap().blocks_free, free);
    fs.unmount().unwrap();
    check_clean(&disk.image(), "after the last close");
}

#[test]
fn cutting_leaves_zeroes_behind_the_end() {
    for block_size in [1024, 4096] {
        let disk = Arc::new(MemDisk::new(make_image(block_size, 16 << 10, None)));
        let fs = mount(&disk);
        let file = fs.root().create(b"f", &node(FileKind::Regular)).unwrap();
        let resize = |size| {
            let change = SetMetadata {
                size: Some(size),
                ..SetMetadata::default()
            };
            file.set_metadata(&change)
        };
        write_all(&*file, 0, &[1; 10_000]).unwrap();
        fs.sync().unwrap();
        resize(5_000).unwrap();
        resize(20_000).unwrap();
        write_all(&*file, 15_000, &[2; 10]).unwrap();
        let mut expected = vec![0; 20_000];
        expected[..5_000].fill(1);
        expected[15_000..15_010].fill(2);
        assert!(read_all(&*file) == expected);
        resize(u64::MAX).unwrap_err();
        drop(file);
        fs.unmount().unwrap();
        check_clean(&disk.image(), "after cutting");
        let file = mount(&disk).root().lookup(b"f").unwrap();
        assert!(read_all(&*file) == expected);
    }
}

#[test]
fn a_file_of_many_pieces_has_a_deep_tree() {
    let disk = Arc::new(MemDisk::new(make_image(1024, 32 << 10, None)));
    let fs = mount(&disk);
    let root = fs.root();
    let file = root.create(b"holes", &node(FileKind::Regular)).unwrap();
    // From the end to the start, and every other block only.
    for index in (0..4000_u64).rev() {
        write_all(&*file, index * 2048, &index.to_le_bytes()).unwrap();
    }
    fs.unmount().unwrap();
    check_clean(&disk.image(), "holes");
    let fs = mount(&disk);
    let file = fs.root().lookup(b"holes").unwrap();
    for index in 0..4000_u64 {
        let mut bytes = [0; 8];
        file.read_at(index * 2048, &mut (&mut bytes).into())
            .unwrap();
        assert_eq!(u64::from_le_bytes(bytes), index);
    }
    for size in [5_000_000, 1_000_000, 3_000, 0] {
        let change = SetMetadata {
            size: Some(size),
            ..SetMetadata::default()
        };
        file.set_metadata(&change).unwrap();
        fs.sync().unwrap();
    }
    drop(file);
    fs.unmount().unwrap();
    check_clean(&disk.image(), "cut to nothing");
}

#[test]
fn other_disks_are_refused() {
    let disk = Arc::new(MemDisk::new(vec![0; 1 << 20]));
    assert_eq!(mount_with(&disk, 64).err(), Some(Errno::EINVAL));
    let mut image = make_image(4096, 12 << 10, None);
    image[1024 + 40..1024 + 44].fill(0xff);
    let disk = Arc::new(MemDisk::new(image));
    assert_eq!(mount_with(&disk, 64).err(), Some(Errno::EUCLEAN));
}

#[test]
fn large_files_pass_through_a_small_cache() {
    let disk = Arc::new(MemDisk::new(make_image(4096, 96 << 10, None)));
    let data = pattern(9, 1 << 20);
    {
        let fs = mount_with(&disk, 512).unwrap();
        let file = fs.root().create(b"f", &node(FileKind::Regular)).unwrap();
        for part in 0..64 {
            write_all(&*file, part << 20, &data).unwrap();
        }
        drop(file);
        fs.unmount().unwrap();
    }
    let fs = mount_with(&disk, 512).unwrap();
    let file = fs.root().lookup(b"f").unwrap();
    let mut buf = vec![0; 1 << 16];
    for offset in (0..64 << 20).step_by(1 << 16) {
        assert_eq!(file.read_at(offset, &mut (&mut buf).into()), Ok(1 << 16));
        let at = offset as usize % (1 << 20);
        assert!(buf == data[at..at + (1 << 16)]);
    }
    drop(file);
    fs.unmount().unwrap();
    check_clean(&disk.image(), "large file");
}

#[test]
fn files_that_are_open_at_unmount_leave_the_disk_clean() {
    let disk = Arc::new(MemDisk::new(make_image(4096, 12 << 10, None)));
    let fs = mount(&disk);
    let root = fs.root();
    let gone = root.create(b"gone", &node(FileKind::Regular)).unwrap();
    let kept = root.create(b"kept", &node(FileKind::Regular)).unwrap();
    let dir = root.create(b"dir", &node(FileKind::Directory)).unwrap();
    write_all(&*gone, 0, &pattern(1, 100_000)).unwrap();
    write_all(&*kept, 0, &pattern(2, 100_000)).unwrap();
    root.unlink(b"gone").unwrap();
    root.rmdir(b"dir").unwrap();
    fs.unmount().unwrap();
    check_clean(&disk.image(), "open at unmount");
    assert_eq!(kept.write_at(0, &mut b"late".into()), Err(Errno::EROFS));
    drop((gone, kept, dir));
    assert_eq!(fs.sync(), Ok(()));
    check_clean(&disk.image(), "closed after unmount");
}

#[test]
fn the_first_change_is_announced_and_written_when_it_is_old() {
    let disk = Arc::new(MemDisk::new(make_image(4096, 12 << 10, None)));
    let cache = Arc::new(PageCache::new(Arc::new(HeapPages), 512));
    let fs = Ext4::mount(
        crate::Kind::Ext4,
        disk.clone(),
        clock(),
        cache.clone(),
        8,
        false,
    )
    .unwrap();
    fs.root().create(b"f", &node(FileKind::Regular)).unwrap();
    cache.wait_for_change();
    fs.flush_older_than(u64::MAX).unwrap();
    let before = Arc::new(MemDisk::new(disk.image()));
    assert_eq!(
        mount(&before).root().lookup(b"f").err(),
        Some(Errno::ENOENT)
    );
    fs.flush_older_than(1000).unwrap();
    let after = Arc::new(MemDisk::new(disk.image()));
    assert!(mount(&after).root().lookup(b"f").is_ok());
    fs.root().unlink(b"f").unwrap();
    cache.wait_for_change();
}
