//! [`InodeTable`]: the objects of the inodes in use, by number.

use crate::inode::Ext4Inode;
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use paddock_sync::{PreemptOff, Rank, SpinLock};

/// There is at most one object for a number. None of its calls sleeps.
pub(crate) struct InodeTable(SpinLock<BTreeMap<u32, Weak<Ext4Inode>>, PreemptOff>);

impl InodeTable {
    pub fn new() -> InodeTable {
        InodeTable(SpinLock::new(Rank::Leaf, BTreeMap::new()))
    }

    /// The object of an inode, if it is in use.
    pub fn get(&self, ino: u32) -> Option<Arc<Ext4Inode>> {
        self.0.lock().get(&ino).and_then(Weak::upgrade)
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "small: a caller has asked may_allocate, and the heap keeps a reserve for such"
    )]
    pub fn insert(&self, inode: &Arc<Ext4Inode>) {
        self.0.lock().insert(inode.ino, Arc::downgrade(inode));
    }

    /// Takes `inode` out, unless another object has taken its number.
    pub fn remove(&self, inode: &Ext4Inode) {
        let mut table = self.0.lock();
        let listed = table.get(&inode.ino);
        if listed.is_some_and(|weak| core::ptr::eq(weak.as_ptr(), inode)) {
            table.remove(&inode.ino);
        }
    }
}
