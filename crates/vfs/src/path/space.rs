//! Mount namespaces (mount_namespaces(7)): which mounts whom a path leads through.
//!
//! All mounts of all namespaces are in one table. A namespace has mounts of its own,
//! and whoever starts at one of them never comes upon another's: what is mounted where
//! is looked for by the mount that the walk is on.

use super::mount::{Mount, MountFlags, MountInfo, Space};
use super::mount_namespace::INITIAL;
use super::{MountNamespace, Path, PathContext};
use crate::{Errno, Result};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use paddock_charge::Account;
use paddock_cred::UserNamespace;
use paddock_sync::{PreemptOff, Rank, SpinLock, try_arc};

/// A mount namespace. Its mounts leave the tree with it: dropping sleeps.
pub struct MountSpace {
    space: Space,
    tree: Arc<MountNamespace>,
    /// Whose root is that of all.
    root: SpinLock<Arc<Mount>, PreemptOff>,
}

impl Drop for MountSpace {
    fn drop(&mut self) {
        if self.id() != INITIAL {
            let _one = self.tree.changing();
            self.tree.mounts.detach_space(self.id());
            let root = core::mem::replace(&mut *self.root.lock(), self.tree.first().clone());
            drop(root);
            // Errors of filesystems that end are told by those.
            let _ = self.tree.release_detached();
        }
    }
}

/// Mounts and their copies.
struct Copies(Vec<(Arc<Mount>, Arc<Mount>)>);

impl Copies {
    fn of(&self, mount: &Arc<Mount>) -> Option<&Arc<Mount>> {
        let found = self.0.iter().find(|(old, _)| Arc::ptr_eq(old, mount));
        found.map(|(_, new)| new)
    }

    /// The same place in the copy; where nothing was copied, the place itself.
    fn translate(&self, path: &Path) -> Path {
        Path {
            mount: self.of(&path.mount).unwrap_or(&path.mount).clone(),
            dentry: path.dentry.clone(),
        }
    }
}

impl MountSpace {
    /// The one that there is from the start. `ENOMEM`.
    pub fn initial(tree: &Arc<MountNamespace>) -> Result<Arc<MountSpace>> {
        try_arc(MountSpace {
            space: Space::own(INITIAL),
            tree: tree.clone(),
            root: SpinLock::new(Rank::Leaf, tree.first().clone()),
        })
    }

    /// Its number, which no other ever has.
    pub fn id(&self) -> u64 {
        self.space.id
    }

    /// The user namespace that it belongs to.
    pub fn owner(&self) -> &UserNamespace {
        &self.space.owner
    }

    /// Its root, with everything that is mounted over it.
    pub fn root(&self) -> Path {
        let mount = self.root.lock().clone();
        let dentry = mount.root.clone();
        self.tree.cross(Path { mount, dentry })
    }

    /// Another with copies of all its mounts, which belongs to `owner` and for which
    /// `payer` pays; and where `places` are there. In another user namespace than this
    /// one's, the copies are locked. `ENOMEM`.
    pub fn copy<const N: usize>(
        &self,
        places: [&Path; N],
        owner: &UserNamespace,
        payer: &Arc<Account>,
    ) -> Result<(Arc<MountSpace>, [Path; N])> {
        let changing = self.tree.changing();
        let new = Space {
            id: self.tree.next_space.fetch_add(1, Ordering::Relaxed),
            owner: owner.clone(),
            payer: Some(payer.clone()),
        };
        let first = self.root.lock().clone();
        let top = Path {
            dentry: first.root.clone(),
            mount: first.clone(),
        };
        let copies = self.tree.copy_tree(&top, None, &new)?;
        if *owner != self.space.owner {
            copies.0.iter().for_each(|(_, copy)| copy.lock());
        }
        let root = copies.of(&first).ok_or(Errno::EINVAL)?.clone();
        let space = try_arc(MountSpace {
            space: new,
            tree: self.tree.clone(),
            root: SpinLock::new(Rank::Leaf, root),
        });
        // Its end, if it comes to that, needs the lock.
        let space = space?;
        match self.tree.push_copies(&copies) {
            Ok(()) => Ok((space, places.map(|place| copies.translate(place)))),
            Err(error) => {
                drop(changing);
                Err(error)
            }
        }
    }

    /// pivot_root(2): the mount at `new` becomes the caller's root, and what was its
    /// root is mounted at `old`. Both places, the old one first: whoever is there is to
    /// be at the new one.
    ///
    /// # Errors
    /// `EPERM`; `EBUSY` if either is on the present root; `EINVAL` for places that are
    /// no mounts, or not in the tree in this order, and in the first namespace, whose
    /// root is the kernel's too.
    pub fn pivot_root(
        &self,
        context: &PathContext,
        new: &[u8],
        old: &[u8],
    ) -> Result<(Path, Path)> {
        let tree = &self.tree;
        tree.may_mount(context)?;
        let new = tree.resolve_dir(context, new)?;
        let old = tree.resolve_dir(context, old)?;
        let _one = tree.changing();
        let old = tree.place_for_mount(context, old)?;
        let root = context.root.clone();
        let own = |path: &Path| path.mount.space_id() == self.space.id;
        if !own(&root) || !own(&new) || self.id() == INITIAL {
            return Err(Errno::EINVAL);
        }
        if Arc::ptr_eq(&new.mount, &root.mount) || Arc::ptr_eq(&old.mount, &root.mount) {
            return Err(Errno::EBUSY);
        }
        let is_in_order = new.is_mount_root()
            && !new.mount.is_locked()
            && root.is_mount_root()
            && new.mount.covered().is_some()
            && is_below(&old, &new)
            && is_below(&new, &root);
        if !is_in_order {
            return Err(Errno::EINVAL);
        }
        let above = root.mount.covered();
        let is_first = above.is_none();
        let moves = [(&new.mount, above), (&root.mount, Some(old))];
        tree.mounts.move_all(moves)?;
        // What must stay at the root is what is there.
        if root.mount.is_locked() {
            new.mount.set_locked(true);
            root.mount.set_locked(false);
        }
        if is_first {
            let was = core::mem::replace(&mut *self.root.lock(), new.mount.clone());
            drop(was);
        }
        Ok((root, new))
    }
}

/// Whether `path` is `top` or below it, through mounts too.
pub(super) fn is_below(path: &Path, top: &Path) -> bool {
    let mut at = path.clone();
    while !Arc::ptr_eq(&at.mount, &top.mount) {
        match at.mount.above() {
            Some(covered) => at = covered,
            None => return false,
        }
    }
    at.dentry.is_within(&top.dentry)
}

impl MountNamespace {
    /// Copies of the mount at `top`, whose root it is to be, and of all that is mounted
    /// below that; the first of them covers `covers`. `ENOMEM`. The caller holds the
    /// lock of changes.
    fn copy_tree(&self, top: &Path, covers: Option<Path>, space: &Space) -> Result<Copies> {
        let all = self.mounts.of_space(top.mount.space_id())?;
        let mut copies = Vec::new();
        let room = copies.try_reserve_exact(all.len() + 1);
        room.map_err(|_| Errno::ENOMEM)?;
        let (mount, root) = (&top.mount, top.dentry.clone());
        let first = mount.copy((self.next_mount(), space.clone()), root, covers)?;
        copies.push((mount.clone(), first));
        let mut copies = Copies(copies);
        loop {
            let before = copies.0.len();
            for mount in &all {
                let Some(covered) = mount.covered() else {
                    continue;
                };
                let is_inside = !Arc::ptr_eq(&covered.mount, &top.mount)
                    || covered.dentry.is_within(&top.dentry);
                if copies.of(mount).is_none()
                    && is_inside
                    && let Some(parent) = copies.of(&covered.mount)
                {
                    let place = Path {
                        mount: parent.clone(),
                        dentry: covered.dentry,
                    };
                    let ids = (self.next_mount(), space.clone());
                    let copy = mount.copy(ids, mount.root.clone(), Some(place))?;
                    copies.0.push((mount.clone(), copy));
                }
            }
            if copies.0.len() == before {
                return Ok(copies);
            }
        }
    }

    /// Whether something that must stay is mounted on the mount of `top`, at or below that
    /// place: what it covers is not to be seen. `ENOMEM`.
    pub(super) fn has_locked_below(&self, top: &Path) -> Result<bool> {
        let all = self.mounts.of_space(top.mount.space_id())?;
        Ok(all.iter().filter(|mount| mount.is_locked()).any(|mount| {
            let covered = mount.covered();
            covered.is_some_and(|it| {
                Arc::ptr_eq(&it.mount, &top.mount) && it.dentry.is_within(&top.dentry)
            })
        }))
    }

    /// Whether the caller's namespace shows all of a filesystem of that kind already, so
    /// that another mount of it with `flags` tells nothing new. `ENOMEM`.
    pub fn shows_all_of(
        &self,
        context: &PathContext,
        kind: &str,
        flags: MountFlags,
    ) -> Result<bool> {
        let all = self.mounts.of_space(context.root.mount.space_id())?;
        let kinds = all.iter().filter(|mount| mount.fs.kind() == kind);
        let others = MountFlags::RDONLY.complement();
        for mount in kinds {
            let top = mount.root_path();
            let is_whole =
                mount.root.parent().is_none() && mount.check_flags(others | flags).is_ok();
            if is_whole && !self.has_locked_below(&top)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn push_copies(&self, copies: &Copies) -> Result<()> {
        let mut all = Vec::new();
        let room = all.try_reserve_exact(copies.0.len());
        room.map_err(|_| Errno::ENOMEM)?;
        all.extend(copies.0.iter().map(|(_, new)| new.clone()));
        self.mounts.push_all(&all)
    }

    fn resolve_dir(&self, context: &PathContext, path: &[u8]) -> Result<Path> {
        let at = self.resolve(context, path, true)?;
        match at.is_dir() {
            true => Ok(at),
            false => Err(Errno::ENOTDIR),
        }
    }

    /// Shows the tree at `from` also at `to` (a bind mount), with what is mounted below
    /// it if `recursive`.
    ///
    /// # Errors
    /// `EPERM`; `ENOTDIR` if one is a directory and the other is not; `EINVAL` for what is
    /// of another namespace, and for one mount alone that has something locked upon it.
    pub fn bind(
        &self,
        context: &PathContext,
        from: &[u8],
        to: &[u8],
        recursive: bool,
    ) -> Result<()> {
        self.may_mount(context)?;
        let from = self.resolve(context, from, true)?;
        let covers = self.resolve(context, to, true)?;
        let _one = self.changing();
        let covers = self.place_for_mount(context, covers)?;
        if from.is_dir() != covers.is_dir() {
            return Err(Errno::ENOTDIR);
        }
        let space = covers.mount.space();
        self.show_again(context, &from, Some(covers), &space, recursive)
            .map(drop)
    }

    /// Takes copies of the mount of `from` into the table, whose root that is to be, and
    /// of what is mounted below it if `recursive`; the first of them, which covers
    /// `covers`. `EINVAL`, `ENOMEM`, `ENOSPC`. The caller holds the lock of changes.
    pub(super) fn show_again(
        &self,
        context: &PathContext,
        from: &Path,
        covers: Option<Path>,
        space: &Space,
        recursive: bool,
    ) -> Result<Arc<Mount>> {
        let is_nameless = from.dentry.parent().is_none() && !from.is_mount_root();
        if !from.mount.is_beside(&context.root.mount) && !is_nameless {
            return Err(Errno::EINVAL);
        }
        if !recursive && self.has_locked_below(from)? {
            return Err(Errno::EINVAL);
        }
        let copies = match recursive {
            true => self.copy_tree(from, covers, space)?,
            false => {
                let ids = (self.next_mount(), space.clone());
                let copy = from.mount.copy(ids, from.dentry.clone(), covers)?;
                let mut one = Vec::new();
                one.try_reserve_exact(1).map_err(|_| Errno::ENOMEM)?;
                one.push((from.mount.clone(), copy));
                Copies(one)
            }
        };
        let (_, first) = copies.0.first().ok_or(Errno::EINVAL)?;
        first.set_locked(false);
        self.push_copies(&copies)?;
        Ok(first.clone())
    }

    /// Has the mount at `from` be at `to` (`MS_MOVE`).
    ///
    /// # Errors
    /// `EPERM`; `EINVAL` for what is no mount, or not of the caller's namespace; `ELOOP`
    /// for a place that is on it, as all are on the root.
    pub fn move_mount(&self, context: &PathContext, from: &[u8], to: &[u8]) -> Result<()> {
        self.may_mount(context)?;
        let from = self.resolve(context, from, true)?;
        let to = self.resolve(context, to, true)?;
        self.move_place(context, &from, to)
    }

    /// The same with places, of which the first may be the root of a tree that is in no
    /// namespace yet (move_mount(2)). Also `ENOSPC`.
    pub fn move_place(&self, context: &PathContext, from: &Path, to: Path) -> Result<()> {
        self.may_mount(context)?;
        let _one = self.changing();
        let to = self.place_for_mount(context, to)?;
        let is_new = from.mount.is_detached_root();
        let is_own = from.mount.is_beside(&context.root.mount) && from.mount.above().is_some();
        let is_root = from.same_as(&context.root) && from.mount.above().is_none();
        if is_root && !from.mount.is_locked() {
            // All is on it.
            return Err(Errno::ELOOP);
        }
        if !(is_own || is_new) || !from.is_mount_root() || from.mount.is_locked() {
            return Err(Errno::EINVAL);
        }
        if from.is_dir() != to.is_dir() {
            return Err(Errno::EINVAL);
        }
        if is_below(&to, from) {
            return Err(Errno::ELOOP);
        }
        let space = to.mount.space();
        match is_new {
            true => self.mounts.attach(&from.mount, to, &space),
            false => self.mounts.move_all([(&from.mount, Some(to))]),
        }
    }

    /// The mounts of a root's namespace that can be reached from there, as
    /// `/proc/mounts` shows them. `ENOMEM`.
    pub fn mounts(&self, root: &Path) -> Result<Vec<MountInfo>> {
        let mut infos = Vec::new();
        for mount in self.mounts.of_space(root.mount.space_id())? {
            let at = mount.root_path();
            let is_root = Arc::ptr_eq(&mount, &root.mount) && root.is_mount_root();
            if !is_root && !is_below(&at, root) {
                continue;
            }
            let target = match mount.above() {
                Some(covered) if !is_root => self.path_of(&covered, root)?,
                _ => b"/".to_vec(),
            };
            infos.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            infos.push(MountInfo {
                id: mount.id,
                parent: mount.above().map_or(mount.id, |above| above.mount.id),
                device: mount.fs.device(),
                root: Self::path_in_filesystem(&mount.root)?,
                source: mount.source().into(),
                target,
                kind: mount.fs.kind(),
                subtype: mount.fs.subtype().map(Into::into),
                options: mount.fs.shown_options()?,
                flags: mount.flags(),
                fs_read_only: mount.is_fs_read_only(),
            });
        }
        Ok(infos)
    }
}
