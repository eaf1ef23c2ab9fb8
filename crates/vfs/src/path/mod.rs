//! Paths: from bytes to [`Path`]s, through mounts and symbolic links.

mod attributes;
mod change;
mod clock;
mod dentry;
mod dentry_cache;
mod detached;
mod ended;
mod handles;
mod mount;
mod mount_namespace;
mod mount_table;
mod name;
mod names;
mod open;
mod remount;
mod rename;
mod space;
#[cfg(test)]
mod tests;
mod walk;
mod xattr;

pub use attributes::SetTime;
pub use dentry::Dentry;
pub(crate) use mount::MountWriting;
pub use mount::{Mount, MountFlags, MountInfo, Unmount};
pub use mount_namespace::{MountNamespace, NoSpecialNodes, NodeOpener};
pub use space::MountSpace;

use crate::{Cred, FileKind, Inode};
use alloc::sync::Arc;
use core::fmt;

/// A place in the tree: a name's dentry as seen through a mount.
#[derive(Clone)]
pub struct Path {
    pub(crate) mount: Arc<Mount>,
    pub(crate) dentry: Arc<Dentry>,
}

impl Path {
    /// What is there.
    pub fn inode(&self) -> &Arc<dyn Inode> {
        self.dentry.inode()
    }

    /// The mount it is seen through.
    pub fn mount(&self) -> &Arc<Mount> {
        &self.mount
    }

    /// Whether nothing may be executed there (`MS_NOEXEC` of mount(2)).
    pub fn forbids_exec(&self) -> bool {
        self.mount.flags().contains(MountFlags::NOEXEC)
    }

    /// Whether its name has been taken away.
    pub fn is_removed(&self) -> bool {
        self.dentry.is_removed()
    }

    /// Whether both are the same place.
    pub fn same_as(&self, other: &Path) -> bool {
        Arc::ptr_eq(&self.mount, &other.mount) && self.dentry.same_as(&other.dentry)
    }

    /// What kind of file it is. Never sleeps.
    pub(crate) fn kind(&self) -> FileKind {
        self.dentry.kind()
    }

    /// Whether it is a directory. Never sleeps.
    pub fn is_dir(&self) -> bool {
        self.dentry.kind() == FileKind::Directory
    }

    fn at(&self, dentry: Arc<Dentry>) -> Path {
        Path {
            mount: self.mount.clone(),
            dentry,
        }
    }

    /// Whether it is the root of its mount.
    pub fn is_mount_root(&self) -> bool {
        self.dentry.same_as(&self.mount.root)
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = alloc::string::String::from_utf8_lossy(&self.dentry.name()).into_owned();
        write!(f, "Path({}:{name})", self.mount.id)
    }
}

/// Where a process's paths start, and what its new files do not get.
#[derive(Clone, Debug)]
pub struct FsInfo {
    /// What `/` is, and `..` never leaves.
    pub root: Path,
    /// The working directory.
    pub base: Path,
    /// The mode bits that new files do not get.
    pub umask: u32,
}

bitflags::bitflags! {
    /// What a walk must not do (openat2(2), `resolve`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Restrict: u8 {
        /// Come onto another mount (`EXDEV`).
        const NO_XDEV = 1;
        /// Follow links that jump, as those in `/proc/PID/fd` (`ELOOP`).
        const NO_MAGICLINKS = 2;
        /// Follow links (`ELOOP`).
        const NO_SYMLINKS = 4;
        /// Leave its root (`EXDEV`).
        const BENEATH = 8;
        /// Leave its root, where it stays instead.
        const IN_ROOT = 0x10;
    }
}

impl Restrict {
    /// Whether links that jump are not to be followed for what is behind them.
    const SCOPED: Restrict = Restrict::BENEATH.union(Restrict::IN_ROOT);
}

/// Where a path starts and who walks it.
#[derive(Clone, Debug)]
pub struct PathContext {
    /// What `/` is, and `..` never leaves.
    pub root: Path,
    /// What relative paths start from: the working directory, or that of an
    /// `*at` call's descriptor.
    pub base: Path,
    /// Who asks.
    pub cred: Arc<Cred>,
    /// The mode bits that new files do not get.
    pub umask: u32,
    /// What the walk must not do.
    pub restrict: Restrict,
}

impl PathContext {
    /// The superuser's, at `root`.
    pub fn root_at(root: Path) -> PathContext {
        PathContext {
            base: root.clone(),
            root,
            cred: Cred::shared_root(),
            umask: 0o022,
            restrict: Restrict::empty(),
        }
    }

    /// Those of a process, for `cred`.
    pub fn new(fs: &FsInfo, cred: Arc<Cred>) -> PathContext {
        let FsInfo { root, base, umask } = fs.clone();
        PathContext {
            root,
            base,
            cred,
            umask,
            restrict: Restrict::empty(),
        }
    }

    /// What of it a process keeps, apart from its identity.
    pub fn fs_info(&self) -> FsInfo {
        FsInfo {
            root: self.root.clone(),
            base: self.base.clone(),
            umask: self.umask,
        }
    }

    /// The same for a walk from `base` that must not do some things; if it is not to
    /// leave that, it is its root.
    pub fn restricted(&self, base: Path, restrict: Restrict) -> PathContext {
        let root = match restrict.intersects(Restrict::SCOPED) {
            true => base.clone(),
            false => self.root.clone(),
        };
        PathContext {
            root,
            base,
            restrict,
            ..self.clone()
        }
    }

    /// The same with another start for relative paths.
    pub fn with_base(&self, base: Path) -> PathContext {
        PathContext {
            base,
            ..self.clone()
        }
    }
}
