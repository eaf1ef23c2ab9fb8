//! Images that something has changed, logs and all: errors, but neither panics nor
//! endless loops. `cargo xtask fuzz-images` makes more of them.

use super::damage::{disturb, file_with_attributes};
use super::overlay::{Overlay, Random, for_seeds, number};
use super::*;
use crate::bytes::{get_be32, get_u16, get_u32, put_be32, put_u16, put_u32};
use crate::checksums::Seal;
use crate::layout::Geometry;
use paddock_vfs::BlockDevice;
use std::sync::OnceLock;

/// Requests that nobody needs for what is done here.
const MOST_REQUESTS: u64 = 2_000_000;
const LOG_MAGIC: u32 = 0xc03b_3998;

/// An image to change, and what is where.
struct Base {
    image: Arc<Vec<u8>>,
    geometry: Geometry,
    /// Blocks with something in them.
    used: Vec<usize>,
    /// Those of the log that say what it holds.
    log: Vec<usize>,
}

impl Base {
    fn new(features: &str, block_size: u32, with_log_checksums: bool) -> Base {
        let mut image = make_image_with(features, block_size, 12 << 10, None);
        if with_log_checksums {
            image = power::with_log_checksums(&image);
        }
        let disk = Arc::new(MemDisk::new(image));
        let fs = mount(&disk);
        fill(&fs);
        let image = disk.image();
        drop(fs);
        let size = block_size as usize;
        let geometry = Geometry::parse(&image[1024..2048]).unwrap();
        let is_used = |block: &usize| image[block * size..][..size].iter().any(|byte| *byte != 0);
        let used: Vec<usize> = (0..image.len() / size).filter(is_used).collect();
        let is_log = |block: &&usize| get_be32(&image, **block * size) == LOG_MAGIC;
        let log = used.iter().filter(is_log).copied().collect();
        Base {
            image: Arc::new(image),
            geometry,
            used,
            log,
        }
    }
}

/// Something of everything, the last of it in the log alone or not at all.
fn fill(fs: &Ext4) {
    let root = fs.root();
    for index in 0..40_u8 {
        file_with_attributes(&*root, index, 900);
        if index % 10 == 0 {
            fs.sync().unwrap();
        }
    }
    let holes = root.create(b"holes", &node(FileKind::Regular)).unwrap();
    (0..300).for_each(|index| write_all(&*holes, index * 9_000, b"x").unwrap());
    fs.sync().unwrap();
    let dir = root.create(b"dir", &node(FileKind::Directory)).unwrap();
    dir.symlink(b"long", &[b'l'; 300], &node(FileKind::Symlink))
        .unwrap();
    dir.symlink(b"short", b"dir", &node(FileKind::Symlink))
        .unwrap();
    let short = dir.lookup(b"short").unwrap();
    for index in 0..100_u32 {
        let name = format!("one-of-many-names-{index:0>40}");
        dir.link(name.as_bytes(), &short).unwrap();
    }
    fs.sync().unwrap();
    // What is open without a name is in the list of orphans, and revoked blocks in the
    // log.
    let open: Vec<_> = (3..9_u8)
        .map(|index| root.lookup(&[b'a', index]).unwrap())
        .collect();
    (3..9_u8).for_each(|index| root.unlink(&[b'a', index]).unwrap());
    root.rename(b"a\x14", &root, b"moved-away", 0).unwrap();
    fs.sync().unwrap();
    drop(open);
    root.unlink(b"a\x10").unwrap();
    fs.sync().unwrap();
}

fn bases() -> &'static [Base] {
    static BASES: OnceLock<Vec<Base>> = OnceLock::new();
    BASES.get_or_init(|| {
        vec![
            Base::new(DEBIAN_13, 1024, true),
            Base::new(FEW, 1024, false),
            Base::new(GROUP_CHECKSUMS, 2048, false),
            Base::new(DEBIAN_12, 4096, true),
            Base::new(FEW, 4096, false),
            Base::new(EXT3, 1024, false),
            Base::new(EXT2, 1024, false),
        ]
    })
}

/// A number that means something somewhere.
fn telling(random: &mut Random, base: &Base) -> u32 {
    match random.below(8) {
        0 => 0,
        1 => u32::MAX,
        2 => 0x7fff_ffff,
        3 => random.below(64) as u32,
        4 => base.geometry.blocks as u32 - random.below(2) as u32,
        5 => *random.one_of(&base.used) as u32,
        6 => base.geometry.inodes + random.below(2) as u32,
        _ => random.next() as u32,
    }
}

/// A block to change, of a disk that is otherwise as the image.
struct Change<'a> {
    base: &'a Base,
    disk: &'a Overlay,
}

impl Change<'_> {
    fn block(&self, block: usize) -> Vec<u8> {
        let size = self.base.geometry.block_size;
        let mut data = vec![0; size];
        self.disk
            .read((block * size / 512) as u64, &mut data)
            .unwrap();
        data
    }

    fn put(&self, block: usize, data: &[u8]) {
        self.disk.put(block * data.len(), data);
    }

    /// Changes something of one block.
    fn any(&self, random: &mut Random, block: usize, mends: bool) {
        let base = self.base;
        let mut data = self.block(block);
        // What is first in a block says what the rest is.
        let within = if random.one_in(2) { 64 } else { data.len() };
        let at = random.below(within) / 4 * 4;
        match random.below(8) {
            0 => data[at] ^= 1 << random.below(8),
            1 => data[at + random.below(4)] = random.next() as u8,
            2 => put_u16(&mut data, at, telling(random, base) as u16),
            3 => put_u32(&mut data, at, telling(random, base)),
            4 => {
                let value = get_u32(&data, at).wrapping_add(random.below(5) as u32);
                put_u32(&mut data, at, value.wrapping_sub(2));
            }
            5 => {
                let value = get_u16(&data, at).wrapping_add(1);
                put_u16(&mut data, at + 2, value);
            }
            6 => data[at..].fill(random.next() as u8),
            _ => data = self.block(*random.one_of(&base.used)),
        }
        if mends {
            self.mend(block, &mut data);
        }
        self.put(block, &data);
    }

    /// Changes what a block of the log says: of which blocks it has copies, how many, and
    /// where it goes on.
    fn log(&self, random: &mut Random) {
        let base = self.base;
        let block = *random.one_of(&base.log);
        let mut data = self.block(block);
        let at = match random.below(4) {
            0 => 4 * random.below(3),
            1 => 12 + 4 * random.below(12),
            _ => random.below(data.len()) / 4 * 4,
        };
        let value = get_be32(&data, at);
        match random.below(5) {
            0 => put_be32(&mut data, at, telling(random, base)),
            1 => put_be32(&mut data, at, value.wrapping_add(1)),
            2 => put_be32(&mut data, at, value.wrapping_sub(1)),
            3 => data[at] ^= 1 << random.below(8),
            _ => data = self.block(*random.one_of(&base.log)),
        }
        self.put(block, &data);
    }

    /// Gives what was changed the checksum that it needs to be believed, as far as that
    /// is known without looking around: the superblock's, and those of descriptors.
    fn mend(&self, block: usize, data: &mut [u8]) {
        let geometry = &self.base.geometry;
        let superblock = geometry.superblock_place().0;
        let last = geometry.descriptor_place(geometry.groups - 1).0;
        if block as u64 == superblock {
            geometry.seal(Seal::Superblock, superblock, data);
        } else if (superblock + 1..=last).contains(&(block as u64)) {
            geometry.seal(Seal::Descriptors, block as u64, data);
        }
    }

    /// What is done about errors: nothing, so that it goes on whatever comes of it, or
    /// what the superblock says, but for ending all.
    fn set_policy(&self, goes_on: bool) {
        let mut image = vec![0; 2048];
        self.disk.read(0, &mut image).unwrap();
        if goes_on || get_u16(&image, 1024 + POLICY) == 3 {
            set_in_superblock(&mut image, POLICY, if goes_on { 1 } else { 2 });
            self.disk.put(0, &image);
        }
    }
}

/// Looks at everything, to a bounded depth.
fn explore(dir: &dyn Inode, depth: u32) {
    let mut names = Vec::new();
    let _ = dir.readdir(0, &mut |entry| {
        names.push(entry.name.to_vec());
        names.len() < 200
    });
    let mut buf = [0; 5_000];
    for (index, name) in names.iter().enumerate() {
        let Ok(inode) = dir.lookup(name) else {
            continue;
        };
        let _ = inode.metadata();
        let _ = inode.readlink();
        let _ = inode.get_xattr(b"user.long");
        let _ = inode.read_at(0, &mut (&mut buf).into());
        if index % 8 == 0 {
            let _ = inode.read_at(1 << 40, &mut (&mut buf).into());
            let _ = inode.list_xattrs();
        }
        if depth > 0 && inode.kind() == FileKind::Directory {
            explore(&*inode, depth - 1);
        }
    }
}

fn variant(seed: u64) {
    let mut random = Random::new(seed);
    let base = random.one_of(bases());
    let disk = Arc::new(Overlay::new(base.image.clone(), MOST_REQUESTS));
    let change = Change { base, disk: &disk };
    let metadata = base.used.len().min(40);
    for _ in 0..1 + random.below(6) {
        match random.below(4) {
            0 if !base.log.is_empty() => change.log(&mut random),
            kind => {
                // The first blocks are those of the superblock and the groups.
                let among = if kind == 1 { metadata } else { base.used.len() };
                let block = base.used[random.below(among)];
                let mends = !random.one_in(4);
                change.any(&mut random, block, mends);
            }
        }
    }
    change.set_policy(!random.one_in(4));
    if let Ok(fs) = disk.mount(200) {
        explore(&*fs.root(), 3);
        disturb(&fs);
        let _ = fs.unmount();
        drop(fs);
        // What it has made of it can be mounted, or not, as well.
        let _ = disk.mount(200).map(|fs| explore(&*fs.root(), 1));
    }
}

#[test]
fn changed_images_are_survived() {
    let first = number("EXT4_VARIANTS_FIRST", 1);
    for_seeds(
        "changed images",
        first,
        number("EXT4_VARIANTS", 1_000),
        variant,
    );
}
