//! A bad block of each kind, unreadable or changed: who hears of it, what goes on, and
//! what is there afterwards. `docs/STORAGE.md` has the table.

use super::disk::Fail;
use super::*;
use paddock_vfs::{Errno, SetXattr};

const BLOCK: usize = 1024;

/// A filesystem whose blocks of each kind are known, and are not in memory.
struct Setup {
    disk: Arc<MemDisk>,
    fs: Arc<Ext4>,
}

/// A kind of metadata: the bytes that are bad, what comes across them, and whether
/// another place will do when errors are to be lived with.
struct Kind {
    what: &'static str,
    place: fn(&Setup) -> usize,
    act: fn(&Setup) -> Result<()>,
    avoidable: bool,
}

const KINDS: &[Kind] = &[
    Kind {
        what: "inode table",
        place: |setup| setup.inode_place("late"),
        act: |setup| setup.lookup("late").map(drop),
        avoidable: false,
    },
    Kind {
        what: "bitmap of blocks",
        place: |setup| setup.bitmap_place(0) + 700,
        act: |setup| write_all(&*setup.lookup("other")?, 50_000, &[1; 5_000]),
        avoidable: true,
    },
    Kind {
        what: "bitmap of inodes",
        place: |setup| setup.bitmap_place(4) + 7,
        act: |setup| setup.make("new"),
        avoidable: true,
    },
    Kind {
        what: "descriptors of groups",
        place: |setup| setup.descriptor_place() + 12,
        act: |setup| setup.make("new"),
        avoidable: false,
    },
    Kind {
        what: "directory",
        place: |setup| setup.data_place("d", 0) + 30,
        act: |setup| setup.lookup("d")?.lookup(b"f").map(drop),
        avoidable: false,
    },
    Kind {
        what: "index of a directory",
        place: |setup| setup.data_place("many", 0) + 60,
        act: |setup| setup.lookup("many")?.lookup(b"name-7").map(drop),
        avoidable: false,
    },
    Kind {
        what: "extents",
        place: |setup| setup.extents_place("holes") + 20,
        act: |setup| {
            let file = setup.lookup("holes")?;
            file.read_at(0, &mut (&mut [0; 9]).into()).map(drop)
        },
        avoidable: false,
    },
    Kind {
        what: "extended attributes",
        place: |setup| setup.attributes_place("attributes") + 40,
        act: |setup| {
            setup
                .lookup("attributes")?
                .get_xattr(b"user.long")
                .map(drop)
        },
        avoidable: false,
    },
];

impl Setup {
    fn new(policy: u16) -> Setup {
        let mut image = make_image(1024, 24 << 10, None);
        set_in_superblock(&mut image, POLICY, policy);
        let disk = Arc::new(MemDisk::new(image));
        let fs = mount(&disk);
        let setup = Setup { disk, fs };
        setup.fill();
        setup.fs.unmount().unwrap();
        let fs = mount(&setup.disk);
        Setup { fs, ..setup }
    }

    fn fill(&self) {
        let root = self.fs.root();
        let file = |name: &str| {
            root.create(name.as_bytes(), &node(FileKind::Regular))
                .unwrap()
        };
        write_all(&*file("other"), 0, &pattern(1, 30_000)).unwrap();
        let d = root.create(b"d", &node(FileKind::Directory)).unwrap();
        d.create(b"f", &node(FileKind::Regular)).unwrap();
        let many = root.create(b"many", &node(FileKind::Directory)).unwrap();
        let other = root.lookup(b"other").unwrap();
        (0..200).for_each(|n| many.link(format!("name-{n}").as_bytes(), &other).unwrap());
        let holes = file("holes");
        (0..60).for_each(|at| write_all(&*holes, at * 2 * BLOCK as u64, b"x").unwrap());
        let long = [7; 500];
        let attributes = file("attributes");
        attributes
            .set_xattr(b"user.long", Some(&long), SetXattr::Any)
            .unwrap();
        // Inodes of the same block are no longer than that apart.
        (0..8).for_each(|n| drop(file(&format!("filler-{n}"))));
        file("late");
    }

    fn lookup(&self, name: &str) -> Result<Arc<dyn Inode>> {
        self.fs.root().lookup(name.as_bytes())
    }

    fn make(&self, name: &str) -> Result<()> {
        let made = self
            .fs
            .root()
            .create(name.as_bytes(), &node(FileKind::Regular));
        made.map(drop)
    }

    fn core<T>(&self, look: impl FnOnce(&mut crate::transaction::Core) -> T) -> T {
        look(&mut self.fs.shared.core.lock())
    }

    fn ino(&self, name: &str) -> u32 {
        self.lookup(name).unwrap().ino() as u32
    }

    /// The inode's block of the table; its times are there.
    fn inode_place(&self, name: &str) -> usize {
        let ino = self.ino(name);
        let (block, at) = self.core(|core| core.inode_place(ino).unwrap());
        block as usize * BLOCK + at + 16
    }

    fn data_place(&self, name: &str, logical: u32) -> usize {
        let ino = self.ino(name);
        let extent = self.core(|core| {
            let raw = core.inode(ino).unwrap();
            core.map(&raw, logical).unwrap().unwrap()
        });
        (extent.physical as usize + (logical - extent.logical) as usize) * BLOCK
    }

    /// The block below the root of a file's tree.
    fn extents_place(&self, name: &str) -> usize {
        let ino = self.ino(name);
        let raw = self.core(|core| core.inode(ino).unwrap());
        let root = raw.i_block();
        assert_eq!(crate::bytes::get_u16(root, 6), 1, "one level");
        crate::bytes::get_u32(root, 16) as usize * BLOCK
    }

    fn attributes_place(&self, name: &str) -> usize {
        let ino = self.ino(name);
        let raw = self.core(|core| core.inode(ino).unwrap());
        assert_ne!(raw.attribute_block(), 0);
        raw.attribute_block() as usize * BLOCK
    }

    /// The descriptor of the first group.
    fn descriptor_place(&self) -> usize {
        let (block, at) = self.core(|core| core.geometry.descriptor_place(0));
        block as usize * BLOCK + at
    }

    /// The bitmap whose number is in that field of the first group's descriptor.
    fn bitmap_place(&self, field: usize) -> usize {
        let image = self.disk.image();
        crate::bytes::get_u32(&image, self.descriptor_place() + field) as usize * BLOCK
    }

    /// Nothing but the superblock stays in memory.
    fn forget(&self) {
        self.core(|core| core.drop_clean());
    }

    /// What other files see while something is bad.
    fn others_go_on(&self, what: &str, stopped: bool, fails: bool) {
        let other = self.lookup("other").unwrap();
        assert!(read_all(&*other)[..30_000] == pattern(1, 30_000), "{what}");
        let written = other.write_at(5, &mut b"five".into()).map(drop);
        let expected = if stopped { Err(Errno::EROFS) } else { Ok(()) };
        assert_eq!(written, expected, "{what}");
        if !stopped && !fails {
            self.make("one-more").unwrap();
        }
    }
}

fn check_kind(kind: &Kind, policy: u16, spoil: fn(&MemDisk, usize), error: Errno) {
    let what = format!("{}, errors={policy}, {error}", kind.what);
    let setup = Setup::new(policy);
    let at = (kind.place)(&setup);
    let before = setup.disk.image();
    setup.forget();
    spoil(&setup.disk, at);
    let stops = policy == 2;
    let expected = match kind.avoidable && !stops {
        true => Ok(()),
        false => Err(error),
    };
    assert_eq!((kind.act)(&setup), expected, "{what}");
    assert_eq!(setup.fs.read_only(), stops, "{what}");
    assert!(setup.fs.complaint().is_some(), "{what}");
    let told = setup.fs.write_errors().unwrap().opened();
    assert_eq!(
        setup.fs.write_errors().unwrap().check(&told).is_err(),
        stops
    );
    setup.others_go_on(&what, stops, expected.is_err());
    if expected.is_err() {
        assert!((kind.act)(&setup).is_err(), "{what}");
    }
    // The disk says so to whoever checks it; nothing else has come of it.
    setup.disk.mend();
    let image = setup.disk.image();
    assert_eq!(image[1024 + STATE] & 2, 2, "{what}");
    if stops {
        let mut image = image;
        image[at] = before[at];
        let state = u16::from_le_bytes([before[1024 + STATE], before[1024 + STATE + 1]]);
        set_in_superblock(&mut image, STATE, state);
        let disk = Arc::new(MemDisk::new(image));
        let fs = mount(&disk);
        assert!(fs.complaint().is_none());
        fs.unmount().unwrap();
        check_clean(&disk.image(), &what);
    }
}

#[test]
fn metadata_that_cannot_be_read_is_never_acted_on() {
    for kind in KINDS {
        for policy in [1, 2] {
            let spoil = |disk: &MemDisk, at: usize| {
                let sector = at / 512 * 512;
                disk.fail(Fail::Reads, sector..sector + 512);
            };
            check_kind(kind, policy, spoil, Errno::EIO);
        }
    }
}

#[test]
fn metadata_with_a_wrong_checksum_is_never_acted_on() {
    for kind in KINDS {
        for policy in [1, 2] {
            check_kind(kind, policy, MemDisk::flip, Errno::EBADMSG);
        }
    }
}

#[test]
fn a_superblock_with_a_wrong_checksum_is_not_mounted() {
    let image = make_image(1024, 16 << 10, None);
    let mut bad = image.clone();
    bad[1024 + 200] ^= 1;
    let mounted = mount_with(&Arc::new(MemDisk::new(bad)), 64);
    assert_eq!(mounted.err(), Some(Errno::EUCLEAN));
    // The power went between the two sectors of the flag and the checksum.
    let disk = Arc::new(MemDisk::new(image.clone()));
    let fs = mount(&disk);
    let used = disk.image();
    fs.unmount().unwrap();
    for (first, second) in [(&image, &used), (&used, &image)] {
        let mut torn = first.clone();
        torn[1536..2048].copy_from_slice(&second[1536..2048]);
        let disk = Arc::new(MemDisk::new(torn));
        mount(&disk).unmount().unwrap();
        check_clean(&disk.image(), "a torn superblock");
    }
}

/// What of a commit fails.
#[derive(Clone, Copy, Debug)]
enum Step {
    Descriptor,
    Copy,
    Record,
    Flush,
    Home,
}

fn is_of_log(data: &[u8], kind: u32) -> bool {
    let word = |at| crate::bytes::get_be32(data, at);
    word(0) == 0xc03b_3998 && word(4) == kind
}

fn refuse(setup: &Setup, step: Step) {
    let log = setup.core(|core| {
        let raw = core.inode(core.geometry.journal_inode().unwrap()).unwrap();
        let extent = core.map(&raw, 0).unwrap().unwrap();
        let start = extent.physical as usize * BLOCK;
        start + BLOCK..start + extent.len as usize * BLOCK
    });
    let root = setup.core(|core| core.inode_place(2).unwrap().0 as usize * BLOCK);
    setup.disk.refuse(match step {
        Step::Descriptor => Box::new(|_, data| is_of_log(data, 1)),
        Step::Record => Box::new(|_, data| is_of_log(data, 2)),
        Step::Copy => Box::new(move |at, data| {
            let is_copy = |block: &[u8]| !is_of_log(block, 1) && !is_of_log(block, 2);
            log.contains(&at) && data.chunks(BLOCK).any(is_copy)
        }),
        Step::Flush => return setup.disk.refuse_flushes(),
        Step::Home => Box::new(move |at, data| (at..at + data.len()).contains(&root)),
    });
}

#[test]
fn a_commit_that_fails_stops_changes_and_leaves_a_clean_disk() {
    for step in [
        Step::Descriptor,
        Step::Copy,
        Step::Record,
        Step::Flush,
        Step::Home,
    ] {
        for policy in [1, 2] {
            let setup = Setup::new(policy);
            let other = setup.lookup("other").unwrap();
            write_all(&*other, 0, b"kept").unwrap();
            setup.fs.sync().unwrap();
            refuse(&setup, step);
            setup.make("new").unwrap();
            // Else what is committed is written to its place later.
            setup.core(|core| core.checkpoint_late(Some(0)));
            assert_eq!(other.sync(), Err(Errno::EIO), "{step:?}");
            assert!(setup.fs.read_only(), "{step:?}");
            assert_eq!(other.sync(), Err(Errno::EROFS), "{step:?}");
            assert_eq!(setup.make("more"), Err(Errno::EROFS), "{step:?}");
            assert_eq!(&read_all(&*other)[..4], b"kept", "{step:?}");
            setup.disk.mend();
            let image = setup.disk.image();
            let disk = Arc::new(MemDisk::new(image));
            let fs = mount(&disk);
            let found = read_all(&*fs.root().lookup(b"other").unwrap());
            assert_eq!(&found[..4], b"kept", "{step:?}");
            // What was committed before its place could not be written is there.
            let is_new = fs.root().lookup(b"new").is_ok();
            assert_eq!(is_new, matches!(step, Step::Home), "{step:?}");
            fs.unmount().unwrap();
            let mut image = disk.image();
            set_in_superblock(&mut image, STATE, 1);
            check_clean(&image, &format!("{step:?}"));
        }
    }
}
