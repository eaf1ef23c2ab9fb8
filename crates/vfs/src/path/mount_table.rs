//! The table of all mounts, and where something may be mounted.

use super::mount::{Mount, Space};
use super::{Dentry, Path};
use crate::{Errno, FileSystem, Result};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::{Acquire, Release};
use core::sync::atomic::{AtomicBool, AtomicU64};
use paddock_sync::{PreemptOff, Rank, SpinLock, try_insert};

/// How many mounts there may be in a namespace that is not the machine's own.
const MOUNTS_MAX: usize = 1000;

/// A place that is covered. Mount points are told apart by inode: dentries of
/// generated directories come and go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    mount: u64,
    fs: u64,
    ino: u64,
}

impl Spot {
    pub fn new(path: &Path) -> Spot {
        Spot {
            mount: path.mount.id,
            fs: path.dentry.fs(),
            ino: path.dentry.ino(),
        }
    }
}
/// All mounts of all namespaces.
struct Table {
    /// In the order in which they were made.
    all: Vec<Arc<Mount>>,
    /// By what they cover.
    on: BTreeMap<Spot, Arc<Mount>>,
}

impl Table {
    /// `ENOSPC` if there are too many in a namespace for `more` of them.
    fn check_room(&self, space: &Space, more: usize) -> Result<()> {
        let own = |other: &&Arc<Mount>| other.space_id() == space.id;
        match space.payer.is_some() && self.all.iter().filter(own).count() + more > MOUNTS_MAX {
            true => Err(Errno::ENOSPC),
            false => Ok(()),
        }
    }

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
struct Marks {
    places: [AtomicU64; MARKS],
    /// Whether any of them is in a folder of a process.
    has_processes: AtomicBool,
}

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
        self.places[word].load(Acquire) & bit != 0
    }

    /// Marks what is covered, all of it. The caller holds the table's lock.
    fn set(&self, table: &Table) {
        let mut bits = [0; MARKS];
        for spot in table.on.keys() {
            let (word, bit) = Self::at(spot.fs, spot.ino);
            bits[word] |= bit;
        }
        for (word, bits) in self.places.iter().zip(bits) {
            word.store(bits, Release);
        }
        let has_processes = table.on.values().any(|mount| mount.is_on_processes());
        self.has_processes.store(has_processes, Release);
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
            marks: Marks {
                places: [const { AtomicU64::new(0) }; MARKS],
                has_processes: AtomicBool::new(false),
            },
        }
    }

    pub fn push(&self, mount: Arc<Mount>) -> Result<()> {
        let mut table = self.mounts.lock();
        table.check_room(&mount.space(), 1)?;
        table.push(mount)?;
        self.marks.set(&table);
        Ok(())
    }

    /// Takes several mounts in, or none of them.
    pub fn push_all(&self, mounts: &[Arc<Mount>]) -> Result<()> {
        let mut table = self.mounts.lock();
        if let Some(first) = mounts.first() {
            table.check_room(&first.space(), mounts.len())?;
        }
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

    /// Has the tree whose root is `root`, which is in no namespace, be in `space`, on
    /// `to`. `ENOSPC`, `ENOMEM`, `EBUSY`: nothing has changed then.
    pub fn attach(&self, root: &Arc<Mount>, to: Path, space: &Space) -> Result<()> {
        let old = root.space();
        let mut table = self.mounts.lock();
        let is_of_tree = |mount: &&Arc<Mount>| mount.space_id() == old.id;
        table.check_room(space, table.all.iter().filter(is_of_tree).count())?;
        table.cover(Spot::new(&to), root)?;
        let was = root.covers.lock().replace(to);
        for mount in table.all.iter().filter(is_of_tree) {
            mount.set_space(space);
        }
        self.marks.set(&table);
        drop(table);
        drop((was, old));
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

    /// Whether anything is mounted where folders stand for processes.
    pub fn has_any_on_processes(&self) -> bool {
        self.marks.has_processes.load(Acquire)
    }

    /// What is mounted there. `ENOMEM`.
    pub fn on_processes(&self) -> Result<Vec<Arc<Mount>>> {
        let table = self.mounts.lock();
        let there = table.all.iter().filter(|mount| mount.is_on_processes());
        let mut all = Vec::new();
        let room = all.try_reserve_exact(there.clone().count());
        room.map_err(|_| Errno::ENOMEM)?;
        all.extend(there.cloned());
        Ok(all)
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
            mount.space_id() == space && spot.fs == dentry.fs() && spot.ino == dentry.ino()
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
        let own = table.all.iter().filter(|mount| mount.space_id() == space);
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
        let Table { all, on } = &mut *table;
        all.retain(|mount| {
            if mount.space_id() != space {
                return true;
            }
            mount.spot().map(|spot| on.remove(&spot));
            mount.is_detached.store(true, Release);
            let mut detached = self.detached.lock();
            // Without room, whoever uses it keeps it, and nobody notices its end.
            if detached.try_reserve(1).is_ok() {
                detached.push(mount.clone());
            }
            false
        });
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

    /// The root of a filesystem that is mounted.
    pub fn root_of(&self, fs: &Arc<dyn FileSystem>) -> Option<Arc<Dentry>> {
        let shows = |mount: &&Arc<Mount>| Arc::ptr_eq(&mount.fs, fs);
        let attached = self.mounts.lock().all.iter().find(shows).cloned();
        let mount = attached.or_else(|| self.detached.lock().iter().find(shows).cloned());
        let mut root = mount?.root.clone();
        while let Some(above) = root.parent() {
            root = above;
        }
        Some(root)
    }

    /// Whether any mount shows the filesystem whose root is `fs`.
    pub fn shows(&self, fs: u64) -> bool {
        let shows = |mount: &Arc<Mount>| mount.root.fs() == fs;
        self.mounts.lock().all.iter().any(shows) || self.detached.lock().iter().any(shows)
    }
}
