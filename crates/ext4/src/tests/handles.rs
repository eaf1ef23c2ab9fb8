//! Handles of files.

use super::*;
use paddock_vfs::{Errno, FileHandle};

fn found(fs: &Ext4, handle: &FileHandle) -> Result<u64> {
    let inode = fs.by_handle(handle.kind(), handle.bytes())?;
    Ok(inode.ino())
}

#[test]
fn files_are_found_and_those_that_are_gone_are_not() {
    for block_size in [1024, 2048, 4096] {
        let disk = Arc::new(MemDisk::new(make_image(block_size, 16 << 10, None)));
        let fs = mount(&disk);
        let root = fs.root();
        let dir = root.create(b"dir", &node(FileKind::Directory)).unwrap();
        let file = dir.create(b"f", &node(FileKind::Regular)).unwrap();
        let of_file = fs.handle(&*file).unwrap();
        let of_dir = fs.handle(&*dir).unwrap();
        let ino = file.ino();
        drop(file);
        assert_eq!(found(&fs, &of_file), Ok(ino));
        assert_eq!(found(&fs, &fs.handle(&*root).unwrap()), Ok(2));
        assert_eq!(dir.parent().unwrap().ino(), 2);
        let open = fs.by_handle(1, of_file.bytes()).unwrap();
        dir.unlink(b"f").unwrap();
        assert_eq!(found(&fs, &of_file), Ok(ino), "somebody has it");
        drop(open);
        assert_eq!(found(&fs, &of_file), Err(Errno::ESTALE));
        let other = dir.create(b"g", &node(FileKind::Regular)).unwrap();
        assert_eq!(other.ino(), ino, "the number is given again");
        assert_eq!(found(&fs, &of_file), Err(Errno::ESTALE));
        dir.unlink(b"g").unwrap();
        drop(other);
        root.rmdir(b"dir").unwrap();
        assert_eq!(dir.parent().err(), Some(Errno::ESTALE));
        drop(dir);
        assert_eq!(found(&fs, &of_dir), Err(Errno::ESTALE));
        drop(root);
        fs.unmount().unwrap();
        check_clean(&disk.image(), "after handles");
    }
}

#[test]
fn any_number_may_be_given() {
    let disk = Arc::new(MemDisk::new(make_image(4096, 16 << 10, None)));
    let fs = mount(&disk);
    for ino in (0..40).chain([1000, 4000, 1 << 20, u32::MAX]) {
        for generation in [1, 77] {
            let handle = FileHandle::new(1, [ino, generation]);
            assert_eq!(found(&fs, &handle), Err(Errno::ESTALE), "{ino}");
        }
    }
    assert_eq!(fs.by_handle(7, &[2; 12]).err(), Some(Errno::ESTALE));
    assert_eq!(fs.by_handle(1, &[2; 7]).err(), Some(Errno::ESTALE));
    assert!(fs.complaint().is_none() && !fs.read_only());
}
