//! Mounts upon folders of processes, which go with those.

use super::{Dentry, MountNamespace, Path};
use crate::{Inode, Result};
use alloc::sync::Arc;

impl MountNamespace {
    /// Something that folders stood for has ended: what is mounted on them, or below
    /// them, in whichever namespace, is taken out of the tree. `is_of_it` knows its
    /// folders. May sleep. `ENOMEM`, errors of filesystems that end.
    pub fn uncover_ended(&self, is_of_it: &dyn Fn(&dyn Inode) -> bool) -> Result<()> {
        if !self.mounts.has_any_on_processes() {
            return Ok(());
        }
        let _one = self.changing();
        for mount in self.mounts.on_processes()? {
            if mount.above().is_some_and(|on| is_below_one(&on, is_of_it)) {
                self.mounts.detach(&mount)?;
            }
        }
        self.release_detached()
    }
}

/// Whether a place is such a folder or lies in one.
fn is_below_one(place: &Path, is_of_it: &dyn Fn(&dyn Inode) -> bool) -> bool {
    let mut at: Option<Arc<Dentry>> = Some(place.dentry.clone());
    while let Some(dentry) = at {
        if is_of_it(&**dentry.inode()) {
            return true;
        }
        at = dentry.parent();
    }
    false
}
