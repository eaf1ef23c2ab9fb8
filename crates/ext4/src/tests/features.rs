//! Images with other features than those that are asked for.

use super::*;
use paddock_vfs::Errno;

fn folder_of_files(count: usize) -> TempDir {
    let dir = TempDir::new();
    std::fs::create_dir(dir.0.join("big")).unwrap();
    for index in 0..count {
        let name = format!("big/some-name-that-is-not-short-{index}");
        std::fs::write(dir.0.join(name), index.to_string()).unwrap();
    }
    dir
}

/// Lets e2fsck turn directories into hashed ones.
fn hash_directories(image: &[u8]) -> Vec<u8> {
    let dir = TempDir::new();
    let path = dir.0.join("image");
    std::fs::write(&path, image).unwrap();
    let output = tool("e2fsck").arg("-fyD").arg(&path).output().unwrap();
    assert!(
        output.status.code().is_some_and(|code| code < 4),
        "{output:?}"
    );
    std::fs::read(&path).unwrap()
}

#[test]
fn hashed_directories_are_read_and_changed() {
    let from = folder_of_files(1200);
    for block_size in [1024, 2048, 4096] {
        let image = make_image(block_size, 24 << 10, Some(&from.0));
        let disk = Arc::new(MemDisk::new(hash_directories(&image)));
        let fs = mount(&disk);
        let big = fs.root().lookup(b"big").unwrap();
        assert_eq!(names(&*big).len(), 1200);
        for index in (0..1200).step_by(3) {
            let name = format!("some-name-that-is-not-short-{index}");
            big.unlink(name.as_bytes()).unwrap();
        }
        fs.sync().unwrap();
        for index in 0..500 {
            let name = format!("new-{index}");
            big.create(name.as_bytes(), &node(FileKind::Regular))
                .unwrap();
        }
        assert_eq!(names(&*big).len(), 1300);
        drop(big);
        fs.unmount().unwrap();
        check_clean(&disk.image(), "hashed directory");
    }
}

#[test]
fn wide_block_numbers_are_written() {
    let features = FEW.replace("^64bit", "64bit");
    let disk = Arc::new(MemDisk::new(make_image_with(
        &features,
        4096,
        24 << 10,
        None,
    )));
    let fs = mount(&disk);
    let file = fs.root().create(b"f", &node(FileKind::Regular)).unwrap();
    write_all(&*file, 0, &pattern(1, 300_000)).unwrap();
    fs.sync().unwrap();
    // The log is replayed from a disk without a clean end.
    let copy = Arc::new(MemDisk::new(disk.image()));
    let again = mount(&copy);
    let found = again.root().lookup(b"f").unwrap();
    assert!(read_all(&*found) == pattern(1, 300_000));
    drop((found, file));
    again.unmount().unwrap();
    fs.unmount().unwrap();
    check_clean(&disk.image(), "wide");
    check_clean(&copy.image(), "wide, replayed");
}

/// Fills and empties a disk of several groups, most of which mke2fs has not
/// initialized; e2fsck judges it twice.
fn use_all_groups(image: Vec<u8>, when: &str) {
    let disk = Arc::new(MemDisk::new(image));
    let fs = mount(&disk);
    assert!(!fs.read_only(), "{when}");
    let root = fs.root();
    let free = fs.stats().unwrap();
    for index in 0..40 {
        let name = format!("dir-{index}");
        let dir = root.create(name.as_bytes(), &node(FileKind::Directory));
        let dir = dir.unwrap();
        for index in 0..60 {
            let name = format!("file-{index}");
            let file = dir.create(name.as_bytes(), &node(FileKind::Regular));
            write_all(&*file.unwrap(), 0, &pattern(index, 20_000)).unwrap();
        }
    }
    fs.sync().unwrap();
    let copy = Arc::new(MemDisk::new(disk.image()));
    mount(&copy).unmount().unwrap();
    check_clean(&copy.image(), &format!("{when}, filled"));
    for index in 0..40 {
        let name = format!("dir-{index}");
        let dir = root.lookup(name.as_bytes()).unwrap();
        assert!(read_all(&*dir.lookup(b"file-7").unwrap()) == pattern(7, 20_000));
        names(&*dir)
            .iter()
            .for_each(|name| dir.unlink(name.as_bytes()).unwrap());
        drop(dir);
        root.rmdir(name.as_bytes()).unwrap();
    }
    fs.sync().unwrap();
    let now = fs.stats().unwrap();
    assert_eq!(now.files_free, free.files_free);
    assert!(free.blocks_free - now.blocks_free < 10);
    fs.unmount().unwrap();
    check_clean(&disk.image(), &format!("{when}, emptied"));
}

#[test]
fn what_mke2fs_makes_by_default_is_written() {
    let dir = TempDir::new();
    let path = dir.0.join("image");
    let mut command = tool("mke2fs");
    command
        .args(["-q", "-F", "-t", "ext4"])
        .arg(&path)
        .arg("64m");
    assert!(command.output().unwrap().status.success());
    use_all_groups(std::fs::read(&path).unwrap(), "plain");
    for (when, features) in [
        ("12", DEBIAN_12),
        ("13", DEBIAN_13),
        ("groups", GROUP_CHECKSUMS),
    ] {
        use_all_groups(make_image_with(features, 1024, 96 << 10, None), when);
        use_all_groups(make_image_with(features, 4096, 400 << 10, None), when);
    }
}

#[test]
fn inodes_of_every_size_have_checksums() {
    for size in ["128", "256", "512", "1024"] {
        let dir = TempDir::new();
        let path = dir.0.join("image");
        let mut command = tool("mke2fs");
        command.args(["-q", "-F", "-t", "ext4", "-b", "1024", "-I", size]);
        command.args(["-O", DEBIAN_12]).arg(&path).arg("96m");
        assert!(command.output().unwrap().status.success());
        use_all_groups(std::fs::read(&path).unwrap(), size);
    }
}

#[test]
fn what_others_left_in_the_file_of_orphans_is_freed() {
    let disk = Arc::new(MemDisk::new(make_image(1024, 16 << 10, None)));
    let fs = mount(&disk);
    let free = fs.stats().unwrap();
    let root = fs.root();
    let kept = root.create(b"kept", &node(FileKind::Regular)).unwrap();
    write_all(&*kept, 0, &[7; 100_000]).unwrap();
    let gone = root.create(b"gone", &node(FileKind::Regular)).unwrap();
    write_all(&*gone, 0, &[8; 100_000]).unwrap();
    let ino = gone.ino() as u32;
    // As another system does: no link, and not in the list but in the file.
    let mut core = fs.shared.core.lock();
    core.operation(|core| {
        let raw = core.inode(core.geometry.orphan_file)?;
        let block = core.map(&raw, 0)?.unwrap().physical;
        let seal = crate::checksums::Seal::Orphans(raw.owner());
        let data = core.modify(block, seal)?;
        crate::bytes::put_u32(data, 40, ino);
        let sb = core.superblock_mut()?;
        let flags = crate::bytes::get_u32(sb, 100) | crate::layout::RO_COMPAT_ORPHAN_PRESENT;
        crate::bytes::put_u32(sb, 100, flags);
        Ok(())
    })
    .unwrap();
    drop(core);
    root.unlink(b"gone").unwrap();
    let mut core = fs.shared.core.lock();
    core.operation(|core| core.remove_orphan(ino)).unwrap();
    core.commit().unwrap();
    drop(core);
    let after = Arc::new(MemDisk::new(disk.image()));
    let again = mount(&after);
    assert_eq!(again.stats().unwrap().files_free, free.files_free - 1);
    let kept = again.root().lookup(b"kept").unwrap();
    assert!(read_all(&*kept) == [7; 100_000]);
    drop(kept);
    again.unmount().unwrap();
    check_clean(&after.image(), "file of orphans");
}

#[test]
fn a_directory_may_have_too_many_subdirectories_to_count() {
    let disk = Arc::new(MemDisk::new(make_image(4096, 16 << 10, None)));
    let fs = mount(&disk);
    let dir = fs.root().create(b"d", &node(FileKind::Directory)).unwrap();
    for index in 0..300 {
        let name = format!("a-name-that-takes-room-{index}");
        dir.create(name.as_bytes(), &node(FileKind::Directory))
            .unwrap();
    }
    let set_links = |links| {
        let mut core = fs.shared.core.lock();
        let change = |core: &mut crate::transaction::Core| {
            core.change_inode(dir.ino() as u32, |_, raw| {
                raw.set_links(links);
                Ok(())
            })
        };
        core.operation(change).unwrap();
    };
    let links = || dir.metadata().unwrap().links;
    set_links(64_999);
    dir.create(b"one", &node(FileKind::Directory)).unwrap();
    assert_eq!(links(), 65_000);
    dir.create(b"two", &node(FileKind::Directory)).unwrap();
    assert_eq!(links(), 1);
    dir.create(b"three", &node(FileKind::Directory)).unwrap();
    dir.rmdir(b"one").unwrap();
    assert_eq!(links(), 1);
    dir.rmdir(b"two").unwrap();
    assert!(dir.lookup(b"three").is_ok());
    let file = dir.create(b"file", &node(FileKind::Regular)).unwrap();
    drop(file);
    set_links(303);
    drop(dir);
    fs.unmount().unwrap();
    check_clean(&disk.image(), "many subdirectories");
}

#[test]
fn other_features_are_refused_by_name() {
    use crate::features::Names;
    let names = |incompat, ro_compat| {
        Names {
            incompat,
            ro_compat,
        }
        .to_string()
    };
    assert_eq!(names(0x1_8000, 0), "inline_data, encrypt");
    assert_eq!(
        names(0x8000_0000, 0x8300),
        "0x80000000, quota, bigalloc, verity"
    );
    let features = format!("{DEBIAN_12},quota");
    let image = make_image_with(&features, 4096, 24 << 10, None);
    let disk = Arc::new(MemDisk::new(image.clone()));
    let fs = mount(&disk);
    assert!(fs.read_only());
    let made = fs.root().create(b"f", &node(FileKind::Regular));
    assert_eq!(made.err(), Some(Errno::EROFS));
    fs.unmount().unwrap();
    assert!(disk.image() == image);
    let features = format!("{DEBIAN_12},inline_data");
    let image = make_image_with(&features, 4096, 24 << 10, None);
    let refused = mount_with(&Arc::new(MemDisk::new(image)), 64);
    assert_eq!(refused.err(), Some(Errno::EINVAL));
}

#[test]
fn inodes_of_128_bytes_have_no_fractions_of_seconds() {
    let dir = TempDir::new();
    let path = dir.0.join("image");
    let output = tool("mke2fs")
        .args(["-q", "-F", "-t", "ext4", "-I", "128", "-b", "1024"])
        .args(["-O", FEW])
        .arg(&path)
        .arg("16m")
        .output();
    assert!(output.unwrap().status.success());
    let disk = Arc::new(MemDisk::new(std::fs::read(&path).unwrap()));
    let fs = mount(&disk);
    let file = fs.root().create(b"f", &node(FileKind::Regular)).unwrap();
    write_all(&*file, 0, &pattern(1, 30_000)).unwrap();
    let meta = file.metadata().unwrap();
    assert!(meta.mtime.seconds >= 1_700_000_000 && meta.mtime.nanos == 0);
    drop(file);
    fs.unmount().unwrap();
    check_clean(&disk.image(), "small inodes");
}
