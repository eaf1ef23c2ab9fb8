//! Sectors that fail: who hears of it, and what goes on.

use super::disk::Fail;
use super::*;
use core::ops::Range;
use paddock_vfs::path::NoSpecialNodes;
use paddock_vfs::{Errno, MountNamespace, OpenFile, OpenFlags, PathContext};

const BLOCK: usize = 4096;

fn image_with_policy(policy: u16) -> Vec<u8> {
    let mut image = make_image(4096, 16 << 10, None);
    set_in_superblock(&mut image, POLICY, policy);
    image
}

/// Where a block of a file lies on the disk.
fn place(fs: &Ext4, file: &dyn Inode, block: u32) -> Range<usize> {
    let mut core = fs.shared.core.lock();
    let raw = core.inode(file.ino() as u32).unwrap();
    let extent = core.map(&raw, block).unwrap().unwrap();
    let at = (extent.physical as usize + (block - extent.logical) as usize) * BLOCK;
    at..at + 512
}

struct Tree {
    namespace: Arc<MountNamespace>,
    context: PathContext,
}

impl Tree {
    fn new(fs: Arc<Ext4>) -> Tree {
        let namespace = MountNamespace::new(fs, "disk", Arc::new(NoSpecialNodes), 64).unwrap();
        let context = PathContext::root_at(namespace.root());
        Tree { namespace, context }
    }

    fn open(&self, path: &str) -> Arc<OpenFile> {
        let flags = OpenFlags::RDWR | OpenFlags::CREAT;
        let opened = self
            .namespace
            .open(&self.context, path.as_bytes(), flags, 0o644);
        opened.unwrap()
    }
}

#[test]
fn a_sector_that_cannot_be_written_is_its_files_business() {
    let disk = Arc::new(MemDisk::new(image_with_policy(2)));
    let fs = mount(&disk);
    let tree = Tree::new(fs.clone());
    let (one, two) = (tree.open("/bad"), tree.open("/bad"));
    let other = tree.open("/other");
    let old = pattern(1, 20 * BLOCK);
    one.write(&old).unwrap();
    one.sync().unwrap();
    let bad = place(&fs, &*fs.root().lookup(b"bad").unwrap(), 7);
    disk.fail(Fail::Writes, bad);
    let new = pattern(2, 20 * BLOCK);
    one.pwrite(0, &mut (&new).into()).unwrap();
    other.write(&pattern(3, 50_000)).unwrap();
    other.sync().unwrap();
    fs.sync().unwrap();
    // Nobody has been told yet: who opens the file now hears of it as well.
    let three = tree.open("/bad");
    for file in [&one, &two, &three] {
        assert_eq!(file.sync(), Err(Errno::EIO));
        assert_eq!(file.sync(), Ok(()));
    }
    assert_eq!(tree.open("/bad").sync(), Ok(()));
    assert!(!fs.read_only());
    // The sector is well again once it has been written.
    disk.mend();
    let again = Arc::new(MemDisk::new(disk.image()));
    let copy = mount(&again);
    let mut expected = new.clone();
    expected[7 * BLOCK..8 * BLOCK].copy_from_slice(&old[7 * BLOCK..8 * BLOCK]);
    assert!(read_all(&*copy.root().lookup(b"bad").unwrap()) == expected);
    assert!(read_all(&*copy.root().lookup(b"other").unwrap()) == pattern(3, 50_000));
    one.pwrite(0, &mut (&new).into()).unwrap();
    one.sync().unwrap();
    drop((one, two, three, other, tree));
    fs.unmount().unwrap();
    check_clean(&disk.image(), "a bad sector");
    assert!(read_all(&*mount(&disk).root().lookup(b"bad").unwrap()) == new);
}

#[test]
fn a_sector_that_cannot_be_read_takes_its_page_alone() {
    for block_size in [1024_u32, 4096] {
        let disk = Arc::new(MemDisk::new(make_image(block_size, 16 << 10, None)));
        let data = pattern(4, 64 * BLOCK);
        let fs = mount(&disk);
        let file = fs.root().create(b"f", &node(FileKind::Regular)).unwrap();
        write_all(&*file, 0, &data).unwrap();
        fs.sync().unwrap();
        let block = 20 * BLOCK as u32 / block_size;
        let bad = {
            let mut core = fs.shared.core.lock();
            let raw = core.inode(file.ino() as u32).unwrap();
            let extent = core.map(&raw, block).unwrap().unwrap();
            let at = extent.physical + u64::from(block - extent.logical);
            at as usize * block_size as usize
        };
        drop(file);
        fs.unmount().unwrap();
        disk.fail(Fail::Reads, bad..bad + 512);
        let fs = mount(&disk);
        let file = fs.root().lookup(b"f").unwrap();
        let mut page = vec![0; BLOCK];
        for index in 0..64_usize {
            let at = index * BLOCK;
            let got = file.read_at(at as u64, &mut (&mut page).into());
            match index {
                20 => assert_eq!(got, Err(Errno::EIO)),
                _ => {
                    assert_eq!(got, Ok(BLOCK), "page {index}");
                    assert!(page == data[at..at + BLOCK]);
                }
            }
        }
        // Part of the page cannot be written, all of it can.
        let at = 20 * BLOCK as u64;
        assert_eq!(file.write_at(at + 5, &mut b"x".into()), Err(Errno::EIO));
        write_all(&*file, at, &[9; BLOCK]).unwrap();
        file.read_at(at, &mut (&mut page).into()).unwrap();
        assert!(page == [9; BLOCK]);
        drop(file);
        fs.unmount().unwrap();
        check_clean(&disk.image(), "unreadable");
    }
}

#[test]
fn a_journal_that_cannot_be_written_stops_changes() {
    for policy in [1, 2] {
        let disk = Arc::new(MemDisk::new(image_with_policy(policy)));
        let fs = mount(&disk);
        let tree = Tree::new(fs.clone());
        let file = tree.open("/f");
        file.write(b"kept").unwrap();
        file.sync().unwrap();
        let before = disk.image();
        let log = {
            let mut core = fs.shared.core.lock();
            let ino = core.geometry.journal_inode().unwrap();
            let raw = core.inode(ino).unwrap();
            core.map(&raw, 1).unwrap().unwrap().physical as usize * BLOCK
        };
        disk.fail(Fail::Writes, log..log + (4 << 20));
        file.write(b"lost").unwrap();
        assert_eq!(file.sync(), Err(Errno::EIO));
        assert!(fs.read_only());
        let mounts = tree.namespace.mounts(&tree.namespace.root()).unwrap();
        assert!(mounts[0].fs_read_only);
        assert_eq!(file.write(b"x"), Err(Errno::EROFS));
        assert_eq!(file.sync(), Err(Errno::EROFS));
        let mut found = [0; 8];
        file.pread(0, &mut (&mut found).into()).unwrap();
        assert_eq!(&found[..4], b"kept");
        let _ = fs.unmount();
        // Nothing has changed but for the file's data, and the mark.
        let after = disk.image();
        assert_eq!(after[1024 + 58] & 2, 2);
        assert_eq!(before[1024 + 58] & 2, 0);
        let copy = Arc::new(MemDisk::new(after));
        let again = mount(&copy);
        let file = again.root().lookup(b"f").unwrap();
        assert!(read_all(&*file) == b"kept");
        again.unmount().unwrap();
    }
}

#[test]
fn metadata_that_cannot_be_read_is_dealt_with_as_the_superblock_says() {
    for (policy, stops) in [(1, false), (2, true)] {
        let disk = Arc::new(MemDisk::new(image_with_policy(policy)));
        let fs = mount(&disk);
        let root = fs.root();
        let dir = root.create(b"d", &node(FileKind::Directory)).unwrap();
        dir.create(b"f", &node(FileKind::Regular)).unwrap();
        root.create(b"other", &node(FileKind::Regular)).unwrap();
        fs.sync().unwrap();
        let bad = place(&fs, &*dir, 0);
        settled(&fs, &disk);
        fs.shrink();
        disk.fail(Fail::Reads, bad);
        assert_eq!(dir.lookup(b"f").err(), Some(Errno::EIO));
        assert_eq!(fs.read_only(), stops);
        let made = root.create(b"new", &node(FileKind::Regular)).map(drop);
        assert_eq!(made, if stops { Err(Errno::EROFS) } else { Ok(()) });
        assert!(root.lookup(b"other").is_ok());
        disk.mend();
        assert_eq!(disk.image()[1024 + 58] & 2, 2);
    }
}

#[test]
#[should_panic(expected = "errors=panic")]
fn a_machine_can_be_made_to_stop() {
    let disk = Arc::new(MemDisk::new(image_with_policy(3)));
    let fs = mount(&disk);
    let dir = fs.root().create(b"d", &node(FileKind::Directory)).unwrap();
    fs.sync().unwrap();
    let bad = place(&fs, &*dir, 0);
    settled(&fs, &disk);
    fs.shrink();
    disk.fail(Fail::Reads, bad);
    let _ = dir.lookup(b"f");
}
