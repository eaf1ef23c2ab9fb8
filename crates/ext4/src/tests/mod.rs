//! Tests against images made by mke2fs and judged by e2fsck.

mod bad_blocks;
mod basic;
mod block_maps;
mod concurrent;
mod crash;
mod damage;
mod debugfs;
mod directories;
mod disk;
mod failures;
mod features;
mod handles;
mod memory;
mod overlay;
mod power;
mod random;
mod reading;
mod space;
mod variants;
mod xattrs;

use crate::Ext4;
use alloc::sync::Arc;
use disk::MemDisk;
use paddock_vfs::cache::PageCache;
use paddock_vfs::{
    Clock, Cred, FileKind, FileSystem, HeapPages, Inode, NewNode, Result, Timestamp,
};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder that goes with the test.
struct TempDir(PathBuf);

impl TempDir {
    fn new() -> TempDir {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("paddock-ext4-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        TempDir(path)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn tool(name: &str) -> Command {
    for folder in ["/usr/sbin", "/sbin"] {
        let path = PathBuf::from(folder).join(name);
        if path.exists() {
            return Command::new(path);
        }
    }
    Command::new(name)
}

/// What Debian 12's mke2fs takes by default.
const DEBIAN_12: &str =
    "has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize";
/// What newer ones add to that.
const DEBIAN_13: &str = "has_journal,extent,huge_file,flex_bg,metadata_csum,metadata_csum_seed,64bit,dir_nlink,extra_isize,orphan_file";
/// Neither checksums nor wide block numbers.
const FEW: &str = "^metadata_csum,^metadata_csum_seed,^uninit_bg,^64bit,^orphan_file,^resize_inode,has_journal,extent";
/// What `mke2fs -t ext3` and `-t ext2` give.
const EXT3: &str =
    "none,sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr,has_journal";
const EXT2: &str =
    "none,sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr,^has_journal";
/// Checksums of the groups' descriptors alone.
const GROUP_CHECKSUMS: &str = "^metadata_csum,uninit_bg,^64bit,has_journal,extent";

/// A new filesystem, perhaps with the content of a folder. Each block size has
/// features of its own.
fn make_image(block_size: u32, kilobytes: u32, from: Option<&PathBuf>) -> Vec<u8> {
    let features = match block_size {
        1024 => DEBIAN_13,
        2048 => FEW,
        _ => DEBIAN_12,
    };
    make_image_with(features, block_size, kilobytes, from)
}

fn make_image_with(
    features: &str,
    block_size: u32,
    kilobytes: u32,
    from: Option<&PathBuf>,
) -> Vec<u8> {
    let dir = TempDir::new();
    let image = dir.0.join("image");
    let mut command = tool("mke2fs");
    command.args(["-q", "-F", "-t", "ext4", "-m", "0", "-O", features]);
    command.args(["-b", &block_size.to_string()]);
    if !features.contains("^has_journal") {
        command.args(["-J", "size=4"]);
    }
    command.args(["-E", "root_owner=0:0"]);
    if let Some(from) = from {
        command.arg("-d").arg(from);
    }
    let output = command
        .arg(&image)
        .arg(format!("{kilobytes}k"))
        .output()
        .expect("mke2fs (package e2fsprogs) runs");
    assert!(output.status.success(), "{output:?}");
    std::fs::read(&image).unwrap()
}

/// Changes a number in an image's superblock, which has its checksum afterwards.
fn set_in_superblock(image: &mut [u8], at: usize, value: u16) {
    let sb = &mut image[1024..2048];
    sb[at..at + 2].copy_from_slice(&value.to_le_bytes());
    if sb[100 + 1] & 4 != 0 {
        let sum = crate::checksums::crc32c(!0, &sb[..1020]);
        sb[1020..].copy_from_slice(&sum.to_le_bytes());
    }
}

/// Where an image's superblock says what is to be done about errors, and that there are
/// some.
const POLICY: usize = 60;
const STATE: usize = 58;

/// Fails unless e2fsck finds nothing at all.
fn check_clean(image: &[u8], when: &str) {
    let dir = TempDir::new();
    let path = dir.0.join("image");
    std::fs::write(&path, image).unwrap();
    let output = tool("e2fsck").arg("-fn").arg(&path).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{when}: {text}");
}

/// A clock that moves one second with each look.
struct Ticking(AtomicU32);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp {
            seconds: 1_700_000_000 + i64::from(self.0.fetch_add(1, Ordering::Relaxed)),
            nanos: 123_456_789,
        }
    }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(Ticking(AtomicU32::new(0)))
}

fn mount_with(disk: &Arc<MemDisk>, cached_pages: usize) -> Result<Arc<Ext4>> {
    let cache = Arc::new(PageCache::new(Arc::new(HeapPages), cached_pages));
    Ext4::mount(crate::Kind::Ext4, disk.clone(), clock(), cache, 8, false)
}

fn mount(disk: &Arc<MemDisk>) -> Arc<Ext4> {
    mount_with(disk, 4096).unwrap()
}

/// When what is committed is written to its place: at once, some time later, as ever,
/// or when the log is full.
const CHECKPOINTS: [Option<usize>; 4] = [Some(0), Some(8), Some(1000), None];

/// The disk once all that is committed is in its place.
fn settled(fs: &Ext4, disk: &MemDisk) -> Vec<u8> {
    fs.checkpoint().unwrap();
    disk.image()
}

fn node(kind: FileKind) -> NewNode {
    NewNode::new(kind, 0o755, &Cred::root())
}

fn write_all(inode: &dyn Inode, offset: u64, data: &[u8]) -> Result<()> {
    let mut done = 0;
    while done < data.len() {
        done += inode.write_at(offset + done as u64, &mut (&data[done..]).into())?;
    }
    Ok(())
}

fn read_all(inode: &dyn Inode) -> Vec<u8> {
    let mut data = vec![0; inode.metadata().unwrap().size as usize];
    let mut done = 0;
    while done < data.len() {
        let count = inode
            .read_at(done as u64, &mut (&mut data[done..]).into())
            .unwrap();
        assert!(count > 0);
        done += count;
    }
    data
}

fn names(dir: &dyn Inode) -> Vec<String> {
    let mut names = Vec::new();
    dir.readdir(0, &mut |entry| {
        names.push(String::from_utf8(entry.name.to_vec()).unwrap());
        true
    })
    .unwrap();
    names.sort();
    names
}

/// Bytes that depend on a seed.
fn pattern(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .collect()
}
