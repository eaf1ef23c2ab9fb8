use super::*;
use proptest::prelude::*;
use std::alloc;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

/// Frames of the host, counted.
#[derive(Default)]
struct HostFrames {
    taken: AtomicUsize,
    refuses: AtomicBool,
}

fn host_layout(frames: usize) -> Layout {
    Layout::from_size_align(frames * FRAME_SIZE, frames.next_power_of_two() * FRAME_SIZE).unwrap()
}

// SAFETY: the host's allocator, with the alignment that is asked for.
unsafe impl FrameSource for HostFrames {
    fn allocate(&self, frames: usize) -> Option<NonNull<u8>> {
        if self.refuses.load(Relaxed) {
            return None;
        }
        self.taken.fetch_add(frames, Relaxed);
        // SAFETY: the layout has a size.
        NonNull::new(unsafe { alloc::alloc(host_layout(frames)) })
    }

    unsafe fn free(&self, block: NonNull<u8>, frames: usize) {
        self.taken.fetch_sub(frames, Relaxed);
        // SAFETY: the caller's promise.
        unsafe { alloc::dealloc(block.as_ptr(), host_layout(frames)) };
    }
}

fn heap() -> Heap<HostFrames> {
    Heap::new(HostFrames::default())
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

fn taken(heap: &Heap<HostFrames>) -> usize {
    heap.source.taken.load(Relaxed)
}

fn layouts() -> impl Strategy<Value = Layout> {
    let sizes = prop_oneof![8 => 1usize..2100, 1 => 1usize..40_000];
    (sizes, 0u32..8).prop_map(|(size, align)| layout(size, 1 << align))
}

#[derive(Debug, Clone)]
enum Action {
    Allocate(Layout),
    Free(prop::sample::Index),
    Resize(prop::sample::Index, usize),
    Shrink,
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let one = prop_oneof![
        4 => layouts().prop_map(Action::Allocate),
        3 => any::<prop::sample::Index>().prop_map(Action::Free),
        1 => (any::<prop::sample::Index>(), 1usize..5000).prop_map(|(i, s)| Action::Resize(i, s)),
        1 => Just(Action::Shrink),
    ];
    let cases = if cfg!(miri) { 40 } else { 400 };
    prop::collection::vec(one, 1..cases)
}

/// Each object is filled with a byte of its own and must keep it.
struct Model {
    heap: Heap<HostFrames>,
    objects: BTreeMap<usize, (*mut u8, Layout, u8)>,
    next: u8,
}

impl Model {
    fn allocate(&mut self, layout: Layout) {
        let object = self.heap.allocate(layout);
        assert!(object.addr().is_multiple_of(layout.align()));
        self.keep(object, layout);
    }

    fn keep(&mut self, object: *mut u8, layout: Layout) {
        self.next = self.next.wrapping_add(1);
        // SAFETY: the object is as long as its layout.
        unsafe { object.write_bytes(self.next, layout.size()) };
        let (start, end) = (object.addr(), object.addr() + layout.size());
        if let Some((_, (before, other, _))) = self.objects.range(..end).next_back() {
            assert!(before.addr() + other.size() <= start, "objects overlap");
        }
        self.objects.insert(start, (object, layout, self.next));
    }

    fn check(object: *const u8, length: usize, byte: u8) {
        // SAFETY: initialised by `keep`.
        let bytes = unsafe { core::slice::from_raw_parts(object, length) };
        assert!(
            bytes.iter().all(|&b| b == byte),
            "an object was overwritten"
        );
    }

    fn take(&mut self, which: prop::sample::Index) -> Option<(*mut u8, Layout, u8)> {
        let keys: Vec<usize> = self.objects.keys().copied().collect();
        let key = (!keys.is_empty()).then(|| *which.get(&keys))?;
        self.objects.remove(&key)
    }

    fn apply(&mut self, action: Action) {
        match action {
            Action::Allocate(layout) => self.allocate(layout),
            Action::Free(which) => {
                if let Some((object, layout, byte)) = self.take(which) {
                    Self::check(object, layout.size(), byte);
                    // SAFETY: ours, and forgotten.
                    unsafe { self.heap.free(object, layout) };
                }
            }
            Action::Resize(which, size) => {
                if let Some((object, old, byte)) = self.take(which) {
                    // SAFETY: ours; the new place is kept instead.
                    let moved = unsafe { self.heap.resize(object, old, size) };
                    Self::check(moved, old.size().min(size), byte);
                    self.keep(moved, layout(size, old.align()));
                }
            }
            Action::Shrink => {
                self.heap.shrink();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 256 }))]
    #[test]
    fn objects_keep_their_bytes_and_all_frames_come_back(actions in actions()) {
        let mut model = Model { heap: heap(), objects: BTreeMap::new(), next: 0 };
        for action in actions {
            model.apply(action);
        }
        let bytes: usize = model.objects.values().map(|(_, layout, _)| layout.size()).sum();
        let (claimed, used) = model.heap.bytes();
        prop_assert!(bytes <= used && used <= claimed);
        prop_assert_eq!(claimed, taken(&model.heap) * FRAME_SIZE);
        for (object, layout, byte) in core::mem::take(&mut model.objects).into_values() {
            Model::check(object, layout.size(), byte);
            // SAFETY: ours, and forgotten.
            unsafe { model.heap.free(object, layout) };
        }
        model.heap.shrink();
        prop_assert_eq!(taken(&model.heap), 0);
        prop_assert_eq!(model.heap.bytes(), (0, 0));
    }
}

#[test]
fn an_object_that_comes_and_goes_costs_a_frame_once() {
    let heap = heap();
    let layout = layout(100, 8);
    for _ in 0..10 {
        let object = heap.allocate(layout);
        assert_eq!(taken(&heap), 1);
        // SAFETY: ours.
        unsafe { heap.free(object, layout) };
        assert_eq!(taken(&heap), 1);
    }
    assert_eq!(heap.shrink(), 1);
    assert_eq!(taken(&heap), 0);
}

#[test]
fn without_frames_there_is_null_and_nothing_is_lost() {
    let heap = heap();
    let (small, large) = (layout(64, 8), layout(9000, 8));
    let object = heap.allocate(small);
    heap.source.refuses.store(true, Relaxed);
    assert!(heap.allocate(large).is_null());
    assert!(heap.allocate(layout(800, 8)).is_null());
    // The slab that there is has room for more.
    let other = heap.allocate(small);
    assert!(!other.is_null());
    // SAFETY: ours; a resize that fails leaves the object as it is.
    unsafe {
        assert!(heap.resize(other, small, 9000).is_null());
        heap.free(other, small);
        heap.free(object, small);
    }
}

#[test]
#[should_panic(expected = "not in use")]
fn freeing_twice_is_caught_when_the_slab_is_empty() {
    let heap = heap();
    let layout = layout(64, 8);
    let object = heap.allocate(layout);
    // SAFETY: the second time is a mistake, which is what is tested.
    unsafe {
        heap.free(object, layout);
        heap.free(object, layout);
    }
}
