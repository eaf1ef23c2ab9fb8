//! [`FilePages`]: the cached pages of one file.

use super::dirty_set::DirtySet;
use super::{PageCache, VISIT};
use crate::{Errno, PAGE_SIZE, PageRef, Result, WriteErrors};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};
use paddock_sync::{PreemptOff, Rank, SpinLock};

/// Pages that are put in at once.
const INSERT_BATCH: usize = 32;

struct Slot {
    page: PageRef,
    /// May be changed through a mapping at any time: stays dirty until
    /// nothing maps it any more.
    mapped: bool,
    /// Used since eviction last looked at it.
    used: bool,
}

impl Slot {
    /// Whether anybody has the page at hand, or maps it.
    fn is_in_use(&self) -> bool {
        Arc::strong_count(&self.page) > 1 || self.page.is_mapped()
    }

    fn is_evictable(&self) -> bool {
        !self.mapped && !self.is_in_use()
    }
}

/// The pages that are cached, and which of them have been changed since they were last
/// written to the disk.
struct Slots {
    cached: BTreeMap<u64, Slot>,
    dirty: DirtySet,
}

impl Slots {
    const fn new() -> Slots {
        Slots {
            cached: BTreeMap::new(),
            dirty: DirtySet::new(),
        }
    }
}

/// The cached pages of one file, by index. None of its calls sleeps.
pub struct FilePages {
    cache: Arc<PageCache>,
    slots: SpinLock<Slots, PreemptOff>,
    /// Where eviction goes on looking.
    hand: AtomicU64,
    errors: WriteErrors,
}

impl FilePages {
    /// No pages yet. `ENOMEM`.
    pub fn new(cache: &Arc<PageCache>) -> Result<Arc<FilePages>> {
        let pages = paddock_sync::try_arc(FilePages {
            cache: cache.clone(),
            slots: SpinLock::new(Rank::Leaf, Slots::new()),
            hand: AtomicU64::new(0),
            errors: WriteErrors::new(),
        })?;
        cache.enlist(&pages)?;
        Ok(pages)
    }

    /// The cache that bounds it.
    pub fn cache(&self) -> &Arc<PageCache> {
        &self.cache
    }

    /// What went wrong in writing them.
    pub fn errors(&self) -> &WriteErrors {
        &self.errors
    }

    /// The page, if it is cached.
    pub fn get(&self, index: u64) -> Option<PageRef> {
        let mut slots = self.slots.lock();
        let slot = slots.cached.get_mut(&index)?;
        slot.used = true;
        Some(slot.page.clone())
    }

    /// The pages from `index` on, as far as they are cached and `found` has room: how
    /// many were put into its first places.
    pub fn get_run(&self, index: u64, found: &mut [Option<PageRef>]) -> usize {
        let mut slots = self.slots.lock();
        let run = (index..).zip(slots.cached.range_mut(index..)).zip(found);
        let mut count = 0;
        for ((wanted, (here, slot)), place) in run {
            if *here != wanted {
                break;
            }
            slot.used = true;
            *place = Some(slot.page.clone());
            count += 1;
        }
        count
    }

    /// The first page of a range that is cached, or the range's end.
    pub fn next_cached(&self, range: Range<u64>) -> u64 {
        let end = range.end;
        let slots = self.slots.lock();
        let next = slots.cached.range(range).next();
        next.map_or(end, |(index, _)| *index)
    }

    /// Puts a page in; the page that is there afterwards, which is another
    /// one if there was one before.
    pub fn insert(&self, index: u64, page: PageRef) -> PageRef {
        self.put(&mut self.slots.lock(), index, page).clone()
    }

    /// Puts pages in from `first` on, where there were none before; the first that is
    /// there afterwards. `None` without any.
    pub fn insert_run(
        &self,
        first: u64,
        pages: impl IntoIterator<Item = PageRef>,
    ) -> Option<PageRef> {
        let mut pages = (first..).zip(pages).peekable();
        let mut inserted = None;
        // Others get at the file's pages between two of the batches.
        while pages.peek().is_some() {
            let mut slots = self.slots.lock();
            for (index, page) in pages.by_ref().take(INSERT_BATCH) {
                let page = self.put(&mut slots, index, page);
                inserted.get_or_insert_with(|| page.clone());
            }
        }
        inserted
    }

    #[inline(always)]
    fn put<'a>(&self, slots: &'a mut Slots, index: u64, page: PageRef) -> &'a PageRef {
        let slot = slots.cached.entry(index).or_insert_with(|| {
            self.cache.count.fetch_add(1, Ordering::Relaxed);
            Slot {
                page,
                mapped: false,
                used: false,
            }
        });
        &slot.page
    }

    /// Marks a cached page as changed.
    pub fn set_dirty(&self, index: u64) {
        self.mark(index, false);
    }

    /// Marks a cached page as changing through a mapping. The caller has the
    /// page until it is mapped.
    pub fn set_mapped_writable(&self, index: u64) {
        self.mark(index, true);
    }

    fn mark(&self, index: u64, mapped: bool) {
        let mut slots = self.slots.lock();
        let Some(slot) = slots.cached.get_mut(&index) else {
            return;
        };
        slot.mapped |= mapped;
        if slots.dirty.insert(index) {
            self.cache.dirty.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Up to `max` dirty pages from `from` on, in order, which are clean from
    /// now on: the caller writes them, and marks them again if that fails.
    pub fn take_dirty(&self, from: u64, max: usize) -> Vec<(u64, PageRef)> {
        let mut taken = Vec::new();
        if taken.try_reserve(max).is_err() && taken.try_reserve(1).is_err() {
            return taken;
        }
        let mut slots = self.slots.lock();
        let Slots { cached, dirty } = &mut *slots;
        let mut next = from;
        while taken.len() < taken.capacity().min(max)
            && let Some(index) = dirty.next(next)
        {
            next = index + 1;
            let Some(slot) = cached.get_mut(&index) else {
                continue;
            };
            // One that somebody has at hand may be about to be mapped.
            let in_use = slot.is_in_use();
            taken.push((index, slot.page.clone()));
            slot.mapped &= in_use;
            if !slot.mapped && dirty.remove(index) {
                self.cache.dirty.fetch_sub(1, Ordering::Relaxed);
            }
        }
        taken
    }

    /// Whether any page is dirty.
    pub fn is_dirty(&self) -> bool {
        !self.slots.lock().dirty.is_empty()
    }

    /// Which pages of a range may be changed through a mapping at any time.
    /// `ENOMEM`.
    pub fn mapped_writable(&self, range: Range<u64>) -> Result<Vec<u64>> {
        let mut found = Vec::new();
        let slots = self.slots.lock();
        for (index, _) in slots.cached.range(range).filter(|(_, slot)| slot.mapped) {
            found.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            found.push(*index);
        }
        Ok(found)
    }

    /// Makes a range read as zeroes: its pages go, dirty or not, except those
    /// that somebody has at hand or maps, who sees zeroes from now on.
    pub fn clear(&self, range: Range<u64>) {
        let mut next = range.start;
        while next < range.end {
            let mut slots = self.slots.lock();
            let Some((&index, slot)) = slots.cached.range(next..range.end).next() else {
                return;
            };
            next = index + 1;
            if slot.is_in_use() {
                slot.page.zero(0, PAGE_SIZE);
            } else {
                let dirty = usize::from(slots.dirty.remove(index));
                drop(slots.cached.remove(&index));
                self.uncount(1, dirty);
            }
        }
    }

    /// Drops the pages from `first` on, dirty or not.
    pub fn truncate(&self, first: u64) {
        let (dropped, dirty) = {
            let mut slots = self.slots.lock();
            (slots.cached.split_off(&first), slots.dirty.cut(first))
        };
        self.uncount(dropped.len(), dirty);
    }

    fn uncount(&self, cached: usize, dirty: usize) {
        self.cache.count.fetch_sub(cached, Ordering::Relaxed);
        self.cache.dirty.fetch_sub(dirty, Ordering::Relaxed);
    }

    /// Gives up to `wanted` pages back that nobody uses, of the next few that
    /// it has not looked at lately; how many, and whether there are others behind them.
    pub(super) fn evict(&self, wanted: usize) -> (usize, bool) {
        let wanted = wanted.min(VISIT);
        let mut victims: Vec<u64> = Vec::new();
        let mut evicted = Vec::new();
        if victims.try_reserve(wanted).is_err() || evicted.try_reserve(wanted).is_err() {
            return (0, false);
        }
        let hand = self.hand.load(Ordering::Relaxed);
        let mut slots = self.slots.lock();
        let mut next = 0;
        let Slots { cached, dirty } = &mut *slots;
        for (index, slot) in cached.range_mut(hand..).take(VISIT) {
            next = index + 1;
            if victims.len() == wanted {
                break;
            }
            let may_go = !dirty.contains(*index) && slot.is_evictable();
            if may_go && !core::mem::take(&mut slot.used) {
                victims.push(*index);
            }
        }
        let more = cached.range(next..).next().is_some();
        evicted.extend(victims.iter().filter_map(|index| cached.remove(index)));
        drop(slots);
        self.hand
            .store(if more { next } else { 0 }, Ordering::Relaxed);
        self.cache.count.fetch_sub(evicted.len(), Ordering::Relaxed);
        (evicted.len(), more)
    }
}

impl Drop for FilePages {
    fn drop(&mut self) {
        let slots = self.slots.get_mut();
        let (cached, dirty) = (slots.cached.len(), slots.dirty.cut(0));
        self.uncount(cached, dirty);
    }
}
