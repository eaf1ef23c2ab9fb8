//! What is only kept to be quicker, and is given back when memory is short: pages of
//! files, names and metadata.

use super::vfs;
use crate::memory::frames;
use alloc::sync::Arc;
use paddock_sync::OnceCell;
use paddock_vfs::cache::PageCache;

/// The share of memory, as a divisor, that the page cache keeps under
/// pressure: the code of the programs that run.
const KEPT_SHARE: usize = 64;
/// Pages that are taken back at once.
const RECLAIMED: usize = 64;
/// Names that are dropped at once.
const DROPPED_NAMES: usize = 256;

static CACHE: OnceCell<Arc<PageCache>> = OnceCell::new();

/// Sets the cache of disk pages. Once; a second one counts for nothing.
pub fn set_page_cache(cache: Arc<PageCache>) {
    let _ = CACHE.set(cache);
}

/// The cache of disk pages, if there is a disk filesystem.
pub fn page_cache() -> Option<&'static Arc<PageCache>> {
    CACHE.get()
}

/// Takes clean pages back from the page cache; whether there were any. Some
/// are left however short memory is: programs that lose their code to one
/// that wants all memory would only read it again. Never sleeps; not from
/// interrupts.
pub fn take_pages() -> bool {
    let kept = frames::total() / KEPT_SHARE;
    page_cache().is_some_and(|cache| cache.pages() > kept && cache.shrink(RECLAIMED) > 0)
}

/// Pages of files in memory: (all, those that the disk does not have yet).
/// Any context that may take a lock.
pub fn cached_pages() -> (usize, usize) {
    page_cache().map_or((0, 0), |cache| (cache.pages(), cache.dirty_pages()))
}

/// Takes all clean pages back from the page cache. Never sleeps.
pub fn drop_pages() {
    if let Some(cache) = page_cache() {
        cache.shrink(usize::MAX);
    }
}

/// Lets go of some cached names, and of inodes and pages that only they kept; whether
/// there were any. Sleeps.
pub fn drop_some_names() -> bool {
    vfs::try_namespace().is_some_and(|namespace| namespace.shrink_names(DROPPED_NAMES) > 0)
}

/// Lets go of cached names, inodes and metadata. Sleeps.
pub fn drop_names() {
    if let Some(namespace) = vfs::try_namespace() {
        namespace.shrink();
    }
}
