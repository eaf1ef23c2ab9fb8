//! [`Dentry`]: a name in a directory.
//!
//! For each name of a directory there is at most one live dentry, found
//! through its parent; a dentry keeps its parent alive. That makes the way
//! back to the root (getcwd, `..`) right even after renames.

use super::names::{self, NameMap};
use crate::notify;
use crate::{Errno, File, FileKind, Inode, InodeFile, Result};
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use paddock_sync::{
    Mutex, MutexGuard, OnceCell, PreemptOff, Rank, SMALL, SpinLock, may_allocate, try_arc,
};

/// Names known to be absent that a directory keeps.
const MOST_ABSENT: usize = 128;

/// What is known of a directory's names.
#[derive(Default)]
struct Children {
    live: NameMap<Weak<Dentry>>,
    absent: BTreeSet<Box<[u8]>>,
}

/// What is known of one name.
pub(super) enum Known {
    /// It has a live dentry.
    Present(Arc<Dentry>),
    /// There is no such name.
    Absent,
    /// The filesystem must be asked.
    Nothing,
}

/// The lock of a directory's names, where it is held while the filesystem is asked: whose
/// names are not remembered, that may take as long as it likes, and lock nobody out.
pub(super) struct NamesLock<'a>(Option<MutexGuard<'a, ()>>);

impl<'a> NamesLock<'a> {
    /// The lock from here on: what the filesystem has done is remembered.
    pub fn or_now(self, dir: &'a Dentry) -> MutexGuard<'a, ()> {
        self.0.unwrap_or_else(|| dir.dir_lock.lock())
    }
}

/// What may be remembered of a directory's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeping {
    /// That they are there, or not: they change through the cache alone.
    All,
    /// The filesystem is asked each time; what is there has one dentry.
    Dentries,
    /// Nothing: names are generated.
    Nothing,
}

impl Keeping {
    fn of(inode: &dyn Inode) -> Keeping {
        match (inode.takes_names(), inode.cacheable()) {
            (true, true) => Keeping::All,
            (true, false) => Keeping::Dentries,
            (false, _) => Keeping::Nothing,
        }
    }
}

struct Place {
    name: Box<[u8]>,
    /// `None` only for the root of a filesystem.
    parent: Option<Arc<Dentry>>,
    removed: bool,
    /// It never had a name and may get one (`O_TMPFILE` without `O_EXCL`).
    linkable: bool,
}

/// A name in a directory and the inode it leads to.
pub struct Dentry {
    inode: Arc<dyn Inode>,
    /// The inode's, which never change.
    ino: u64,
    kind: FileKind,
    keeping: Keeping,
    fs: u64,
    place: SpinLock<Place, PreemptOff>,
    children: SpinLock<Children, PreemptOff>,
    /// Held while the directory's names change, or are looked up on disk, so
    /// that the cache and the filesystem never disagree; where names are not remembered,
    /// while its list of dentries changes ([`NamesLock`]).
    pub(super) dir_lock: Mutex<()>,
    /// Where the cache has it, if it does.
    cache_slot: AtomicU32,
    used: AtomicBool,
    /// What opening a regular file gives: the same each time.
    file: OnceCell<Arc<InodeFile>>,
}

pub(super) fn boxed(name: &[u8]) -> Result<Box<[u8]>> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(name.len())
        .map_err(|_| Errno::ENOMEM)?;
    copy.extend_from_slice(name);
    Ok(copy.into_boxed_slice())
}

/// A name as the cache keeps it: in its dentry, and in its directory's list.
/// Made before the filesystem is changed: what has been done there is
/// remembered here without fail.
pub(super) struct Names {
    own: Box<[u8]>,
    listed: Box<[u8]>,
}

impl Names {
    /// Copies of `name`, and leave to allocate what little the cache needs
    /// besides. `ENOMEM`.
    pub fn new(name: &[u8]) -> Result<Names> {
        may_allocate()?;
        Ok(Names {
            own: boxed(name)?,
            listed: boxed(name)?,
        })
    }
}

impl Dentry {
    /// `ENOMEM`.
    pub(super) fn new(
        inode: Arc<dyn Inode>,
        fs: u64,
        name: &[u8],
        parent: Option<Arc<Dentry>>,
    ) -> Result<Arc<Dentry>> {
        may_allocate()?;
        Ok(Self::made(inode, fs, boxed(name)?, parent))
    }

    /// After [`may_allocate`].
    #[allow(
        clippy::disallowed_methods,
        reason = "small: a caller has asked may_allocate, and the heap keeps a reserve for such"
    )]
    fn made(
        inode: Arc<dyn Inode>,
        fs: u64,
        name: Box<[u8]>,
        parent: Option<Arc<Dentry>>,
    ) -> Arc<Dentry> {
        const { assert!(size_of::<Dentry>() + 16 <= SMALL, "not a small object") };
        Arc::new(Dentry {
            ino: inode.ino(),
            kind: inode.kind(),
            keeping: Keeping::of(&*inode),
            inode,
            fs,
            place: SpinLock::new(
                Rank::Leaf,
                Place {
                    name,
                    parent,
                    removed: false,
                    linkable: false,
                },
            ),
            children: SpinLock::new(Rank::Leaf, Children::default()),
            dir_lock: Mutex::new(Rank::Inode, ()),
            cache_slot: AtomicU32::new(u32::MAX),
            used: AtomicBool::new(false),
            file: OnceCell::new(),
        })
    }

    /// What the name leads to.
    pub fn inode(&self) -> &Arc<dyn Inode> {
        &self.inode
    }

    /// The inode's number.
    pub(super) fn ino(&self) -> u64 {
        self.ino
    }

    /// What kind of inode it is.
    pub(super) fn kind(&self) -> FileKind {
        self.kind
    }

    /// What is remembered of its names.
    pub(super) fn keeping(&self) -> Keeping {
        self.keeping
    }

    /// Locks its names before the filesystem is asked or changed.
    pub(super) fn lock_names(&self) -> NamesLock<'_> {
        NamesLock((self.keeping == Keeping::All).then(|| self.dir_lock.lock()))
    }

    /// The hash of a name in this directory.
    fn hash(&self, name: &[u8]) -> u64 {
        names::hash(core::ptr::from_ref(self).addr() as u64, name)
    }

    /// The ordinary open file of the inode. `ENOMEM`.
    pub(super) fn ordinary_file(&self) -> Result<Arc<dyn File>> {
        if self.kind == FileKind::Directory {
            let parent = self.parent().map_or(self.ino, |dir| dir.ino);
            return Ok(try_arc(InodeFile::new(self.inode.clone(), parent))?);
        }
        if let Some(file) = self.file.get() {
            return Ok(file.clone());
        }
        let file = try_arc(InodeFile::new(self.inode.clone(), self.ino))?;
        // Another may have been quicker: it makes no difference.
        let _ = self.file.set(file.clone());
        Ok(file)
    }

    /// Where the cache has it, or had it.
    pub(super) fn cache_slot(&self) -> u32 {
        self.cache_slot.load(Ordering::Relaxed)
    }

    /// The cache has it in `slot`.
    pub(super) fn set_cache_slot(&self, slot: u32) {
        self.cache_slot.store(slot, Ordering::Relaxed);
    }

    /// Whether it was used since this was asked last.
    pub(super) fn take_used(&self) -> bool {
        self.used.swap(false, Ordering::Relaxed)
    }

    /// The filesystem, by the number of its first mount.
    pub(crate) fn fs(&self) -> u64 {
        self.fs
    }

    /// The last component; empty for the root of a filesystem.
    pub fn name(&self) -> Vec<u8> {
        self.place.lock().name.to_vec()
    }

    /// The directory it is in; `None` for the root of a filesystem.
    pub fn parent(&self) -> Option<Arc<Dentry>> {
        self.place.lock().parent.clone()
    }

    /// Whether the name has been taken away.
    pub fn is_removed(&self) -> bool {
        self.place.lock().removed
    }

    pub(super) fn same_as(&self, other: &Dentry) -> bool {
        core::ptr::eq(self, other) || (self.fs == other.fs && self.is_same_dir(other))
    }

    /// Directories have one name, so the inode tells.
    fn is_same_dir(&self, other: &Dentry) -> bool {
        self.kind == FileKind::Directory && self.ino == other.ino
    }

    /// Whether `self` is `other` or lies inside it.
    pub(super) fn is_within(self: &Arc<Dentry>, other: &Dentry) -> bool {
        let mut at = Some(self.clone());
        while let Some(dentry) = at {
            if dentry.same_as(other) {
                return true;
            }
            at = dentry.parent();
        }
        false
    }

    /// What is known of a name.
    pub(super) fn cached_child(&self, name: &[u8]) -> Known {
        let hash = self.hash(name);
        let children = self.children.lock();
        if let Some(child) = children.live.get(hash, name).and_then(Weak::upgrade) {
            drop(children);
            child.used.store(true, Ordering::Relaxed);
            return Known::Present(child);
        }
        match children.absent.contains(name) {
            true => Known::Absent,
            false => Known::Nothing,
        }
    }

    /// Remembers that there is no such name. The caller holds `dir_lock`.
    #[allow(
        clippy::disallowed_methods,
        reason = "small, and where nothing may fail: the heap keeps a reserve for such"
    )]
    pub(super) fn note_absent(&self, name: &[u8]) {
        let Ok(name) = boxed(name) else { return };
        let mut children = self.children.lock();
        let forgotten = match children.absent.len() < MOST_ABSENT {
            true => BTreeSet::new(),
            false => core::mem::take(&mut children.absent),
        };
        children.absent.insert(name);
        drop(children);
        drop(forgotten);
    }

    /// Makes a dentry of a name in this directory. The caller holds
    /// `dir_lock`.
    pub(super) fn add_child(self: &Arc<Self>, names: Names, inode: Arc<dyn Inode>) -> Arc<Dentry> {
        let child = Self::made(inode, self.fs, names.own, Some(self.clone()));
        self.list(names.listed, &child);
        child
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "small, and where nothing may fail: the heap keeps a reserve for such"
    )]
    fn list(&self, name: Box<[u8]>, child: &Arc<Dentry>) {
        let hash = self.hash(&name);
        let mut children = self.children.lock();
        if !children.absent.is_empty() {
            children.absent.remove(&name);
        }
        let before = children.live.insert(hash, name, Arc::downgrade(child));
        drop(children);
        drop(before);
    }

    /// Gives `child` another name, in this directory. The caller holds
    /// `dir_lock`.
    pub(super) fn adopt(self: &Arc<Self>, names: Names, child: &Arc<Dentry>) {
        self.list(names.listed, child);
        child.relocate(names.own, self);
    }

    /// How many names of it are remembered.
    #[cfg(test)]
    pub(super) fn known_names(&self) -> usize {
        self.children.lock().live.hashes()
    }

    /// Forgets `name`; its dentry, if there was a live one. The caller holds
    /// `dir_lock`.
    pub(super) fn forget_child(&self, name: &[u8]) -> Option<Arc<Dentry>> {
        let weak = self.children.lock().live.remove(self.hash(name), name)?;
        weak.upgrade()
    }

    /// For a file that `O_TMPFILE` made; `linkable` if linkat(2) may name it.
    pub(super) fn mark_unnamed(&self, linkable: bool) {
        let mut place = self.place.lock();
        (place.removed, place.linkable) = (true, linkable);
    }

    /// Whether linkat(2) may give it a name although its inode has none.
    pub(super) fn is_linkable(&self) -> bool {
        self.place.lock().linkable
    }

    /// It has a name now: once that is gone, it gets no other.
    pub(super) fn mark_linked(&self) {
        self.place.lock().linkable = false;
    }

    pub(super) fn mark_removed(&self) {
        self.place.lock().removed = true;
    }

    /// Puts it elsewhere, after a rename.
    fn relocate(&self, name: Box<[u8]>, parent: &Arc<Dentry>) {
        let old = {
            let mut place = self.place.lock();
            let old_name = core::mem::replace(&mut place.name, name);
            (old_name, place.parent.replace(parent.clone()))
        };
        drop(old);
    }

    /// Takes it out of its parent's list; the parent. It may have been moved out of
    /// where the list knows it, so that its address tells nothing; but of one that is
    /// dropped no strong reference is left, and a live one of its name has one.
    fn detach(&mut self) -> Option<Arc<Dentry>> {
        let place = self.place.get_mut();
        let parent = place.parent.take()?;
        {
            let hash = parent.hash(&place.name);
            let mut children = parent.children.lock();
            let listed = children.live.get(hash, &place.name);
            if listed.is_some_and(|weak| weak.strong_count() == 0) {
                children.live.remove(hash, &place.name);
            }
        }
        Some(parent)
    }
}

impl Drop for Dentry {
    /// Lets go of the chain of parents one by one: dropping it by recursion
    /// would need a stack as deep as the tree.
    fn drop(&mut self) {
        if self.place.get_mut().removed {
            notify::last_user_left(&self.inode, self.fs);
        }
        let mut parent = self.detach();
        while let Some(mut dentry) = parent.and_then(Arc::into_inner) {
            parent = dentry.detach();
        }
    }
}
