//! Mounts and their table.

use super::{Dentry, Path};
use crate::{Errno, FileSystem, Result};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{Acquire, Release};
use paddock_sync::{PreemptOff, Rank, SpinLock};

bitflags::bitflags! {
    /// Flags of mount(2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct MountFlags: u64 {
        /// Nothing may be changed.
        const RDONLY = 1;
        /// Set-user bits mean nothing.
        const NOSUID = 2;
        /// Device nodes cannot be opened.
        const NODEV = 4;
        /// Nothing can be executed.
        const NOEXEC = 8;
    }
}

/// A filesystem, or a part of one, at a place in the tree.
pub struct Mount {
    pub(super) id: u64,
    pub(super) fs: Arc<dyn FileSystem>,
    pub(super) root: Arc<Dentry>,
    /// What it covers; `None` for the root of all.
    pub(super) covers: Option<Path>,
    source: String,
    flags: MountFlags,
}

impl Mount {
    pub(super) fn new(
        id: u64,
        fs: Arc<dyn FileSystem>,
        root: Arc<Dentry>,
        covers: Option<Path>,
        source: &str,
        flags: MountFlags,
    ) -> Result<Arc<Mount>> {
        paddock_sync::try_arc(Mount {
            id,
            fs,
            root,
            covers,
            source: String::from(source),
            flags,
        })
    }

    /// The filesystem.
    pub fn fs(&self) -> &Arc<dyn FileSystem> {
        &self.fs
    }

    /// The flags it was mounted with.
    pub fn flags(&self) -> MountFlags {
        self.flags
    }

    /// What was mounted: a device, or a name.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// `EROFS` if nothing may be changed through it.
    pub fn check_writable(&self) -> Result<()> {
        match self.flags.contains(MountFlags::RDONLY) || self.fs.read_only() {
            true => Err(Errno::EROFS),
            false => Ok(()),
        }
    }

    fn covers(&self, mount: u64, dentry: &Dentry) -> bool {
        let covered = self.covers.as_ref();
        covered.is_some_and(|path| path.mount.id == mount && is_same_place(&path.dentry, dentry))
    }
}

/// Mount points are told apart by inode: dentries of generated directories
/// come and go.
fn is_same_place(a: &Dentry, b: &Dentry) -> bool {
    a.fs() == b.fs() && a.ino() == b.ino()
}

/// A line of `/proc/mounts`.
#[derive(Clone, Debug)]
pub struct MountInfo {
    /// What was mounted.
    pub source: String,
    /// Where, from the root of all.
    pub target: Vec<u8>,
    /// The kind of filesystem.
    pub kind: &'static str,
    /// The flags.
    pub flags: MountFlags,
}

/// All mounts, in the order in which they were made.
pub(super) struct MountTable {
    mounts: SpinLock<Vec<Arc<Mount>>, PreemptOff>,
    marks: Marks,
}

/// Which places may be mount points, so that a walk through others does not look at
/// the table: bits by a hash of filesystem and inode.
struct Marks([AtomicU64; MARKS]);

const MARKS: usize = 8;

impl Marks {
    fn place(dentry: &Dentry) -> (usize, u64) {
        let key = dentry.ino() ^ dentry.fs().rotate_right(16);
        let bit = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - 9);
        const { assert!(MARKS * 64 == 1 << 9) };
        ((bit / 64) as usize, 1 << (bit % 64))
    }

    fn has(&self, dentry: &Dentry) -> bool {
        let (word, bit) = Self::place(dentry);
        self.0[word].load(Acquire) & bit != 0
    }

    /// Marks what `mounts` cover, all of them. The caller holds the table's lock.
    fn set(&self, mounts: &[Arc<Mount>]) {
        let mut bits = [0; MARKS];
        for covered in mounts.iter().filter_map(|mount| mount.covers.as_ref()) {
            let (word, bit) = Self::place(&covered.dentry);
            bits[word] |= bit;
        }
        for (word, bits) in self.0.iter().zip(bits) {
            word.store(bits, Release);
        }
    }
}

impl MountTable {
    pub const fn new() -> MountTable {
        MountTable {
            mounts: SpinLock::new(Rank::Leaf, Vec::new()),
            marks: Marks([const { AtomicU64::new(0) }; MARKS]),
        }
    }

    pub fn push(&self, mount: Arc<Mount>) -> Result<()> {
        let mut table = self.mounts.lock();
        table.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        table.push(mount);
        self.marks.set(&table);
        Ok(())
    }

    /// Whether something may be mounted on `dentry`, seen through some mount; if not,
    /// nothing is.
    #[inline]
    pub fn may_cover(&self, dentry: &Dentry) -> bool {
        self.marks.has(dentry)
    }

    /// What is mounted on `path`: the newest, if several are.
    pub fn on(&self, path: &Path) -> Option<Arc<Mount>> {
        let table = self.mounts.lock();
        let mut newest_first = table.iter().rev();
        let found = newest_first.find(|mount| mount.covers(path.mount.id, &path.dentry));
        found.cloned()
    }

    /// Whether the name of `dentry` is a mount point, seen through any mount.
    pub fn covers_dentry(&self, dentry: &Dentry) -> bool {
        let table = self.mounts.lock();
        let mut covered = table.iter().filter_map(|mount| mount.covers.as_ref());
        covered.any(|path| is_same_place(&path.dentry, dentry))
    }

    pub fn all(&self) -> Vec<Arc<Mount>> {
        self.mounts.lock().clone()
    }

    /// Takes `mount` out if nobody uses it; the caller holds `held`
    /// references. `EBUSY`. The table's lock makes the count exact: a new
    /// reference is made from the table or from another reference.
    pub fn remove_unused(&self, mount: &Arc<Mount>, held: usize) -> Result<Arc<Mount>> {
        let mut table = self.mounts.lock();
        let found = table.iter().position(|entry| Arc::ptr_eq(entry, mount));
        let index = found.ok_or(Errno::EINVAL)?;
        if Arc::strong_count(mount) > held + 1 {
            return Err(Errno::EBUSY);
        }
        let removed = table.remove(index);
        self.marks.set(&table);
        Ok(removed)
    }

    /// Takes the newest mount out, used or not.
    pub fn pop(&self) -> Option<Arc<Mount>> {
        let mut table = self.mounts.lock();
        let popped = table.pop();
        self.marks.set(&table);
        popped
    }

    /// Whether any mount shows the filesystem whose root is `fs`.
    pub fn shows(&self, fs: u64) -> bool {
        self.mounts.lock().iter().any(|mount| mount.root.fs() == fs)
    }
}
