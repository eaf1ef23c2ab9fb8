//! Everything that makes, changes or takes away names, but rename(2).

use super::dentry::Dentry;
use super::name::Name;
use super::walk::Walk;
use super::{Namespace, Path, PathContext};
use crate::{Access, Errno, FileKind, Inode, Metadata, NewNode, Result, SetMetadata, Timestamp};
use alloc::sync::Arc;
use paddock_abi::stat::{S_ISGID, S_ISUID, S_ISVTX};

/// The last component of a path, and where it is.
pub(super) struct Place {
    pub dir: Path,
    pub name: Name,
    /// A slash follows it.
    pub slash: bool,
}

/// A time that utimensat(2) sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetTime {
    /// The time now (`UTIME_NOW`).
    Now(Timestamp),
    /// This time.
    At(Timestamp),
    /// Leave it (`UTIME_OMIT`).
    Omit,
}

impl SetTime {
    fn value(self) -> Option<Timestamp> {
        match self {
            SetTime::Now(time) | SetTime::At(time) => Some(time),
            SetTime::Omit => None,
        }
    }
}

impl Namespace {
    /// Walks to the directory of the last component; `here` if there is none
    /// (`.`, `..`, `/`).
    pub(super) fn place(&self, context: &PathContext, path: &[u8], here: Errno) -> Result<Place> {
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
        let meta = check_change(context, dir)?;
        let mut node = NewNode::new(kind, mode & 0o7777 & !context.umask, &context.credentials);
        if meta.mode & S_ISGID != 0 {
            node.gid = meta.gid;
            if kind == FileKind::Directory {
                node.mode |= S_ISGID;
            }
        }
        Ok(node)
    }

    /// Makes `name` in `dir` with `make`, and its dentry.
    pub(super) fn change_dir(
        &self,
        dir: &Path,
        make: impl FnOnce(&Arc<dyn Inode>) -> Result<Arc<dyn Inode>>,
        name: &[u8],
    ) -> Result<Arc<Dentry>> {
        let _names = dir.dentry.dir_lock.lock();
        let inode = make(dir.inode())?;
        self.remember(&dir.dentry, name, inode)
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
    fn check_absent(&self, place: &Place) -> Result<()> {
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
    /// directory, or for a device by anyone but the superuser.
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
            FileKind::CharDevice | FileKind::BlockDevice if context.credentials.uid != 0 => {
                return Err(Errno::EPERM);
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
    /// `EXDEV`, `EMLINK`.
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
            dir.link(&place.name, old.inode())?;
            Ok(old.inode().clone())
        };
        self.change_dir(&place.dir, make, &place.name).map(drop)
    }

    /// unlink(2). `EISDIR` for a directory, `EBUSY` for a mount point.
    pub fn unlink(&self, context: &PathContext, path: &[u8]) -> Result<()> {
        let place = self.place(context, path, Errno::EISDIR)?;
        self.remove(context, &place, |dir, victim| {
            match (victim.kind(), place.slash) {
                (FileKind::Directory, _) => Err(Errno::EISDIR),
                (_, true) => Err(Errno::ENOTDIR),
                _ => dir.unlink(&place.name),
            }
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
        self.remove(context, &place, |dir, victim| match victim.kind() {
            FileKind::Directory => dir.rmdir(&place.name),
            _ => Err(Errno::ENOTDIR),
        })
    }

    fn remove(
        &self,
        context: &PathContext,
        place: &Place,
        remove: impl FnOnce(&Arc<dyn Inode>, &Arc<dyn Inode>) -> Result<()>,
    ) -> Result<()> {
        let dir = &place.dir;
        check_not_generated(place, self)?;
        let victim = {
            let _names = dir.dentry.dir_lock.lock();
            let victim = self.child_locked(&dir.dentry, &place.name)?;
            check_delete(context, dir, victim.inode())?;
            self.check_not_mount_point(&victim)?;
            remove(dir.inode(), victim.inode())?;
            dir.dentry.forget_child(&place.name);
            victim.mark_removed();
            victim
        };
        self.cache.remove(&victim);
        Ok(())
    }

    /// chmod(2). `EPERM`, `EROFS`.
    pub fn chmod(&self, context: &PathContext, at: &Path, mode: u32) -> Result<()> {
        at.mount.check_writable()?;
        let meta = at.inode().metadata()?;
        context.credentials.check_owner(&meta)?;
        let mut mode = mode & 0o7777;
        let superuser = context.credentials.uid == 0;
        if !superuser && !context.credentials.in_group(meta.gid) {
            mode &= !S_ISGID;
        }
        if !superuser && meta.kind != FileKind::Directory {
            mode &= !S_ISVTX;
        }
        at.inode().set_metadata(&SetMetadata {
            mode: Some(mode),
            ..SetMetadata::default()
        })
    }

    /// chown(2); `None` leaves one as it is. Set-user bits of an executable
    /// go. `EPERM`, `EROFS`.
    pub fn chown(
        &self,
        context: &PathContext,
        at: &Path,
        uid: Option<u32>,
        gid: Option<u32>,
    ) -> Result<()> {
        at.mount.check_writable()?;
        let meta = at.inode().metadata()?;
        let who = &context.credentials;
        let allowed = who.uid == 0
            || (who.uid == meta.uid
                && uid.is_none_or(|uid| uid == meta.uid)
                && gid.is_none_or(|gid| who.in_group(gid)));
        if !allowed {
            return Err(Errno::EPERM);
        }
        let loses_bits = meta.kind == FileKind::Regular && meta.mode & 0o111 != 0;
        at.inode().set_metadata(&SetMetadata {
            uid,
            gid,
            mode: loses_bits.then_some(meta.mode & !(S_ISUID | S_ISGID)),
            ..SetMetadata::default()
        })
    }

    /// utimensat(2). `EPERM`, `EACCES`, `EROFS`.
    pub fn set_times(
        &self,
        context: &PathContext,
        at: &Path,
        atime: SetTime,
        mtime: SetTime,
    ) -> Result<()> {
        if (atime, mtime) == (SetTime::Omit, SetTime::Omit) {
            return Ok(());
        }
        at.mount.check_writable()?;
        let meta = at.inode().metadata()?;
        let who = &context.credentials;
        let both_now = matches!((atime, mtime), (SetTime::Now(_), SetTime::Now(_)));
        if who.check_owner(&meta).is_err() {
            match both_now {
                true => who.check(&meta, Access::WRITE)?,
                false => return Err(Errno::EPERM),
            }
        }
        at.inode().set_metadata(&SetMetadata {
            atime: atime.value(),
            mtime: mtime.value(),
            ..SetMetadata::default()
        })
    }

    /// truncate(2). `EISDIR`, `EINVAL`, `EACCES`, `EROFS`.
    pub fn truncate(&self, context: &PathContext, at: &Path, size: u64) -> Result<()> {
        match at.inode().kind() {
            FileKind::Regular => {}
            FileKind::Directory => return Err(Errno::EISDIR),
            _ => return Err(Errno::EINVAL),
        }
        if size > i64::MAX as u64 {
            return Err(Errno::EINVAL);
        }
        at.mount.check_writable()?;
        let meta = at.inode().metadata()?;
        context.credentials.check(&meta, Access::WRITE)?;
        at.inode().set_metadata(&SetMetadata {
            size: Some(size),
            ..SetMetadata::default()
        })
    }

    /// access(2) with the credentials of `context`. `EACCES`, `EROFS`.
    pub fn access(&self, context: &PathContext, at: &Path, access: Access) -> Result<()> {
        let meta = at.inode().metadata()?;
        let stored = matches!(
            meta.kind,
            FileKind::Regular | FileKind::Directory | FileKind::Symlink
        );
        if access.contains(Access::WRITE) && stored {
            at.mount.check_writable()?;
        }
        context.credentials.check(&meta, access)
    }
}

/// May names be added to `dir`? Its metadata.
pub(super) fn check_change(context: &PathContext, dir: &Path) -> Result<Metadata> {
    if !dir.is_dir() {
        return Err(Errno::ENOTDIR);
    }
    dir.mount.check_writable()?;
    if !dir.inode().cacheable() {
        return Err(Errno::EPERM);
    }
    let meta = dir.inode().metadata()?;
    let wanted = Access::WRITE | Access::EXECUTE;
    context.credentials.check(&meta, wanted)?;
    match dir.dentry.is_removed() {
        true => Err(Errno::ENOENT),
        false => Ok(meta),
    }
}

/// Nothing can be taken out of a generated directory. It is looked up without
/// any lock, as what it stands for may need locks that come earlier in order.
pub(super) fn check_not_generated(place: &Place, namespace: &Namespace) -> Result<()> {
    let dir = &place.dir;
    if !dir.is_dir() {
        return Err(Errno::ENOTDIR);
    }
    if dir.inode().cacheable() {
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
    if context.credentials.uid == 0 {
        return Ok(());
    }
    let dir = dir.inode().metadata()?;
    context.credentials.check_delete(&dir, &victim.metadata()?)
}
