//! Everything that makes, changes or takes away names, but rename(2).

use super::dentry::{Dentry, Names};
use super::name::Name;
use super::walk::Walk;
use super::{MountNamespace, Path, PathContext};
use crate::notify::{self, Events, Watched};
use crate::{Access, Errno, FileKind, Inode, NewNode, Result};
use alloc::sync::Arc;
use paddock_cred::{Cap, FileRights};

/// The last component of a path, and where it is.
pub(super) struct Place<'a> {
    pub dir: Path,
    pub name: Name<'a>,
    /// A slash follows it.
    pub slash: bool,
}

impl MountNamespace {
    /// Walks to the directory of the last component; `here` if there is none
    /// (`.`, `..`, `/`).
    pub(super) fn place<'a>(
        &'a self,
        context: &'a PathContext,
        path: &'a [u8],
        here: Errno,
    ) -> Result<Place<'a>> {
        let mut walk = Walk::new(self, context, path)?;
        match walk.advance()? {
            Some(name) => Ok(Place {
                name,
                slash: walk.trailing_slash(),
                dir: walk.at,
            }),
            None => Err(here),
        }
    }

    /// The node to make in `dir`, if it may be made.
    pub(super) fn prepare_create(
        &self,
        context: &PathContext,
        dir: &Path,
        kind: FileKind,
        mode: u32,
    ) -> Result<NewNode> {
        let rights = check_change(context, dir)?;
        let mode = mode & 0o7777 & !context.umask;
        let directory = kind == FileKind::Directory;
        let (mode, gid) = context.cred.created(&rights, mode, directory);
        let node = NewNode::new(kind, mode, &context.cred);
        Ok(NewNode { gid, ..node })
    }

    /// Makes `name` in `dir` with `make`, and its dentry.
    pub(super) fn change_dir(
        &self,
        dir: &Path,
        make: impl FnOnce(&Arc<dyn Inode>) -> Result<Arc<dyn Inode>>,
        name: &[u8],
    ) -> Result<Arc<Dentry>> {
        let dentry = {
            let names = dir.dentry.lock_names();
            let own = Names::new(name)?;
            let inode = make(dir.inode())?;
            let _names = names.or_now(&dir.dentry);
            self.remember(&dir.dentry, own, inode)
        };
        notify::to_name(
            &dir.dentry,
            name,
            Some(dentry.inode()),
            dentry.kind(),
            Events::CREATE,
        );
        Ok(dentry)
    }

    fn make_node(
        &self,
        context: &PathContext,
        path: &[u8],
        kind: FileKind,
        mode: u32,
        rdev: u64,
    ) -> Result<Path> {
        let place = self.place(context, path, Errno::EEXIST)?;
        self.check_absent(&place)?;
        if place.slash && kind != FileKind::Directory {
            return Err(Errno::ENOENT);
        }
        let node = self.prepare_create(context, &place.dir, kind, mode)?;
        let node = NewNode { rdev, ..node };
        let make = |dir: &Arc<dyn Inode>| dir.create(&place.name, &node);
        let dentry = self.change_dir(&place.dir, make, &place.name)?;
        Ok(place.dir.at(dentry))
    }

    /// What exists is reported before what is not permitted, as on Linux.
    fn check_absent(&self, place: &Place<'_>) -> Result<()> {
        if !place.dir.is_dir() {
            return Err(Errno::ENOTDIR);
        }
        match self.child(&place.dir.dentry, &place.name) {
            Ok(_) => Err(Errno::EEXIST),
            Err(Errno::ENOENT) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// mkdir(2); `mode` before the mask.
    pub fn mkdir(&self, context: &PathContext, path: &[u8], mode: u32) -> Result<Path> {
        self.make_node(context, path, FileKind::Directory, mode & 0o1777, 0)
    }

    /// mknod(2): a regular file, fifo, socket or device node. `EPERM` for a
    /// directory, or for a device without CAP_MKNOD.
    pub fn mknod(
        &self,
        context: &PathContext,
        path: &[u8],
        kind: FileKind,
        mode: u32,
        rdev: u64,
    ) -> Result<Path> {
        match kind {
            FileKind::Directory | FileKind::Symlink => return Err(Errno::EPERM),
            FileKind::CharDevice | FileKind::BlockDevice => {
                context.cred.require(Cap::CAP_MKNOD)?;
            }
            _ => {}
        }
        self.make_node(context, path, kind, mode, rdev)
    }

    /// symlink(2). `ENOENT` for an empty target, `ENAMETOOLONG`.
    pub fn symlink(&self, context: &PathContext, target: &[u8], path: &[u8]) -> Result<()> {
        match target.len() {
            0 => return Err(Errno::ENOENT),
            super::name::PATH_MAX.. => return Err(Errno::ENAMETOOLONG),
            _ => {}
        }
        let place = self.place(context, path, Errno::EEXIST)?;
        self.check_absent(&place)?;
        if place.slash {
            return Err(Errno::ENOENT);
        }
        let node = self.prepare_create(context, &place.dir, FileKind::Symlink, 0o777)?;
        let node = NewNode {
            mode: 0o777,
            ..node
        };
        let make = |dir: &Arc<dyn Inode>| dir.symlink(&place.name, target, &node);
        self.change_dir(&place.dir, make, &place.name).map(drop)
    }

    /// link(2): gives what is at `old` another name. `EPERM` for a directory,
    /// `EXDEV`, `EMLINK`; `ENOENT` for one whose last name is gone, and for an
    /// unnamed one that is to stay so.
    pub fn link(&self, old: &Path, context: &PathContext, path: &[u8]) -> Result<()> {
        let place = self.place(context, path, Errno::EEXIST)?;
        self.check_absent(&place)?;
        if place.slash {
            return Err(Errno::ENOENT);
        }
        if old.is_dir() {
            return Err(Errno::EPERM);
        }
        if old.mount.id != place.dir.mount.id {
            return Err(Errno::EXDEV);
        }
        check_change(context, &place.dir)?;
        let make = |dir: &Arc<dyn Inode>| {
            if old.inode().metadata()?.links == 0 && !old.dentry.is_linkable() {
                return Err(Errno::ENOENT);
            }
            dir.link(&place.name, old.inode())?;
            old.dentry.mark_linked();
            Ok(old.inode().clone())
        };
        self.change_dir(&place.dir, make, &place.name)?;
        notify::to_inode(old.inode(), Some(old.dentry.fs()), Events::ATTRIB);
        Ok(())
    }

    /// unlink(2). `EISDIR` for a directory, `EBUSY` for a mount point.
    pub fn unlink(&self, context: &PathContext, path: &[u8]) -> Result<()> {
        let place = self.place(context, path, Errno::EISDIR)?;
        self.remove(context, &place, |dir, kind| match (kind, place.slash) {
            (FileKind::Directory, _) => Err(Errno::EISDIR),
            (_, true) => Err(Errno::ENOTDIR),
            _ => dir.unlink(&place.name),
        })
    }

    /// rmdir(2). `ENOTDIR`, `ENOTEMPTY`, `EBUSY` for a mount point, `EINVAL`
    /// for `.`.
    pub fn rmdir(&self, context: &PathContext, path: &[u8]) -> Result<()> {
        let here = match path.ends_with(b".") {
            true if path.ends_with(b"..") => Errno::ENOTEMPTY,
            true => Errno::EINVAL,
            false => Errno::EBUSY,
        };
        let place = self.place(context, path, here)?;
        self.remove(context, &place, |dir, kind| match kind {
            FileKind::Directory => dir.rmdir(&place.name),
            _ => Err(Errno::ENOTDIR),
        })
    }

    /// Takes a name away with `remove`, which is told of what kind that is.
    fn remove(
        &self,
        context: &PathContext,
        place: &Place<'_>,
        remove: impl FnOnce(&Arc<dyn Inode>, FileKind) -> Result<()>,
    ) -> Result<()> {
        let dir = &place.dir;
        check_not_generated(place, self)?;
        let (kind, victim) = {
            let names = dir.dentry.lock_names();
            let victim = self.child_locked(&dir.dentry, &place.name)?;
            check_delete(context, dir, victim.inode())?;
            self.check_not_mount_point(context, &victim)?;
            let kind = victim.kind();
            let victim = self.let_go(victim);
            remove(dir.inode(), kind)?;
            let _names = names.or_now(&dir.dentry);
            if let Victim::InUse(victim) = &victim {
                dir.dentry.forget_child(&place.name);
                victim.mark_removed();
            }
            (kind, victim)
        };
        let is_unused = matches!(victim, Victim::Unused(_));
        let (inode, last) = match victim {
            Victim::InUse(victim) => {
                self.uncover(&victim)?;
                (Some(victim.inode().clone()), Some(victim))
            }
            Victim::Unused(watched) => (watched.and_then(|watched| watched.inode()), None),
        };
        if let Some(inode) = &inode {
            notify::name_lost(inode, dir.dentry.fs(), is_unused);
        }
        if let Some(last) = last {
            drop(last);
            notify::settle();
        }
        let (dir, name) = (&dir.dentry, &place.name);
        notify::to_name(dir, name, inode.as_ref(), kind, Events::DELETE);
        Ok(())
    }

    /// Forgets a dentry that nobody else uses, before its name is taken away: its
    /// filesystem can free at once what it then has no object of. The caller holds the
    /// directory's lock; whoever looks the name up waits for that.
    fn let_go(&self, victim: Arc<Dentry>) -> Victim {
        self.cache.remove(&victim);
        match Arc::try_unwrap(victim) {
            Ok(unused) => Victim::Unused(notify::watched(unused.inode())),
            Err(victim) => Victim::InUse(victim),
        }
    }
}

/// The dentry of a name that is taken away.
enum Victim {
    /// Others have it: it is forgotten when its name is gone.
    InUse(Arc<Dentry>),
    /// Forgotten. Its inode, if somebody may watch that.
    Unused(Option<Watched>),
}

/// May names be added to `dir`? Its rights.
pub(super) fn check_change(context: &PathContext, dir: &Path) -> Result<FileRights> {
    if !dir.is_dir() {
        return Err(Errno::ENOTDIR);
    }
    dir.mount.check_writable()?;
    if !dir.inode().takes_names() {
        return Err(Errno::EPERM);
    }
    let rights = dir.inode().rights()?;
    let wanted = Access::WRITE | Access::EXECUTE;
    context.cred.check_file(&rights, wanted)?;
    match dir.dentry.is_removed() {
        true => Err(Errno::ENOENT),
        false => Ok(rights),
    }
}

/// Nothing can be taken out of a generated directory. It is looked up without
/// any lock, as what it stands for may need locks that come earlier in order.
pub(super) fn check_not_generated(place: &Place<'_>, namespace: &MountNamespace) -> Result<()> {
    let dir = &place.dir;
    if !dir.is_dir() {
        return Err(Errno::ENOTDIR);
    }
    if dir.inode().takes_names() {
        return Ok(());
    }
    namespace.child(&dir.dentry, &place.name)?;
    Err(Errno::EPERM)
}

/// May `victim` be taken out of `dir`?
pub(super) fn check_delete(
    context: &PathContext,
    dir: &Path,
    victim: &Arc<dyn Inode>,
) -> Result<()> {
    dir.mount.check_writable()?;
    let cred = &context.cred;
    if cred.capable(Cap::CAP_DAC_OVERRIDE) && cred.capable(Cap::CAP_FOWNER) {
        return Ok(());
    }
    cred.check_delete(&dir.inode().rights()?, &victim.rights()?)
}
