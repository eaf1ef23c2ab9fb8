//! Trees of mounts that are in no namespace, held by a descriptor: what open_tree(2) and
//! fsmount(2) give, for move_mount(2).

use super::mount::{Mount, MountFlags};
use super::{MountNamespace, Path, PathContext};
use crate::{Errno, File, FileSystem, Inode, Metadata, OpenFile, OpenFlags, Result};
use alloc::sync::Arc;
use core::any::Any;
use core::sync::atomic::Ordering;
use paddock_sync::{Pollable, Ready, WaitQueue, try_arc};

/// The tree goes with this, unless it has got into a namespace: dropping sleeps.
struct DetachedTree {
    tree: Arc<MountNamespace>,
    /// What stands for its namespace.
    space: u64,
}

impl Drop for DetachedTree {
    fn drop(&mut self) {
        let _one = self.tree.changing();
        self.tree.mounts.detach_space(self.space);
        // Errors of filesystems that end are told by those.
        let _ = self.tree.release_detached();
    }
}

/// What the descriptor of such a tree does: it is merely a place.
struct TreeFile {
    inode: Arc<dyn Inode>,
    _tree: DetachedTree,
}

impl Pollable for TreeFile {
    fn ready(&self) -> Ready {
        Ready::empty()
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        None
    }
}

impl File for TreeFile {
    fn metadata(&self) -> Result<Metadata> {
        self.inode.metadata()
    }

    fn inode(&self) -> Option<&Arc<dyn Inode>> {
        Some(&self.inode)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl MountNamespace {
    /// A descriptor's file for the tree at `root`, which is in the table.
    fn opened_tree(self: &Arc<Self>, root: Arc<Mount>) -> Result<Arc<OpenFile>> {
        let tree = DetachedTree {
            tree: self.clone(),
            space: root.space_id(),
        };
        let at = root.root_path();
        drop(root);
        let inode = at.inode().clone();
        let file = try_arc(TreeFile { inode, _tree: tree })?;
        OpenFile::new(file, Some(at), OpenFlags::PATH)
    }

    /// Copies of the mount of `from`, whose root that is to be, and of what is mounted
    /// below it if `recursive` (`OPEN_TREE_CLONE`). They go when nobody holds the file,
    /// unless they have been moved into a namespace. May sleep.
    ///
    /// # Errors
    /// `EPERM`; `EINVAL` for what is of another namespace, and for one mount alone that
    /// has something locked upon it; `ENOSPC`, `ENOMEM`.
    pub fn clone_tree(
        self: &Arc<Self>,
        context: &PathContext,
        from: &Path,
        recursive: bool,
    ) -> Result<Arc<OpenFile>> {
        self.may_mount(context)?;
        let own = context.root.mount.space();
        let space = own.detached(self.next_space.fetch_add(1, Ordering::Relaxed));
        let changing = self.changing();
        from.mount.check_attached()?;
        let root = self.show_again(context, from, None, &space, recursive)?;
        // The end of the tree, if it comes to that, needs the lock.
        drop(changing);
        self.opened_tree(root)
    }

    /// A mount of `fs` that is in no namespace (fsmount(2)). It goes when nobody holds
    /// the file, unless it has been moved into a namespace. May sleep. `EPERM`, `ENOMEM`.
    pub fn mount_detached(
        self: &Arc<Self>,
        context: &PathContext,
        fs: Arc<dyn FileSystem>,
        source: &str,
        flags: MountFlags,
    ) -> Result<Arc<OpenFile>> {
        self.may_mount(context)?;
        let own = context.root.mount.space();
        let space = own.detached(self.next_space.fetch_add(1, Ordering::Relaxed));
        let id = self.next_mount();
        let root = self.root_dentry(&fs, id)?;
        let mount = Mount::new((id, space), fs, root, None, source, flags)?;
        let changing = self.changing();
        self.mounts.push(mount.clone())?;
        drop(changing);
        self.opened_tree(mount)
    }

    /// The filesystem whose root is at `at`, for a change of it (fspick(2)). `EPERM`;
    /// `EINVAL` for what is no mount.
    pub fn mounted_fs(&self, context: &PathContext, at: &Path) -> Result<Arc<dyn FileSystem>> {
        self.may_mount(context)?;
        match at.is_mount_root() {
            true => Ok(at.mount.fs().clone()),
            false => Err(Errno::EINVAL),
        }
    }
}
