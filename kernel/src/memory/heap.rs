//! The kernel's heap: slabs over page frames, which go back when they are
//! empty.

use super::frames;
use super::{phys_to_virt, virt_to_phys};
use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;
use paddock_slab::{FrameSource, Heap};

struct KernelHeap(Heap<DirectMap>);

#[global_allocator]
static HEAP: KernelHeap = KernelHeap(Heap::new(DirectMap));

/// Frames by their addresses in the direct map. A slab's frame may come from
/// the kernel's reserve: those who make small objects do not expect to fail.
struct DirectMap;

// SAFETY: the frame allocator gives each frame to one owner; all are mapped.
unsafe impl FrameSource for DirectMap {
    fn allocate(&self, count: usize) -> Option<NonNull<u8>> {
        let block = match count {
            1 => frames::allocate(1),
            _ => frames::allocate_for_thread(count),
        };
        NonNull::new(phys_to_virt(block?))
    }

    unsafe fn free(&self, block: NonNull<u8>, count: usize) {
        // SAFETY: the caller's promise.
        unsafe { frames::free(virt_to_phys(block.as_ptr()), count) };
    }
}

// SAFETY: the heap's own promises are those of an allocator.
unsafe impl GlobalAlloc for KernelHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.0.allocate(layout)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller gives back what `alloc` gave.
        unsafe { self.0.free(block, layout) };
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as for `dealloc`; the size is the caller's promise.
        unsafe { self.0.resize(block, layout, size) }
    }
}

/// Bytes: (claimed from the frames, in use).
pub fn bytes() -> (usize, usize) {
    HEAP.0.bytes()
}

/// Bytes of large objects, and of each class: (bytes of an object, slabs,
/// objects).
pub fn classes() -> (usize, impl Iterator<Item = (usize, usize, usize)>) {
    (HEAP.0.large_bytes(), HEAP.0.classes())
}

/// Gives empty slabs back; how many frames.
pub fn shrink() -> usize {
    HEAP.0.shrink()
}
