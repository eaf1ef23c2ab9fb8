//! Damaged disks: errors, but neither panics nor endless loops.

use super::*;
use paddock_vfs::{SetMetadata, SetXattr};
use proptest::prelude::*;
use std::sync::OnceLock;

/// A small filesystem with something of everything.
fn sound_image() -> &'static Vec<u8> {
    static IMAGE: OnceLock<Vec<u8>> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let disk = Arc::new(MemDisk::new(make_image(1024, 12 << 10, None)));
        let fs = mount(&disk);
        let root = fs.root();
        for index in 0..40_u8 {
            file_with_attributes(&*root, index, 9_000);
        }
        let holes = root.create(b"holes", &node(FileKind::Regular)).unwrap();
        (0..200).for_each(|index| write_all(&*holes, index * 3_000, b"x").unwrap());
        let dir = root.create(b"dir", &node(FileKind::Directory)).unwrap();
        dir.symlink(b"long", &[b'l'; 300], &node(FileKind::Symlink))
            .unwrap();
        dir.symlink(b"short", b"dir", &node(FileKind::Symlink))
            .unwrap();
        let link = dir.lookup(b"short").unwrap();
        for index in 0..60_u32 {
            let name = format!("one-of-many-names-{index:0>40}");
            dir.link(name.as_bytes(), &link).unwrap();
        }
        drop((holes, dir, link));
        // The log is left as if the power had gone.
        fs.sync().unwrap();
        disk.image()
    })
}

/// A file of a number, with attributes inside its inode and in a block, whose bytes begin
/// at that many times `step`.
pub(super) fn file_with_attributes(root: &dyn Inode, index: u8, step: u64) {
    let name = [b'a', index + 1];
    let file = root.create(&name, &node(FileKind::Regular)).unwrap();
    for (name, len) in [(&b"user.short"[..], 9), (b"user.long", 300)] {
        let value = &[index; 300][..len];
        file.set_xattr(name, Some(value), SetXattr::Any).unwrap();
    }
    write_all(&*file, u64::from(index) * step, &pattern(1, 3_000)).unwrap();
}

/// Looks at everything, to a bounded depth.
fn explore(dir: &dyn Inode, depth: u32) {
    let mut names = Vec::new();
    let _ = dir.readdir(0, &mut |entry| {
        names.push(entry.name.to_vec());
        names.len() < 200
    });
    for name in names {
        let Ok(inode) = dir.lookup(&name) else {
            continue;
        };
        let _ = inode.metadata();
        let _ = inode.readlink();
        let _ = inode.list_xattrs();
        let _ = inode.get_xattr(b"user.long");
        let mut buf = [0; 20_000];
        let _ = inode.read_at(0, &mut (&mut buf).into());
        let _ = inode.read_at(1 << 40, &mut (&mut buf).into());
        if depth > 0 && inode.kind() == FileKind::Directory {
            explore(&*inode, depth - 1);
        }
    }
}

/// Changes things, whatever comes of it.
pub(super) fn disturb(fs: &Ext4) {
    let root = fs.root();
    for index in 0..40_u8 {
        let name = [b'a', index + 1];
        if let Ok(file) = root.lookup(&name) {
            let value = [index; 50];
            let _ = file.set_xattr(b"user.new", Some(&value), SetXattr::Any);
            let _ = file.write_at(u64::from(index) * 700, &mut (&[1; 5_000]).into());
            let size = Some(u64::from(index) * 4_000);
            let _ = file.set_metadata(&SetMetadata {
                size,
                ..SetMetadata::default()
            });
        }
        if index % 3 == 0 {
            let _ = root.unlink(&name);
        }
        let _ = root.create(&[b'n', index + 1], &node(FileKind::Directory));
    }
    if let (Ok(dir), Ok(file)) = (root.lookup(b"dir"), root.lookup(b"holes")) {
        for index in 0..60_u32 {
            let name = format!("one-more-name-{index:0>60}");
            let _ = dir.link(name.as_bytes(), &file);
            let _ = dir.unlink(format!("one-of-many-names-{index:0>40}").as_bytes());
        }
    }
    let _ = root.unlink(b"holes");
    let _ = root.rename(b"dir", &root, b"moved", 0);
    let _ = fs.sync();
    let _ = fs.stats();
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn damage_is_survived(
        hits in prop::collection::vec((0..6_000_000_usize, any::<u8>(), 1..40_usize), 1..12),
        low in prop::collection::vec((1024..900_000_usize, any::<u8>(), 1..6_usize), 0..60),
    ) {
        let mut image = sound_image().clone();
        for (at, value, len) in hits.into_iter().chain(low) {
            let end = (at + len).min(image.len());
            image[at.min(end)..end].fill(value);
        }
        // To go on, whatever comes of it.
        set_in_superblock(&mut image, POLICY, 1);
        let disk = Arc::new(MemDisk::new(image));
        if let Ok(fs) = mount_with(&disk, 200) {
            explore(&*fs.root(), 3);
            disturb(&fs);
            explore(&*fs.root(), 3);
            let _ = fs.unmount();
        }
    }
}
