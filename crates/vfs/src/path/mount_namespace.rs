//! [`MountNamespace`]: the tree of mounts, and looking things up in it.

use super::dentry::{Dentry, Keeping, Known, Names};
use super::dentry_cache::DentryCache;
use super::mount::{Mount, MountFlags, Space, Unmount};
use super::mount_table::MountTable;
use super::walk::Walk;
use super::{Path, PathContext};
use crate::notify;
use crate::{Errno, File, FileSystem, Inode, Metadata, OpenFlags, Result};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};
use paddock_cred::Cap;
use paddock_sync::{Mutex, MutexGuard, Rank};

/// The mount namespace that there is from the start.
pub(super) const INITIAL: u64 = 1;

/// Opens what a filesystem cannot open by itself: fifos and device nodes.
pub trait NodeOpener: Send + Sync {
    /// A file for the fifo or device node `inode`. `ENXIO` if nothing stands
    /// behind it. May sleep.
    fn open(
        &self,
        inode: &Arc<dyn Inode>,
        meta: &Metadata,
        flags: OpenFlags,
    ) -> Result<Arc<dyn File>>;
}

/// Opens nothing: `ENXIO`.
#[derive(Debug)]
pub struct NoSpecialNodes;

impl NodeOpener for NoSpecialNodes {
    fn open(&self, _: &Arc<dyn Inode>, _: &Metadata, _: OpenFlags) -> Result<Arc<dyn File>> {
        Err(Errno::ENXIO)
    }
}

/// The tree that all paths are walked in. Its calls may sleep.
pub struct MountNamespace {
    pub(super) mounts: MountTable,
    /// The root's mount, which outlives its place in the table.
    first: Arc<Mount>,
    /// Held while mounts come, move and go; not while paths are walked, which may
    /// lead through any lock by way of `/proc`.
    mounting: Mutex<()>,
    /// Held while a directory moves.
    pub(super) renaming: Mutex<()>,
    pub(super) cache: DentryCache,
    pub(super) opener: Arc<dyn NodeOpener>,
    next_mount: AtomicU64,
    pub(super) next_space: AtomicU64,
}

impl MountNamespace {
    /// A tree with `root` mounted at its root, which keeps about `names` names that
    /// nobody uses. `ENOMEM`.
    pub fn new(
        root: Arc<dyn FileSystem>,
        source: &str,
        opener: Arc<dyn NodeOpener>,
        names: usize,
    ) -> Result<Arc<MountNamespace>> {
        let mounts = MountTable::new();
        let dentry = Dentry::new(root.root(), 1, b"", None)?;
        let ids = (1, Space::own(INITIAL));
        let first = Mount::new(ids, root, dentry, None, source, MountFlags::empty())?;
        mounts.push(first.clone())?;
        let namespace = MountNamespace {
            mounts,
            first,
            mounting: Mutex::new(Rank::MountTable, ()),
            renaming: Mutex::new(Rank::Rename, ()),
            cache: DentryCache::new(names)?,
            opener,
            next_mount: AtomicU64::new(2),
            next_space: AtomicU64::new(INITIAL + 1),
        };
        paddock_sync::try_arc(namespace)
    }

    /// The root of all, with everything that is mounted over it.
    pub fn root(&self) -> Path {
        self.cross(Path {
            mount: self.first.clone(),
            dentry: self.first.root.clone(),
        })
    }

    /// The root's mount.
    pub(super) fn first(&self) -> &Arc<Mount> {
        &self.first
    }

    /// The root of a filesystem that is mounted nowhere, for files without names.
    /// `ENOMEM`.
    pub fn detached(&self, fs: Arc<dyn FileSystem>, source: &str) -> Result<Path> {
        let id = self.next_mount();
        let root = Dentry::new(fs.root(), id, b"", None)?;
        let ids = (id, Space::nowhere());
        let mount = Mount::new(ids, fs, root.clone(), None, source, MountFlags::NOSUID)?;
        Ok(Path {
            mount,
            dentry: root,
        })
    }

    fn add_mount(
        &self,
        fs: Arc<dyn FileSystem>,
        source: &str,
        flags: MountFlags,
        covers: Path,
    ) -> Result<()> {
        let id = self.next_mount();
        let root = self.root_dentry(&fs, id)?;
        let ids = (id, covers.mount.space());
        self.mounts
            .push(Mount::new(ids, fs, root, Some(covers), source, flags)?)
    }

    /// The root of a filesystem, for the mount of that number: the one that it has where it
    /// is mounted already. `ENOMEM`.
    pub(super) fn root_dentry(&self, fs: &Arc<dyn FileSystem>, id: u64) -> Result<Arc<Dentry>> {
        match self.mounts.root_of(fs) {
            Some(root) => Ok(root),
            None => Dentry::new(fs.root(), id, b"", None),
        }
    }

    pub(super) fn next_mount(&self) -> u64 {
        self.next_mount.fetch_add(1, Ordering::Relaxed)
    }

    /// Steps into what is mounted on `path`, if anything is.
    pub(super) fn cross(&self, mut path: Path) -> Path {
        while self.mounts.may_cover(&path.dentry) {
            let Some(mount) = self.mounts.on(&path) else {
                break;
            };
            path = Path {
                dentry: mount.root.clone(),
                mount,
            };
        }
        path
    }

    /// Has mounts have numbers from `first` on, which those of other trees do not have.
    #[cfg(test)]
    pub(crate) fn number_mounts_from(&self, first: u64) {
        self.next_mount.store(first, Ordering::Relaxed);
    }

    /// The dentry of `name` in `dir`, from the cache or from the filesystem.
    /// `ENOENT`, `EIO`.
    pub(super) fn child(&self, dir: &Arc<Dentry>, name: &[u8]) -> Result<Arc<Dentry>> {
        let known = match dir.keeping() {
            Keeping::All => dir.cached_child(name),
            Keeping::Dentries => Known::Nothing,
            Keeping::Nothing => return generated_child(dir, name),
        };
        match known {
            Known::Present(child) => Ok(child),
            Known::Absent => Err(Errno::ENOENT),
            Known::Nothing => self.sought_child(dir, name),
        }
    }

    #[cold]
    #[inline(never)]
    fn sought_child(&self, dir: &Arc<Dentry>, name: &[u8]) -> Result<Arc<Dentry>> {
        let _names = dir.lock_names();
        self.child_locked(dir, name)
    }

    /// As [`child`](Self::child), for the holder of [`Dentry::lock_names`] of the
    /// directory, which is not a generated one.
    pub(super) fn child_locked(&self, dir: &Arc<Dentry>, name: &[u8]) -> Result<Arc<Dentry>> {
        if dir.keeping() != Keeping::All {
            let inode = dir.inode().lookup(name)?;
            let _names = dir.dir_lock.lock();
            return match dir.cached_child(name) {
                Known::Present(child) if Arc::ptr_eq(child.inode(), &inode) => Ok(child),
                _ => Ok(dir.add_child(Names::new(name)?, inode)),
            };
        }
        match dir.cached_child(name) {
            Known::Present(child) => return Ok(child),
            Known::Absent => return Err(Errno::ENOENT),
            Known::Nothing => {}
        }
        let found = dir.inode().lookup(name);
        if found.as_ref().err() == Some(&Errno::ENOENT) {
            dir.note_absent(name);
        }
        let inode = found?;
        Ok(self.remember(dir, Names::new(name)?, inode))
    }

    /// Makes and keeps the dentry of a name; the caller holds the directory's
    /// lock.
    pub(super) fn remember(
        &self,
        dir: &Arc<Dentry>,
        names: Names,
        inode: Arc<dyn Inode>,
    ) -> Arc<Dentry> {
        let child = dir.add_child(names, inode);
        if dir.keeping() == Keeping::All {
            self.cache.add(&child);
        }
        child
    }

    /// Walks `path`; a symbolic link at its end is followed if `follow`.
    /// `ENOENT`, `ENOTDIR`, `EACCES`, `ELOOP`, `ENAMETOOLONG`.
    pub fn resolve(&self, context: &PathContext, path: &[u8], follow: bool) -> Result<Path> {
        Walk::new(self, context, path)?.finish(follow)
    }

    /// The names from `root` to `path`, as getcwd(2) and `/proc/PID/fd` show
    /// them: "(unreachable)" before what is outside `root`, " (deleted)"
    /// after what has no name any more. `ENOMEM`.
    pub fn path_of(&self, path: &Path, root: &Path) -> Result<Vec<u8>> {
        let mut reversed: Vec<Vec<u8>> = Vec::new();
        let mut at = path.clone();
        let mut reachable = true;
        while !at.same_as(root) {
            if at.is_mount_root() {
                match at.mount.above() {
                    Some(covered) => at = covered,
                    None => {
                        // What is mounted nowhere has a root of its own.
                        reachable = at.mount.is_apart() || root.dentry.same_as(&at.dentry);
                        break;
                    }
                }
                continue;
            }
            let Some(parent) = at.dentry.parent() else {
                break;
            };
            reversed.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            reversed.push(at.dentry.name());
            at = at.at(parent);
        }
        let before: &[u8] = if reachable { b"" } else { b"(unreachable)" };
        let after: &[u8] = if path.is_removed() {
            b" (deleted)"
        } else {
            b""
        };
        join(&reversed, before, after)
    }

    /// The path of a mount's root in its filesystem, as `/proc/PID/mountinfo` tells it.
    /// `ENOMEM`.
    pub(super) fn path_in_filesystem(root: &Arc<Dentry>) -> Result<Vec<u8>> {
        let mut reversed: Vec<Vec<u8>> = Vec::new();
        let mut at = root.clone();
        while let Some(parent) = at.parent() {
            reversed.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            reversed.push(at.name());
            at = parent;
        }
        let end: &[u8] = if root.is_removed() { b"//deleted" } else { b"" };
        join(&reversed, b"", end)
    }

    /// A place for something without a name, such as a pipe, so that it can
    /// be opened anew by way of `/proc/PID/fd`. `ENOMEM`.
    pub fn nameless(&self, inode: Arc<dyn Inode>) -> Result<Path> {
        let root = self.root();
        let dentry = Dentry::new(inode, root.dentry.fs(), b"", None)?;
        Ok(root.at(dentry))
    }

    /// `EPERM` without CAP_SYS_ADMIN in the user namespace that the caller's mount
    /// namespace belongs to.
    pub fn may_mount(&self, context: &PathContext) -> Result<()> {
        let space = context.root.mount.space();
        context.cred.require_in(&space.owner, Cap::CAP_SYS_ADMIN)
    }

    /// Mounts `fs` on the directory `path`. `ENOTDIR`, `EPERM`, `ENOMEM`; `EBUSY` if it is
    /// mounted there.
    pub fn mount(
        &self,
        context: &PathContext,
        path: &[u8],
        fs: Arc<dyn FileSystem>,
        source: &str,
        flags: MountFlags,
    ) -> Result<()> {
        self.may_mount(context)?;
        let covers = self.resolve(context, path, true)?;
        let _one = self.mounting.lock();
        let covers = self.place_for_mount(context, covers)?;
        if covers.is_mount_root() && Arc::ptr_eq(&covers.mount.fs, &fs) {
            return Err(Errno::EBUSY);
        }
        match covers.is_dir() {
            true => self.add_mount(fs, source, flags, covers),
            false => Err(Errno::ENOTDIR),
        }
    }

    /// Where something is mounted that is to be at `path`: upon what is there. `EINVAL`
    /// if that is not in the caller's namespace. The caller holds `mounting`.
    pub(super) fn place_for_mount(&self, context: &PathContext, path: Path) -> Result<Path> {
        let path = self.cross(path);
        path.mount.check_attached()?;
        match path.mount.is_beside(&context.root.mount) {
            true => Ok(path),
            false => Err(Errno::EINVAL),
        }
    }

    /// One change of mounts at a time.
    pub(super) fn changing(&self) -> MutexGuard<'_, ()> {
        self.mounting.lock()
    }

    /// umount2(2). `EINVAL` if nothing is mounted at `path`, `EBUSY` if something in
    /// it is in use, and `how` does not take it out of the tree all the same; `EAGAIN`
    /// if it was to expire and has been used since it was last asked for; `EPERM` for
    /// `MNT_FORCE` from who has no rights to the machine.
    pub fn unmount(&self, context: &PathContext, path: &[u8], how: Unmount) -> Result<()> {
        self.may_mount(context)?;
        if how.contains(Unmount::FORCE) {
            context.cred.require(Cap::CAP_SYS_ADMIN)?;
        }
        let at = self.resolve(context, path, !how.contains(Unmount::NOFOLLOW))?;
        let _one = self.mounting.lock();
        self.release_detached()?;
        // A root may be covered itself, where no walk to it comes by.
        let at = self.cross(at);
        let is_own = at.mount.is_beside(&context.root.mount);
        if !at.is_mount_root() || !is_own || at.mount.is_locked() {
            return Err(Errno::EINVAL);
        }
        if at.mount.covered().is_none() {
            return Err(Errno::EBUSY);
        }
        let mount = at.mount.clone();
        drop(at);
        if how.contains(Unmount::FORCE) {
            mount.fs.interrupt();
        }
        if how.contains(Unmount::DETACH) {
            self.mounts.detach(&mount)?;
            mount.fs.left_tree();
            drop(mount);
            return self.release_detached();
        }
        if how.contains(Unmount::EXPIRE) {
            self.mounts.check_unused(&mount, 1)?;
            if !mount.has_expired() {
                return Err(Errno::EAGAIN);
            }
        }
        drop(self.mounts.remove_unused(&mount, 1)?);
        self.release(mount)
    }

    /// Unmounts what was taken out of the tree and is not used any more. The first
    /// error. The caller holds `mounting`.
    pub(super) fn release_detached(&self) -> Result<()> {
        let mut result = Ok(());
        while let Some(mount) = self.mounts.take_unused() {
            result = result.and(self.release(mount));
        }
        result
    }

    /// Unmounts the filesystem of a mount that is out of the table, unless
    /// another mount still shows it.
    fn release(&self, mount: Arc<Mount>) -> Result<()> {
        let fs_id = mount.root.fs();
        let fs = mount.fs.clone();
        drop(mount);
        match self.mounts.shows(fs_id) {
            true => Ok(()),
            false => {
                self.cache.purge(fs_id);
                notify::fanotify::filesystem_ended(fs_id);
                fs.unmount()
            }
        }
    }

    /// Unmounts everything, newest first, for power-off: user programs are
    /// gone, and whatever still holds a file fails from now on. The first
    /// error, after all have been tried. The tree is not used afterwards.
    pub fn unmount_all(&self) -> Result<()> {
        let _one = self.mounting.lock();
        self.cache.clear();
        let mut result = Ok(());
        while let Some(mount) = self.mounts.pop() {
            result = result.and(self.release(mount));
        }
        while let Some(mount) = self.mounts.pop_detached() {
            result = result.and(self.release(mount));
        }
        result
    }

    /// The filesystem that is mounted and whose files have this device number. May sleep.
    pub fn on_device(&self, device: u64) -> Option<Arc<dyn FileSystem>> {
        let mut all = self.mounts.filesystems().into_iter();
        all.find(|fs| fs.device() == device)
    }

    /// Whether a filesystem is mounted anywhere.
    pub fn is_mounted(&self, fs: &Arc<dyn FileSystem>) -> bool {
        self.mounts.root_of(fs).is_some()
    }

    /// sync(2): makes everything written before durable. The first error.
    pub fn sync(&self) -> Result<()> {
        let mut result = Ok(());
        for fs in self.mounts.filesystems() {
            result = result.and(fs.sync());
        }
        result
    }

    /// What is wrong with filesystems and what to do, each by what it was mounted from.
    pub fn complaints(&self) -> impl Iterator<Item = (Arc<Mount>, &'static str)> {
        let complaint = |mount: Arc<Mount>| mount.fs.complaint().map(|told| (mount, told));
        let all = self.mounts.all().into_iter();
        all.chain(self.mounts.detached()).filter_map(complaint)
    }

    /// Makes durable what was written more than `age_ms` milliseconds ago;
    /// for the thread that does so every few seconds. The first error.
    pub fn flush_older_than(&self, age_ms: u64) -> Result<()> {
        let mut result = Ok(());
        for fs in self.mounts.filesystems() {
            result = result.and(fs.flush_older_than(age_ms));
        }
        if !self.mounts.has_detached() {
            return result;
        }
        let _one = self.mounting.lock();
        result.and(self.release_detached())
    }

    /// As [`sync`](Self::sync), and nothing has to stay in memory until a journal's
    /// content is written to its place. The first error.
    pub fn checkpoint(&self) -> Result<()> {
        let mut result = Ok(());
        for fs in self.mounts.filesystems() {
            result = result.and(fs.checkpoint());
        }
        result
    }

    /// Lets go of up to `count` names that nobody uses, of those first that were not
    /// used lately; of how many. May sleep.
    pub fn shrink_names(&self, count: usize) -> usize {
        self.cache.shrink(count)
    }

    /// Lets go of the names that nobody uses, and of what filesystems keep
    /// only to be quick.
    pub fn shrink(&self) {
        self.cache.clear();
        for fs in self.mounts.filesystems() {
            fs.shrink();
        }
    }

    /// Whether something is mounted on `dentry` in the caller's namespace: it must keep
    /// its name. `EBUSY`.
    pub(super) fn check_not_mount_point(
        &self,
        context: &PathContext,
        dentry: &Dentry,
    ) -> Result<()> {
        match self
            .mounts
            .covers_dentry(dentry, context.root.mount.space_id())
        {
            true => Err(Errno::EBUSY),
            false => Ok(()),
        }
    }

    /// A name is gone: what is mounted there, in whichever namespace, goes as well.
    pub(super) fn uncover(&self, dentry: &Dentry) -> Result<()> {
        if !self.mounts.may_cover(dentry) {
            return Ok(());
        }
        let _one = self.mounting.lock();
        while let Some(mount) = self.mounts.any_on(dentry) {
            self.mounts.detach(&mount)?;
        }
        self.release_detached()
    }
}

/// A path of names from its end to its beginning, with something before and after it.
/// `ENOMEM`.
fn join(reversed: &[Vec<u8>], before: &[u8], after: &[u8]) -> Result<Vec<u8>> {
    let names: usize = reversed.iter().map(|name| name.len() + 1).sum();
    let mut text = Vec::new();
    text.try_reserve_exact(names + before.len() + after.len() + 1)
        .map_err(|_| Errno::ENOMEM)?;
    text.extend_from_slice(before);
    for name in reversed.iter().rev() {
        text.push(b'/');
        text.extend_from_slice(name);
    }
    if reversed.is_empty() {
        text.push(b'/');
    }
    text.extend_from_slice(after);
    Ok(text)
}

#[cold]
#[inline(never)]
fn generated_child(dir: &Arc<Dentry>, name: &[u8]) -> Result<Arc<Dentry>> {
    let inode = dir.inode().lookup(name)?;
    Dentry::new(inode, dir.fs(), name, Some(dir.clone()))
}
