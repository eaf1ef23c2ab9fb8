//! Memory that runs out: everything goes on with a handful of pages.

use super::*;
use paddock_vfs::{Errno, PageRef, PageSource};
use std::sync::Mutex;
use std::sync::Weak;

/// At most so many pages at a time.
struct FewPages {
    most: usize,
    given: Mutex<Vec<Weak<dyn paddock_vfs::CachePage>>>,
}

impl PageSource for FewPages {
    fn allocate(&self) -> Result<PageRef> {
        let mut given = self.given.lock().unwrap();
        given.retain(|page| page.strong_count() > 0);
        if given.len() >= self.most {
            return Err(Errno::ENOMEM);
        }
        let page = HeapPages.allocate()?;
        given.push(Arc::downgrade(&page));
        Ok(page)
    }
}

#[test]
fn few_pages_are_enough() {
    let disk = Arc::new(MemDisk::new(make_image(4096, 24 << 10, None)));
    let source = FewPages {
        most: 100,
        given: Mutex::new(Vec::new()),
    };
    let cache = Arc::new(PageCache::new(Arc::new(source), 100_000));
    let fs = Ext4::mount(crate::Kind::Ext4, disk.clone(), clock(), cache, 8, false).unwrap();
    let data = pattern(5, 1 << 20);
    let files: Vec<_> = (0..6_u8)
        .map(|index| {
            let file = fs
                .root()
                .create(&[b'a' + index], &node(FileKind::Regular))
                .unwrap();
            write_all(&*file, 0, &data).unwrap();
            file
        })
        .collect();
    for file in &files {
        assert!(read_all(&**file) == data);
    }
    drop(files);
    fs.unmount().unwrap();
    check_clean(&disk.image(), "few pages");
}

#[test]
fn a_large_transaction_does_not_make_each_look_dear() {
    let disk = Arc::new(MemDisk::new(make_image(1024, 24 << 10, None)));
    let fs = mount(&disk);
    let name = |index: u32| format!("file-{index}").into_bytes();
    for index in 0..1000 {
        fs.root()
            .create(&name(index), &node(FileKind::Regular))
            .unwrap();
    }
    fs.sync().unwrap();
    // More blocks are dirty than clean ones are kept.
    fs.shared.core.lock().keep_bytes(32 << 10);
    for index in 1000..3000 {
        fs.root()
            .create(&name(index), &node(FileKind::Regular))
            .unwrap();
    }
    let before = fs.shared.core.lock().evictions;
    for index in 0..1000 {
        drop(fs.root().lookup(&name(index)).unwrap());
    }
    let times = fs.shared.core.lock().evictions - before;
    assert!(times < 100, "{times} times in 1000 looks");
    fs.unmount().unwrap();
    check_clean(&disk.image(), "a large transaction");
}

/// Files in a folder of a round.
const FILES: u64 = 40;

fn make_folder(fs: &Ext4, round: u64) {
    let name = format!("dir-{round}").into_bytes();
    let dir = fs.root().create(&name, &node(FileKind::Directory)).unwrap();
    for index in 0..FILES {
        let name = format!("file-{index}").into_bytes();
        let file = dir.create(&name, &node(FileKind::Regular)).unwrap();
        write_all(&*file, 0, &pattern(round * FILES + index, 3_000)).unwrap();
    }
}

fn check_folder(fs: &Ext4, round: u64) {
    let dir = fs.root().lookup(format!("dir-{round}").as_bytes()).unwrap();
    for index in 0..FILES {
        let file = dir.lookup(format!("file-{index}").as_bytes()).unwrap();
        assert!(read_all(&*file) == pattern(round * FILES + index, 3_000));
    }
}

/// What the log alone has is neither forgotten nor looked for on the disk.
#[test]
fn what_waits_for_its_place_stays_in_memory() {
    for checkpoints in CHECKPOINTS {
        let disk = Arc::new(MemDisk::new(make_image(1024, 24 << 10, None)));
        let fs = mount(&disk);
        (0..20).for_each(|round| make_folder(&fs, round));
        fs.unmount().unwrap();
        let fs = mount(&disk);
        {
            let mut core = fs.shared.core.lock();
            core.keep_bytes(0);
            core.checkpoint_late(checkpoints);
        }
        for round in 20..40 {
            make_folder(&fs, round);
            fs.sync().unwrap();
            // Who looks at much else has what was used before forgotten.
            (0..10).for_each(|round| check_folder(&fs, round));
            if round % 2 == 0 {
                fs.shrink();
            }
            let dir = fs.root().lookup(format!("dir-{}", round - 10).as_bytes());
            let dir = dir.unwrap();
            for name in names(&*dir) {
                dir.unlink(name.as_bytes()).unwrap();
            }
        }
        assert!(fs.shared.core.lock().evictions > 0);
        (30..40).for_each(|round| check_folder(&fs, round));
        fs.unmount().unwrap();
        check_clean(&disk.image(), "what waited");
    }
}
