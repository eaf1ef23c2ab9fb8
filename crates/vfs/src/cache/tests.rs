use super::*;
use crate::HeapPages;
use alloc::vec::Vec;

fn cache(limit: usize) -> Arc<PageCache> {
    Arc::new(PageCache::new(Arc::new(HeapPages), limit))
}

fn fill(pages: &FilePages, count: u64) {
    for index in 0..count {
        pages.insert(index, pages.cache().allocate().unwrap());
    }
}

#[test]
fn the_bound_holds_for_clean_pages() {
    let cache = cache(100);
    let (one, two) = (
        FilePages::new(&cache).unwrap(),
        FilePages::new(&cache).unwrap(),
    );
    fill(&one, 150);
    fill(&two, 150);
    assert!(cache.pages() <= 100, "{}", cache.pages());
    drop((one, two));
    assert_eq!(cache.pages(), 0);
}

#[test]
fn dirty_and_used_pages_stay() {
    let cache = cache(64);
    let pages = FilePages::new(&cache).unwrap();
    fill(&pages, 60);
    (0..30).for_each(|index| pages.set_dirty(index));
    let held = pages.get(59).unwrap();
    assert_eq!(cache.shrink(1000), 29);
    assert_eq!(cache.dirty_pages(), 30);
    let taken = pages.take_dirty(10, 15);
    let indices: Vec<u64> = taken.iter().map(|(index, _)| *index).collect();
    assert_eq!(indices, (10..25).collect::<Vec<_>>());
    drop((taken, held));
    assert_eq!(cache.shrink(1000), 16);
    pages.truncate(5);
    assert_eq!((cache.pages(), cache.dirty_pages()), (5, 5));
}

/// Whoever makes a writable mapping has the page for a moment before it is
/// mapped; what is written back then may change afterwards.
#[test]
fn a_page_that_is_about_to_be_mapped_stays_dirty() {
    let cache = cache(64);
    let pages = FilePages::new(&cache).unwrap();
    fill(&pages, 1);
    let at_hand = pages.get(0).unwrap();
    pages.set_mapped_writable(0);
    assert_eq!(pages.take_dirty(0, 10).len(), 1);
    assert!(pages.is_dirty());
    drop(at_hand);
    assert_eq!(pages.take_dirty(0, 10).len(), 1);
    assert!(!pages.is_dirty());
    assert_eq!(cache.shrink(1), 1);
}

/// Memory that has something to spare until it is told otherwise.
struct Spare(AtomicBool);

impl PageSource for Spare {
    fn allocate(&self) -> Result<PageRef> {
        HeapPages.allocate()
    }

    fn has_spare(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[test]
fn it_grows_into_spare_memory_and_gives_it_back() {
    let source = Arc::new(Spare(AtomicBool::new(true)));
    let cache = Arc::new(PageCache::new(source.clone(), 100));
    let pages = FilePages::new(&cache).unwrap();
    fill(&pages, 3000);
    assert_eq!(cache.pages(), 3000);
    (0..20).for_each(|index| pages.set_dirty(index));
    source.0.store(false, Ordering::Relaxed);
    let other = FilePages::new(&cache).unwrap();
    fill(&other, 20);
    // More goes than has come, as long as nothing is spare.
    assert!(cache.pages() < 2000, "{}", cache.pages());
    assert!(cache.shrink(5000) > 1000, "{}", cache.pages());
    assert!((0..20).all(|index| pages.get(index).is_some()));
}

/// Who asks for all gets all: from a file that is larger than one visit, whose pages were
/// used, and that is one of many.
#[test]
fn all_pages_can_be_taken_back() {
    let cache = cache(100_000);
    let small: Vec<_> = (0..50).map(|_| FilePages::new(&cache).unwrap()).collect();
    small.iter().for_each(|pages| fill(pages, 1));
    let large = FilePages::new(&cache).unwrap();
    let count = 20 * VISIT as u64;
    fill(&large, count);
    (0..count).for_each(|index| drop(large.get(index)));
    assert_eq!(cache.shrink(usize::MAX), count as usize + small.len());
    assert_eq!(cache.pages(), 0);
}

#[test]
fn runs_end_where_a_page_is_missing() {
    let cache = cache(1000);
    let pages = FilePages::new(&cache).unwrap();
    let new = |count: u64| (0..count).map(|_| pages.cache().allocate_unfilled().unwrap());
    let first = pages.insert_run(10, new(40)).unwrap();
    assert!(Arc::ptr_eq(&first, &pages.get(10).unwrap()));
    let mut found = [const { None }; 16];
    for (index, count) in [(9, 0), (10, 16), (40, 10), (49, 1), (50, 0)] {
        assert_eq!(pages.get_run(index, &mut found), count, "{index}");
    }
    assert_eq!(pages.get_run(10, &mut found[..0]), 0);
    for (range, next) in [(0..100, 10), (20..30, 20), (50..60, 60), (0..5, 5)] {
        assert_eq!(pages.next_cached(range), next);
    }
    // What is there stays.
    let same = pages.insert_run(10, new(50)).unwrap();
    assert!(Arc::ptr_eq(&first, &same));
    assert_eq!(cache.pages(), 50);
    assert!(pages.insert_run(0, new(0)).is_none());
}
