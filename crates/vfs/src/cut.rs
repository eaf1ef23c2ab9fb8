//! Files that are cut while they are mapped.

use crate::Inode;
use alloc::sync::Arc;
use paddock_sync::OnceCell;

/// Takes what is behind `size` bytes of the inode out of the mappings. May sleep.
type Unmap = fn(inode: &Arc<dyn Inode>, size: u64);

static UNMAP: OnceCell<Unmap> = OnceCell::new();

/// Sets what is called when a file that may be mapped has become shorter, with none of
/// its filesystem's locks held. Once; false if it was set before.
pub fn on_cut(function: Unmap) -> bool {
    UNMAP.set(function).is_ok()
}

/// The length of the inode was set: what it was cut by goes from all mappings. Costs
/// nothing for a file that has grown, or that nobody maps. May sleep.
pub fn length_was_set(inode: &Arc<dyn Inode>) {
    if let Some(count) = inode.write_count()
        && let Some(size) = count.take_cut()
        && count.is_mapped()
        && let Some(function) = UNMAP.get()
    {
        function(inode, size);
    }
}
