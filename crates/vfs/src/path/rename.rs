//! rename(2).

use super::change::{Place, check_change, check_delete};
use super::dentry::{Dentry, Keeping, Names};
use super::{MountNamespace, PathContext};
use crate::notify;
use crate::{Errno, FileKind, Result};
use alloc::sync::Arc;
use paddock_abi::fcntl::{RENAME_EXCHANGE, RENAME_NOREPLACE};

impl MountNamespace {
    /// renameat2(2): each path with its own start. `EXDEV`, `EINVAL` (a
    /// directory into itself), `EBUSY` (a mount point), and the errors of
    /// [`crate::Inode::rename`].
    pub fn rename(
        &self,
        old_context: &PathContext,
        old: &[u8],
        new_context: &PathContext,
        new: &[u8],
        flags: u32,
    ) -> Result<()> {
        check_flags(flags)?;
        let from = self.place(old_context, old, Errno::EBUSY)?;
        let to = self.place(new_context, new, Errno::EBUSY)?;
        if from.dir.mount.id != to.dir.mount.id {
            return Err(Errno::EXDEV);
        }
        // Whose names are not remembered may take as long as it likes to answer: only what
        // is done of dentries then has the lock.
        let is_kept = from.dir.dentry.keeping() == Keeping::All;
        let renaming = is_kept.then(|| self.renaming.lock());
        let Some(done) = self.rename_locked(old_context, &from, &to, flags)? else {
            return Ok(());
        };
        let places = (
            (&*from.dir.dentry, &from.name[..]),
            (&*to.dir.dentry, &to.name[..]),
        );
        notify::moved(places.0, places.1, done.moved.inode());
        match done.target {
            Some(other) if flags & RENAME_EXCHANGE != 0 => {
                notify::moved(places.1, places.0, other.inode());
            }
            Some(replaced) => {
                drop(renaming);
                self.cache.remove(&replaced);
                self.uncover(&replaced)?;
                notify::name_lost(replaced.inode(), replaced.fs(), false);
                drop(replaced);
                notify::settle();
            }
            None => {}
        }
        Ok(())
    }

    /// What was renamed, and what was there; `None` if nothing had to be done.
    fn rename_locked(
        &self,
        context: &PathContext,
        from: &Place<'_>,
        to: &Place<'_>,
        flags: u32,
    ) -> Result<Option<Renamed>> {
        check_change(context, &from.dir)?;
        check_change(context, &to.dir)?;
        let same_dir = Arc::ptr_eq(&from.dir.dentry, &to.dir.dentry);
        let (old_dir, new_dir) = (&from.dir.dentry, &to.dir.dentry);
        let from_names = old_dir.lock_names();
        let to_names = (!same_dir).then(|| new_dir.lock_names());
        let source = self.child_locked(&from.dir.dentry, &from.name)?;
        let target = match self.child_locked(&to.dir.dentry, &to.name) {
            Ok(target) => Some(target),
            Err(Errno::ENOENT) => None,
            Err(error) => return Err(error),
        };
        self.check_rename(context, from, to, &source, target.as_ref())
            .map_err(|error| in_exchange(error, flags))?;
        let names = (Names::new(&from.name)?, Names::new(&to.name)?);
        old_dir
            .inode()
            .rename(&from.name, new_dir.inode(), &to.name, flags)?;
        let is_kept = old_dir.keeping() == Keeping::All;
        let _renaming = (!is_kept).then(|| self.renaming.lock());
        let _from_names = from_names.or_now(old_dir);
        let _to_names = to_names.map(|names| names.or_now(new_dir));
        if !is_kept && new_dir.is_within(&source) {
            // Others have moved the directory meanwhile, and the filesystem has not minded:
            // dentries stay a tree.
            return Err(Errno::EIO);
        }
        if target
            .as_ref()
            .is_some_and(|target| same_inode(target, &source))
        {
            return Ok(None);
        }
        let (from_names, to_names) = names;
        move_dentries(
            (from, from_names),
            (to, to_names),
            &source,
            target.as_ref(),
            flags,
        );
        Ok(Some(Renamed {
            moved: source,
            target,
        }))
    }

    fn check_rename(
        &self,
        context: &PathContext,
        from: &Place<'_>,
        to: &Place<'_>,
        source: &Arc<Dentry>,
        target: Option<&Arc<Dentry>>,
    ) -> Result<()> {
        let is_dir = source.inode().kind() == FileKind::Directory;
        if (from.slash || to.slash) && !is_dir {
            return Err(Errno::ENOTDIR);
        }
        check_delete(context, &from.dir, source.inode())?;
        self.check_not_mount_point(context, source)?;
        if is_dir && to.dir.dentry.is_within(source) {
            return Err(Errno::EINVAL);
        }
        let Some(target) = target else {
            return Ok(());
        };
        check_delete(context, &to.dir, target.inode())?;
        self.check_not_mount_point(context, target)?;
        match from.dir.dentry.is_within(target) {
            true if target.inode().kind() == FileKind::Directory => Err(Errno::ENOTEMPTY),
            _ => Ok(()),
        }
    }
}

/// What a rename was of.
struct Renamed {
    moved: Arc<Dentry>,
    /// What had the new name: it has lost it, or got the old one.
    target: Option<Arc<Dentry>>,
}

/// A folder above does not have to be empty where both stay: it cannot come below itself.
fn in_exchange(error: Errno, flags: u32) -> Errno {
    match error {
        Errno::ENOTEMPTY if flags & RENAME_EXCHANGE != 0 => Errno::EINVAL,
        error => error,
    }
}

fn check_flags(flags: u32) -> Result<()> {
    match flags {
        0 | RENAME_NOREPLACE | RENAME_EXCHANGE => Ok(()),
        _ => Err(Errno::EINVAL),
    }
}

fn same_inode(a: &Dentry, b: &Dentry) -> bool {
    a.inode().ino() == b.inode().ino()
}

/// Makes the dentries follow what the filesystem has done.
fn move_dentries(
    (from, from_names): (&Place<'_>, Names),
    (to, to_names): (&Place<'_>, Names),
    source: &Arc<Dentry>,
    target: Option<&Arc<Dentry>>,
    flags: u32,
) {
    let (old_dir, new_dir) = (&from.dir.dentry, &to.dir.dentry);
    drop(old_dir.forget_child(&from.name));
    drop(new_dir.forget_child(&to.name));
    new_dir.adopt(to_names, source);
    match target {
        Some(target) if flags & RENAME_EXCHANGE != 0 => old_dir.adopt(from_names, target),
        Some(target) => target.mark_removed(),
        None => {}
    }
}
