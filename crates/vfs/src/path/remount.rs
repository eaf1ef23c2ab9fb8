//! Changes of mounts that are there: their flags, and their filesystems
//! (`MS_REMOUNT` of mount(2), mount_setattr(2)).

use super::mount::{Mount, MountFlags};
use super::space::is_below;
use super::{MountNamespace, Path, PathContext};
use crate::{Errno, Reconfiguration, Result};
use alloc::sync::Arc;
use alloc::vec::Vec;

impl MountNamespace {
    /// The mount whose root is at `path`, for a change of it. `EPERM`, `EINVAL`.
    fn own_mount(&self, context: &PathContext, path: &[u8]) -> Result<Arc<Mount>> {
        self.may_mount(context)?;
        let at = self.resolve(context, path, true)?;
        at.mount.check_attached()?;
        let is_own = at.mount.is_beside(&context.root.mount);
        match at.is_mount_root() && is_own {
            true => Ok(at.mount),
            false => Err(Errno::EINVAL),
        }
    }

    /// Gives the mount at `path` other flags. `EPERM`, also for those that it keeps;
    /// `EINVAL` for what is no mount; `EBUSY` if it is to be read-only and files are open
    /// for writing.
    pub fn set_mount_flags(
        &self,
        context: &PathContext,
        path: &[u8],
        flags: MountFlags,
    ) -> Result<()> {
        let mount = self.own_mount(context, path)?;
        let _one = self.changing();
        mount.check_flags(flags)?;
        mount.set_flags(flags)
    }

    /// Changes the filesystem of the mount at `path`, and gives that mount other flags.
    /// `EPERM`, also for flags that it keeps; `EINVAL` for what is no mount; else as
    /// [`Reconfiguration::apply`].
    pub fn remount(
        &self,
        context: &PathContext,
        path: &[u8],
        flags: MountFlags,
        change: &Reconfiguration<'_>,
    ) -> Result<()> {
        let mount = self.own_mount(context, path)?;
        let _one = self.changing();
        mount.check_flags(flags)?;
        change.apply(&**mount.fs())?;
        mount.set_flags(flags)
    }

    /// Sets flags of the mount at `at`, and clears others before; of all that are below
    /// it as well if `recursive`. It may be of a tree that is in no namespace yet.
    /// `EPERM`, `EINVAL` for what is no mount, `ENOMEM`, `EBUSY`: nothing has changed then.
    pub fn change_mount_flags(
        &self,
        context: &PathContext,
        at: &Path,
        (set, clear): (MountFlags, MountFlags),
        recursive: bool,
    ) -> Result<()> {
        self.may_mount(context)?;
        let _one = self.changing();
        at.mount.check_attached()?;
        let is_own = at.mount.is_beside(&context.root.mount) || at.mount.is_detached_root();
        if !at.is_mount_root() || !is_own {
            return Err(Errno::EINVAL);
        }
        let mut mounts = match recursive {
            true => self.mounts.of_space(at.mount.space_id())?,
            false => Vec::new(),
        };
        mounts.retain(|mount| is_below(&mount.root_path(), at));
        if !recursive {
            mounts.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            mounts.push(at.mount.clone());
        }
        change_all(&mounts, |flags| flags.difference(clear) | set)
    }

    /// Whether there is a mount at `path` that the caller may change: no mount tells
    /// another of what is mounted, which is what it is then asked for. `EPERM`, `EINVAL`.
    pub fn make_private(&self, context: &PathContext, path: &[u8]) -> Result<()> {
        self.own_mount(context, path).map(drop)
    }
}

/// Changes the flags of all or of none. `EPERM`, `EBUSY`, `ENOMEM`.
fn change_all(mounts: &[Arc<Mount>], changed: impl Fn(MountFlags) -> MountFlags) -> Result<()> {
    for mount in mounts {
        mount.check_flags(changed(mount.flags()))?;
    }
    let mut old = Vec::new();
    let room = old.try_reserve_exact(mounts.len());
    room.map_err(|_| Errno::ENOMEM)?;
    for mount in mounts {
        let before = mount.flags();
        if let Err(error) = mount.set_flags(changed(before)) {
            for (mount, flags) in mounts.iter().zip(old) {
                // What was allowed before this call is allowed.
                let _ = mount.set_flags(flags);
            }
            return Err(error);
        }
        old.push(before);
    }
    Ok(())
}
