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
    let features = MKE2FS_FEATURES.replace("^dir_index", "dir_index");
    for block_size in [1024, 4096] {
        let image = make_image_with(&features, block_size, 24 << 10, Some(&from.0));
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
    let features = MKE2FS_FEATURES.replace("^64bit", "64bit");
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

#[test]
fn checksums_of_metadata_are_left_alone() {
    let from = folder_of_files(50);
    let image = make_image_with("metadata_csum,64bit", 4096, 24 << 10, Some(&from.0));
    let disk = Arc::new(MemDisk::new(image.clone()));
    let fs = mount(&disk);
    assert!(fs.read_only());
    let root = fs.root();
    assert_eq!(names(&*root.lookup(b"big").unwrap()).len(), 50);
    let made = root.create(b"f", &node(FileKind::Regular));
    assert_eq!(made.err(), Some(Errno::EROFS));
    fs.unmount().unwrap();
    assert!(disk.image() == image);
}

#[test]
fn inodes_of_128_bytes_have_no_fractions_of_seconds() {
    let dir = TempDir::new();
    let path = dir.0.join("image");
    let output = tool("mke2fs")
        .args(["-q", "-F", "-t", "ext4", "-I", "128", "-b", "1024"])
        .args(["-O", MKE2FS_FEATURES])
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
