//! Mounts and their table.

use super::{Dentry, Path};
use crate::{Errno, FileSystem, Result};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use paddock_sync::{PreemptOff, Rank, SpinLock, try_insert};

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
    /// The mount namespace that it is in.
    pub(super) space: u64,
    /// What it covers; `None` for the root of all. Changed under the table's lock only.
    covers: SpinLock<Option<Path>, PreemptOff>,
    source: String,
    flags: AtomicU64,
    /// It is no longer in the tree, and stays for whoever uses it.
    is_detached: AtomicBool,
    /// Marked to expire (`MNT_EXPIRE`): how many walks onto it are left until it no
    /// longer is. 0 if it is not.
    expires_in: AtomicU32,
}

/// The namespace of a mount that is in none.
pub(super) const NOWHERE: u64 = 0;

/// The walks that a mark to expire lasts: that of the call that finds it.
const EXPIRES_IN: u32 = 1;

impl Mount {
    pub(super) fn new(
        (id, space): (u64, u64),
        fs: Arc<dyn FileSystem>,
        root: Arc<Dentry>,
        covers: Option<Path>,
        source: &str,
        flags: MountFlags,
    ) -> Result<Arc<Mount>> {
        let mut own_source = String::new();
        let room = own_source.try_reserve_exact(source.len());
        room.map_err(|_| Errno::ENOMEM)?;
        own_source.push_str(source);
        paddock_sync::try_arc(Mount {
            id,
            fs,
            root,
            space,
            covers: SpinLock::new(Rank::Leaf, covers),
            source: own_source,
            flags: AtomicU64::new(flags.bits()),
            is_detached: AtomicBool::new(false),
            expires_in: AtomicU32::new(0),
        })
    }

    /// The same filesystem, with the same flags. `ENOMEM`.
    pub(super) fn copy(
        &self,
        ids: (u64, u64),
        root: Arc<Dentry>,
        covers: Option<Path>,
    ) -> Result<Arc<Mount>> {
        let fs = self.fs.clone();
        Mount::new(ids, fs, root, covers, &self.source, self.flags())
    }

    /// Whether it was never in the tree, or is no more.
    pub(super) fn is_apart(&self) -> bool {
        self.space == NOWHERE || self.is_detached.load(Acquire)
    }

    /// What it covers, in the tree or not.
    pub(super) fn covered(&self) -> Option<Path> {
        self.covers.lock().clone()
    }

    /// What is above its root: nothing, for one that is not in the tree.
    pub(super) fn above(&self) -> Option<Path> {
        match self.is_detached.load(Acquire) {
            true => None,
            false => self.covered(),
        }
    }

    fn spot(&self) -> Option<Spot> {
        self.covers.lock().as_ref().map(Spot::new)
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
        MountFlags::from_bits_retain(self.flags.load(Relaxed))
    }

    /// Changes them, for whoever comes by from now on.
    pub(super) fn set_flags(&self, flags: MountFlags) {
        self.flags.store(flags.bits(), Relaxed);
    }

    /// What was mounted: a device, or a name.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// `EROFS` if nothing may be changed through it.
    pub fn check_writable(&self) -> Result<()> {
        match self.flags().contains(MountFlags::RDONLY) || self.fs.read_only() {
            true => Err(Errno::EROFS),
            false => Ok(()),
        }
    }
}

/// A place that is covered. Mount points are told apart by inode: dentries of
/// generated directories come and go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Spot {
    mount: u64,
    fs: u64,
    ino: u64,
}

impl Spot {
    fn new(path: &Path) -> Spot {
        Spot {
            mount: path.mount.id,
            fs: path.dentry.fs(),
            ino: path.dentry.ino(),
        }
    }
}

/// A line of `/proc/mounts`.
#[derive(Clone, Debug)]
pub struct MountInfo {
    /// Its number.
    pub id: u64,
    /// That of the mount that it is on; its own for a root.
    pub parent: u64,
    /// What was mounted.
    pub source: String,
    /// Where, from the root that was given.
    pub target: Vec<u8>,
    /// The kind of filesystem.
    pub kind: &'static str,
    /// The flags.
    pub flags: MountFlags,
}

/// All mounts of all namespaces.
struct Table {
    /// In the order in which they were made.
    all: Vec<Arc<Mount>>,
    /// By what they cover.
    on: BTreeMap<Spot, Arc<Mount>>,
}

impl Table {
    /// Takes a mount in. `EBUSY` if another one covers the same place, `ENOMEM`.
    fn push(&mut self, mount: Arc<Mount>) -> Result<()> {
        self.all.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        if let Some(spot) = mount.spot() {
            self.cover(spot, &mount)?;
        }
        self.all.push(mount);
        Ok(())
    }

    fn cover(&mut self, spot: Spot, mount: &Arc<Mount>) -> Result<()> {
        match self.on.contains_key(&spot) {
            true => Err(Errno::EBUSY),
            false => try_insert(&mut self.on, spot, mount.clone()).map(drop),
        }
    }

    /// Takes a mount out of the place that it covers.
    fn uncover(&mut self, mount: &Mount) {
        if let Some(spot) = mount.spot() {
            self.on.remove(&spot);
        }
    }
}

/// All mounts, and those that were some.
pub(super) struct MountTable {
    mounts: SpinLock<Table, PreemptOff>,
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
        Self::at(dentry.fs(), dentry.ino())
    }

    fn at(fs: u64, ino: u64) -> (usize, u64) {
        let key = ino ^ fs.rotate_right(16);
        let bit = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - 9);
        const { assert!(MARKS * 64 == 1 << 9) };
        ((bit / 64) as usize, 1 << (bit % 64))
    }

    fn has(&self, dentry: &Dentry) -> bool {
        let (word, bit) = Self::place(dentry);
        self.0[word].load(Acquire) & bit != 0
    }

    /// Marks what is covered, all of it. The caller holds the table's lock.
    fn set(&self, table: &Table) {
        let mut bits = [0; MARKS];
        for spot in table.on.keys() {
            let (word, bit) = Self::at(spot.fs, spot.ino);
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

/// How often a mount that is in the table is referred to there: as one of all, and by
/// what it covers.
fn table_references(mount: &Mount) -> usize {
    1 + usize::from(mount.spot().is_some())
}

impl MountTable {
    pub const fn new() -> MountTable {
        MountTable {
            mounts: SpinLock::new(
                Rank::Leaf,
                Table {
                    all: Vec::new(),
                    on: BTreeMap::new(),
                },
            ),
            detached: SpinLock::new(Rank::Leaf, Vec::new()),
            marks: Marks([const { AtomicU64::new(0) }; MARKS]),
        }
    }

    pub fn push(&self, mount: Arc<Mount>) -> Result<()> {
        let mut table = self.mounts.lock();
        table.push(mount)?;
        self.marks.set(&table);
        Ok(())
    }

    /// Takes several mounts in, or none of them.
    pub fn push_all(&self, mounts: &[Arc<Mount>]) -> Result<()> {
        let mut table = self.mounts.lock();
        for (done, mount) in mounts.iter().enumerate() {
            if let Err(error) = table.push(mount.clone()) {
                for mount in mounts.iter().take(done) {
                    table.uncover(mount);
                    table.all.pop();
                }
                return Err(error);
            }
        }
        self.marks.set(&table);
        Ok(())
    }

    /// Has mounts that are in the tree cover other places, one after the other; none
    /// of them is in the way of another. `ENOMEM`, `EBUSY`: nothing has changed then.
    pub fn move_all<const N: usize>(&self, moves: [(&Arc<Mount>, Option<Path>); N]) -> Result<()> {
        let mut table = self.mounts.lock();
        for (mount, _) in &moves {
            table.uncover(mount);
        }
        let mut result = Ok(());
        for (mount, to) in &moves {
            let spot = to.as_ref().map(Spot::new);
            result = result.and_then(|()| spot.map_or(Ok(()), |spot| table.cover(spot, mount)));
        }
        if result.is_err() {
            for (_, to) in &moves {
                to.as_ref()
                    .map(Spot::new)
                    .map(|spot| table.on.remove(&spot));
            }
            for (mount, _) in &moves {
                // There is room where it was.
                let _ = mount.spot().map(|spot| table.cover(spot, mount));
            }
            return result;
        }
        let old = moves.map(|(mount, to)| core::mem::replace(&mut *mount.covers.lock(), to));
        self.marks.set(&table);
        drop(table);
        drop(old);
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
        let found = table.on.get(&Spot::new(path));
        found.inspect(|mount| mount.note_walk()).cloned()
    }

    /// Any mount on `dentry`, seen through any mount of any namespace.
    pub fn any_on(&self, dentry: &Dentry) -> Option<Arc<Mount>> {
        let table = self.mounts.lock();
        let mut all = table.on.iter();
        let found = all.find(|(spot, _)| spot.fs == dentry.fs() && spot.ino == dentry.ino());
        found.map(|(_, mount)| mount.clone())
    }

    /// Whether the name of `dentry` is a mount point in a namespace, seen through any
    /// mount.
    pub fn covers_dentry(&self, dentry: &Dentry, space: u64) -> bool {
        if !self.may_cover(dentry) {
            return false;
        }
        let table = self.mounts.lock();
        let mut covered = table.on.iter();
        covered.any(|(spot, mount)| {
            mount.space == space && spot.fs == dentry.fs() && spot.ino == dentry.ino()
        })
    }

    pub fn all(&self) -> Vec<Arc<Mount>> {
        self.mounts.lock().all.clone()
    }

    /// What all mounts show, in the tree or not any more. Whoever works on a filesystem
    /// for long does not keep its mounts: they would be in use.
    pub fn filesystems(&self) -> Vec<Arc<dyn FileSystem>> {
        let mut all: Vec<_> = {
            let table = self.mounts.lock();
            table.all.iter().map(|mount| mount.fs.clone()).collect()
        };
        let detached = self.detached.lock();
        all.extend(detached.iter().map(|mount| mount.fs.clone()));
        all
    }

    /// Those of a namespace. `ENOMEM`.
    pub fn of_space(&self, space: u64) -> Result<Vec<Arc<Mount>>> {
        let table = self.mounts.lock();
        let own = table.all.iter().filter(|mount| mount.space == space);
        let mut all = Vec::new();
        let room = all.try_reserve_exact(own.clone().count());
        room.map_err(|_| Errno::ENOMEM)?;
        all.extend(own.cloned());
        Ok(all)
    }

    /// Takes all of a namespace that is nobody's any more out of the tree, in use or
    /// not. One change of mounts at a time.
    pub fn detach_space(&self, space: u64) {
        let mut table = self.mounts.lock();
        loop {
            let own = |mount: &Arc<Mount>| mount.space == space;
            let Some(index) = table.all.iter().position(own) else {
                break;
            };
            let mount = table.all.remove(index);
            table.uncover(&mount);
            mount.is_detached.store(true, Release);
            let mut detached = self.detached.lock();
            // Without room, whoever uses it keeps it, and nobody notices its end.
            if detached.try_reserve(1).is_ok() {
                detached.push(mount);
            }
        }
        self.marks.set(&table);
    }

    /// Those that are not in the tree any more but still in use.
    pub fn detached(&self) -> Vec<Arc<Mount>> {
        self.detached.lock().clone()
    }

    /// Takes `mount` and all that is mounted below it out of the tree, in use or not.
    /// `EINVAL` if it is not there, `ENOMEM`. One change of mounts at a time.
    pub fn detach(&self, mount: &Arc<Mount>) -> Result<()> {
        let count = self.mounts.lock().all.len();
        let mut gone: Vec<Arc<Mount>> = Vec::new();
        gone.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
        self.detached
            .lock()
            .try_reserve(count)
            .map_err(|_| Errno::ENOMEM)?;
        let mut table = self.mounts.lock();
        // What is mounted on another may come before it, if it was moved there.
        loop {
            let before = gone.len();
            table.all.retain(|entry| {
                let below = |spot: Spot| gone.iter().any(|one| one.id == spot.mount);
                let goes = Arc::ptr_eq(entry, mount) || entry.spot().is_some_and(below);
                if goes {
                    gone.push(entry.clone());
                }
                !goes
            });
            if gone.len() == before {
                break;
            }
        }
        gone.iter().for_each(|mount| table.uncover(mount));
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
        check_references(mount, held + table_references(mount))
    }

    /// Takes `mount` out if nobody uses it; the caller holds `held`
    /// references. `EBUSY`. The table's lock makes the count exact: a new
    /// reference is made from the table or from another reference.
    pub fn remove_unused(&self, mount: &Arc<Mount>, held: usize) -> Result<Arc<Mount>> {
        let mut table = self.mounts.lock();
        let found = table.all.iter().position(|entry| Arc::ptr_eq(entry, mount));
        let index = found.ok_or(Errno::EINVAL)?;
        check_references(mount, held + table_references(mount))?;
        table.uncover(mount);
        let removed = table.all.remove(index);
        self.marks.set(&table);
        Ok(removed)
    }

    /// Takes the newest mount out, used or not.
    pub fn pop(&self) -> Option<Arc<Mount>> {
        let mut table = self.mounts.lock();
        let popped = table.all.pop();
        if let Some(mount) = &popped {
            table.uncover(mount);
        }
        self.marks.set(&table);
        popped
    }

    /// Whether any mount shows the filesystem whose root is `fs`.
    pub fn shows(&self, fs: u64) -> bool {
        let shows = |mount: &Arc<Mount>| mount.root.fs() == fs;
        self.mounts.lock().all.iter().any(shows) || self.detached.lock().iter().any(shows)
    }
}
