//! Who hears that an inode is gone (`IN_DELETE_SELF`): once its last name is and nobody has
//! it by that any more.
//!
//! The last one lets go of it wherever that may be, maybe under a lock. So it is only noted
//! there, and told by whoever comes to a place where nobody holds one.

use super::{Events, is_any, to_inode};
use crate::{FileKind, Inode};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use paddock_sync::{PreemptOff, Rank, SpinLock};

/// An inode, and the number of its filesystem.
type Gone = (Arc<dyn Inode>, u64);

/// Those that are to be told.
static NOTED: SpinLock<Vec<Gone>, PreemptOff> = SpinLock::new(Rank::Leaf, Vec::new());
static IS_ANY: AtomicBool = AtomicBool::new(false);

/// The last one who had an inode by a name, which has been taken away, lets go of it.
/// Without memory it is not told. Never sleeps.
pub(crate) fn last_user_left(inode: &Arc<dyn Inode>, fs: u64) {
    if !is_any() {
        return;
    }
    let mut noted = NOTED.lock();
    if noted.try_reserve(1).is_ok() {
        noted.push((inode.clone(), fs));
        IS_ANY.store(true, Relaxed);
    }
}

/// Tells of those that are noted. No lock may be held. May sleep.
#[inline]
pub fn settle() {
    if IS_ANY.load(Relaxed) {
        tell_all();
    }
}

#[cold]
#[inline(never)]
fn tell_all() {
    IS_ANY.store(false, Relaxed);
    loop {
        let next = NOTED.lock().pop();
        let Some((inode, fs)) = next else { return };
        tell(&inode, fs);
    }
}

/// Tells of an inode that nobody has by a name, if it has no other name. May sleep.
pub(super) fn tell(inode: &Arc<dyn Inode>, fs: u64) {
    let is_folder = inode.kind() == FileKind::Directory;
    if is_folder || inode.metadata().is_ok_and(|metadata| metadata.links == 0) {
        to_inode(inode, Some(fs), Events::DELETE_SELF);
    }
}
