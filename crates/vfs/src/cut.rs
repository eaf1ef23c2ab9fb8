//! Files that are cut while they are mapped.

use crate::Inode;
use alloc::sync::Arc;
use paddock_sync::OnceCell;

/// Takes what is behind `size` bytes of the inode out of the mappings. May sleep.
type Unmap = fn(inode: &Arc<dyn Inode>, size: u64);

static UNMAP: OnceCell<Unmap> = OnceCell::new();

/// Sets what is called when a file that may be mapped got another length, with none of
/// its filesystem's locks held. Once; false if it was set before.
pub fn on_cut(function: Unmap) -> bool {
    UNMAP.set(function).is_ok()
}

/// The inode has `size` bytes now.
pub(crate) fn was_cut(inode: &Arc<dyn Inode>, size: u64) {
    if inode.write_count().is_some_and(|count| count.is_mapped())
        && let Some(function) = UNMAP.get()
    {
        function(inode, size);
    }
}
