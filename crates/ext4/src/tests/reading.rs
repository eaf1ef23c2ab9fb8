//! What is read from the disk, and how much of it at once.

use super::disk::Fail;
use super::*;
use paddock_vfs::{Allocation, PAGE_SIZE};

/// Mounts a disk again, and opens its file `f`: with its cache, which is empty.
fn again(disk: &Arc<MemDisk>) -> (Arc<Ext4>, Arc<dyn Inode>, Arc<PageCache>) {
    let cache = Arc::new(PageCache::new(Arc::new(HeapPages), 4096));
    let fs = Ext4::mount(
        crate::Kind::Ext4,
        disk.clone(),
        clock(),
        cache.clone(),
        8,
        false,
    )
    .unwrap();
    let file = fs.root().lookup(b"f").unwrap();
    (fs, file, cache)
}

fn with_file(block_size: u32, make: impl FnOnce(&dyn Inode)) -> Arc<MemDisk> {
    let disk = Arc::new(MemDisk::new(make_image(block_size, 24 << 10, None)));
    let fs = mount(&disk);
    let file = fs.root().create(b"f", &node(FileKind::Regular)).unwrap();
    make(&*file);
    drop(file);
    fs.unmount().unwrap();
    disk
}

#[test]
fn only_who_reads_on_is_read_ahead_for() {
    let data = pattern(3, 4 << 20);
    let disk = with_file(4096, |file| write_all(file, 0, &data).unwrap());
    let (fs, file, cache) = again(&disk);
    let mut seen = Vec::new();
    for page in [500, 100, 900, 0, 1, 31, 32, 95, 96, 97] {
        let (mut bytes, at) = ([0; PAGE_SIZE], page * PAGE_SIZE);
        file.read_at(at as u64, &mut (&mut bytes).into()).unwrap();
        assert!(bytes == data[at..at + PAGE_SIZE], "page {page}");
        seen.push(cache.pages());
    }
    // Alone, and once more for who comes from elsewhere; then 32 behind the first.
    assert_eq!(seen[..5], [1, 2, 3, 4, 4 + 32]);
    assert!(read_all(&*file) == data);
    drop(file);
    fs.unmount().unwrap();
}

#[test]
fn windows_grow_to_half_a_mebibyte() {
    let data = pattern(4, 4 << 20);
    let disk = with_file(4096, |file| write_all(file, 0, &data).unwrap());
    let (fs, file, cache) = again(&disk);
    let (mut windows, mut before) = (Vec::new(), 0);
    for page in 0..1024 {
        let (mut bytes, at) = ([0; PAGE_SIZE], page * PAGE_SIZE);
        file.read_at(at as u64, &mut (&mut bytes).into()).unwrap();
        assert!(bytes == data[at..at + PAGE_SIZE], "page {page}");
        if cache.pages() != before {
            windows.push(cache.pages() - before);
            before = cache.pages();
        }
    }
    assert_eq!(windows[..4], [32, 64, 128, 128]);
    assert_eq!(windows.iter().sum::<usize>(), 1024);
    drop(file);
    fs.unmount().unwrap();
}

/// Memory for pages comes as it was left: each byte has to be written.
#[test]
fn holes_and_unwritten_space_are_zeroes() {
    for block_size in [1024, 2048, 4096] {
        let mut expected = vec![0; 700_000];
        let disk = with_file(block_size, |file| {
            for (seed, at, len) in [(1, 3_000, 9_000), (2, 99_000, 50_000), (3, 400_123, 7)] {
                let data = pattern(seed, len);
                write_all(file, at as u64, &data).unwrap();
                expected[at..at + len].copy_from_slice(&data);
            }
            let reserve = Allocation::Reserve { keep_size: false };
            file.allocate(reserve, 500_000, 200_000).unwrap();
            file.allocate(Allocation::Punch, 104_000, 9_000).unwrap();
            expected[104_000..113_000].fill(0);
        });
        let (fs, file, _) = again(&disk);
        assert!(read_all(&*file) == expected, "{block_size}");
        drop(file);
        fs.unmount().unwrap();
    }
}

#[test]
fn who_looks_at_many_files_reads_their_inodes_together() {
    const FILES: usize = 3000;
    let disk = Arc::new(MemDisk::new(make_image(1024, 24 << 10, None)));
    let name = |index: usize| format!("file-{index}").into_bytes();
    let fs = mount(&disk);
    for index in 0..FILES {
        fs.root()
            .create(&name(index), &node(FileKind::Regular))
            .unwrap();
    }
    fs.unmount().unwrap();
    let fs = mount(&disk);
    fs.shared.core.lock().keep_bytes(4 << 20);
    let before = disk.reads();
    // In no order: 997 and the number of files have no divisor in common.
    for index in 0..FILES {
        drop(fs.root().lookup(&name(index * 997 % FILES)).unwrap());
    }
    let blocks = FILES * 256 / 1024;
    let reads = disk.reads() - before;
    assert!(
        reads < blocks,
        "{reads} reads for {blocks} blocks of inodes and the names"
    );
    // What cannot be read is the business of who needs it.
    let of = |core: &mut crate::transaction::Core, ino| core.inode_place(ino).unwrap().0;
    let bad = of(&mut fs.shared.core.lock(), 1000) as usize;
    disk.fail(Fail::Reads, bad * 1024..(bad + 1) * 1024);
    fs.shared.core.lock().drop_clean();
    for ino in 100..2000 {
        let mut core = fs.shared.core.lock();
        let is_bad = of(&mut core, ino) as usize == bad;
        assert_eq!(core.inode(ino).is_err(), is_bad, "inode {ino}");
    }
}
