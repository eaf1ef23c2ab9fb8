//! Mounts and their table.

use super::{Dentry, Path};
use crate::{Errno, FileSystem, Result};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
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

bitflags::bitflags! {
    /// Flags of umount2(2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Unmount: u32 {
        /// Disturbs whoever is at it, where a filesystem knows how: none here does.
        const FORCE = 1;
        /// Out of the tree at once, with all below it; it stays for whoever uses it.
        const DETACH = 2;
        /// Only if nobody has come by since the last call with it.
        const EXPIRE = 4;
        /// The path's last component is not followed if it is a symbolic link.
        const NOFOLLOW = 8;
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
    /// It is no longer in the tree, and stays for whoever uses it.
    is_detached: AtomicBool,
    /// Marked to expire (`MNT_EXPIRE`): how many walks onto it are left until it no
    /// longer is. 0 if it is not.
    expires_in: AtomicU32,
}

/// The walks that a mark to expire lasts: that of the call that finds it.
const EXPIRES_IN: u32 = 1;

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
            is_detached: AtomicBool::new(false),
            expires_in: AtomicU32::new(0),
        })
    }

    /// What is above its root: nothing, for one that is not in the tree.
    pub(super) fn above(&self) -> Option<&Path> {
        let above = self.covers.as_ref();
        above.filter(|_| !self.is_detached.load(Acquire))
    }

    /// `EINVAL` if it is not in the tree, so that nothing can be mounted there.
    pub(super) fn check_attached(&self) -> Result<()> {
        match self.is_detached.load(Acquire) {
            true => Err(Errno::EINVAL),
            false => Ok(()),
        }
    }

    /// Whether it was marked to expire, with no walk onto it since but the caller's
    /// own; it is from now on.
    pub(super) fn has_expired(&self) -> bool {
        self.expires_in.swap(EXPIRES_IN + 1, AcqRel) != 0
    }

    /// A walk comes onto it.
    fn note_walk(&self) {
        if self.expires_in.load(Relaxed) > 0 {
            let fewer = |left: u32| left.checked_sub(1);
            let _ = self.expires_in.fetch_update(AcqRel, Relaxed, fewer);
        }
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
    /// Those that are not in the tree any more but still in use.
    detached: SpinLock<Vec<Arc<Mount>>, PreemptOff>,
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

/// `EBUSY` if there are more than these references to `mount`.
fn check_references(mount: &Arc<Mount>, known: usize) -> Result<()> {
    match Arc::strong_count(mount) > known {
        true => Err(Errno::EBUSY),
        false => Ok(()),
    }
}

impl MountTable {
    pub const fn new() -> MountTable {
        MountTable {
            mounts: SpinLock::new(Rank::Leaf, Vec::new()),
            detached: SpinLock::new(Rank::Leaf, Vec::new()),
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
        found.inspect(|mount| mount.note_walk()).cloned()
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

    /// Those that are not in the tree any more but still in use.
    pub fn detached(&self) -> Vec<Arc<Mount>> {
        self.detached.lock().clone()
    }

    /// Takes `mount` and all that is mounted below it out of the tree, in use or not.
    /// `EINVAL` if it is not there, `ENOMEM`. One change of mounts at a time.
    pub fn detach(&self, mount: &Arc<Mount>) -> Result<()> {
        let count = self.mounts.lock().len();
        let mut gone: Vec<Arc<Mount>> = Vec::new();
        gone.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
        self.detached
            .lock()
            .try_reserve(count)
            .map_err(|_| Errno::ENOMEM)?;
        let mut table = self.mounts.lock();
        // What is mounted on another comes after it.
        table.retain(|entry| {
            let below = |path: &Path| gone.iter().any(|one| Arc::ptr_eq(one, &path.mount));
            let goes = Arc::ptr_eq(entry, mount) || entry.covers.as_ref().is_some_and(below);
            if goes {
                gone.push(entry.clone());
            }
            !goes
        });
        self.marks.set(&table);
        drop(table);
        gone.iter()
            .for_each(|mount| mount.is_detached.store(true, Release));
        match gone.is_empty() {
            true => Err(Errno::EINVAL),
            false => {
                self.detached.lock().append(&mut gone);
                Ok(())
            }
        }
    }

    /// Whether there are any of those.
    pub fn has_detached(&self) -> bool {
        !self.detached.lock().is_empty()
    }

    /// Takes one of those out of their list that nobody uses any more.
    pub fn take_unused(&self) -> Option<Arc<Mount>> {
        let mut detached = self.detached.lock();
        let unused = |mount: &Arc<Mount>| check_references(mount, 1).is_ok();
        let index = detached.iter().position(unused)?;
        Some(detached.swap_remove(index))
    }

    /// Takes any of those out of their list.
    pub fn pop_detached(&self) -> Option<Arc<Mount>> {
        self.detached.lock().pop()
    }

    /// Whether nobody uses `mount`, of which the caller holds `held` references.
    /// `EBUSY`.
    pub fn check_unused(&self, mount: &Arc<Mount>, held: usize) -> Result<()> {
        let _exact = self.mounts.lock();
        check_references(mount, held + 1)
    }

    /// Takes `mount` out if nobody uses it; the caller holds `held`
    /// references. `EBUSY`. The table's lock makes the count exact: a new
    /// reference is made from the table or from another reference.
    pub fn remove_unused(&self, mount: &Arc<Mount>, held: usize) -> Result<Arc<Mount>> {
        let mut table = self.mounts.lock();
        let found = table.iter().position(|entry| Arc::ptr_eq(entry, mount));
        let index = found.ok_or(Errno::EINVAL)?;
        check_references(mount, held + 1)?;
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
        let shows = |mount: &Arc<Mount>| mount.root.fs() == fs;
        self.mounts.lock().iter().any(shows) || self.detached.lock().iter().any(shows)
    }
}
