//! The page cache: pages of file data above a disk filesystem.
//!
//! Each file of such a filesystem holds a [`FilePages`]; all of them share
//! one [`PageCache`], which bounds how many pages there are and takes clean
//! ones back. Finding a page takes one short spin lock and never the
//! filesystem's sleeping lock, so that reading what is cached goes on while
//! the disk is busy.

mod dirty_set;
mod file_pages;
#[cfg(test)]
mod tests;

pub use file_pages::FilePages;

use crate::{Errno, PageRef, PageSource, Result};
use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use paddock_sync::{PreemptOff, Rank, SpinLock, WaitQueue};

/// Pages taken back at once.
const EVICT_BATCH: usize = 64;
/// Pages of a file that are looked at in one visit.
const VISIT: usize = 512;

/// The bound on all cached pages: they are what its source can spare, and `limit` at
/// least.
pub struct PageCache {
    source: Arc<dyn PageSource>,
    limit: usize,
    count: AtomicUsize,
    dirty: AtomicUsize,
    files: SpinLock<VecDeque<Weak<FilePages>>, PreemptOff>,
    /// Set by changes, taken by the thread that writes them back.
    changed: AtomicBool,
    change: WaitQueue,
}

impl PageCache {
    /// A cache that holds about `limit` pages from `source`; more while that
    /// many are dirty or mapped, or the source has memory to spare.
    pub fn new(source: Arc<dyn PageSource>, limit: usize) -> PageCache {
        PageCache {
            source,
            limit: limit.max(EVICT_BATCH),
            count: AtomicUsize::new(0),
            dirty: AtomicUsize::new(0),
            files: SpinLock::new(Rank::Leaf, VecDeque::new()),
            changed: AtomicBool::new(false),
            change: WaitQueue::new(),
        }
    }

    /// Tells the thread that writes back that a filesystem, which was clean,
    /// has something to write. Never sleeps.
    pub fn announce_change(&self) {
        self.changed.store(true, Ordering::Release);
        self.change.wake_all();
    }

    /// Waits for an announcement since the last call. For the one thread that
    /// writes back; sleeps.
    pub fn wait_for_change(&self) {
        self.change
            .wait_until(|| self.changed.swap(false, Ordering::Acquire).then_some(()));
    }

    /// The pages that it may always hold; half as many may be dirty.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// The number of cached pages.
    pub fn pages(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// The number of pages that are to be written.
    pub fn dirty_pages(&self) -> usize {
        self.dirty.load(Ordering::Relaxed)
    }

    /// Whether so much is dirty that a writer should write some of it first.
    pub fn is_dirty_over_limit(&self) -> bool {
        self.dirty_pages() > self.limit / 2
    }

    /// A page of zeroes, not yet in any file; makes room for it if need be.
    /// `ENOMEM`. Never sleeps.
    pub fn allocate(&self) -> Result<PageRef> {
        self.allocate_by(|source| source.allocate())
    }

    /// As [`allocate`](Self::allocate), of unspecified content: the caller writes all of
    /// it before anybody else sees it.
    pub fn allocate_unfilled(&self) -> Result<PageRef> {
        self.allocate_by(|source| source.allocate_unfilled())
    }

    fn allocate_by(&self, from: impl Fn(&dyn PageSource) -> Result<PageRef>) -> Result<PageRef> {
        if !self.may_grow() {
            self.shrink(EVICT_BATCH);
        }
        match from(&*self.source) {
            Err(Errno::ENOMEM) if self.shrink(EVICT_BATCH) > 0 => from(&*self.source),
            result => result,
        }
    }

    /// Whether it may hold more pages than now without giving others back.
    pub fn may_grow(&self) -> bool {
        self.pages() < self.limit || self.source.has_spare()
    }

    /// Takes up to `wanted` pages back that are clean and unused; how many.
    /// The kernel calls it when memory runs out. Never sleeps.
    pub fn shrink(&self, wanted: usize) -> usize {
        let mut freed = 0;
        // Twice around, as the first visit takes away a page's second chance.
        let files = self.files.lock().len();
        for _ in 0..files * 2 {
            let Some(file) = self.next_file() else { break };
            let Some(file) = file.upgrade() else { continue };
            let mut more = true;
            while more && freed < wanted {
                let taken;
                (taken, more) = file.evict(wanted - freed);
                freed += taken;
            }
            if freed >= wanted {
                break;
            }
        }
        freed
    }

    /// The file whose turn it is; it goes to the end of the line.
    fn next_file(&self) -> Option<Weak<FilePages>> {
        let mut files = self.files.lock();
        let file = files.pop_front()?;
        if file.strong_count() > 0 {
            files.push_back(file.clone());
        }
        Some(file)
    }

    fn enlist(&self, file: &Arc<FilePages>) -> Result<()> {
        // Two steps for each newcomer keep the line free of files that are
        // gone.
        self.next_file();
        self.next_file();
        let mut files = self.files.lock();
        files.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        files.push_back(Arc::downgrade(file));
        Ok(())
    }
}
