//! The kernel's heap: talc over blocks of frames, claimed as they are needed.

use super::{allocate_frames, phys_to_virt};
use core::alloc::{GlobalAlloc, Layout};
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use paddock_frames::{FRAME_SIZE, MAX_ORDER};
use paddock_sync::{Rank, SpinLock};
use talc::{DefaultBinning, base::Talc, source::Manual};

/// The smallest piece claimed at once: 128 KiB.
const CLAIM_ORDER: usize = 5;

struct KernelHeap {
    talc: SpinLock<Talc<Manual, DefaultBinning>>,
}

#[global_allocator]
static HEAP: KernelHeap = KernelHeap {
    talc: SpinLock::new(Rank::Heap, Talc::new(Manual)),
};

static CLAIMED: AtomicUsize = AtomicUsize::new(0);
static USED: AtomicUsize = AtomicUsize::new(0);

/// (claimed, in use).
pub fn bytes() -> (usize, usize) {
    (CLAIMED.load(Relaxed), USED.load(Relaxed))
}

/// Gives the heap a block that can hold `layout`.
fn grow(talc: &mut Talc<Manual, DefaultBinning>, layout: Layout) -> Option<()> {
    // Room for talc's own words, and for the alignment.
    let bytes = layout
        .size()
        .checked_add(layout.align())?
        .checked_add(4096)?;
    let frames = bytes.div_ceil(FRAME_SIZE as usize);
    let order = (frames.next_power_of_two().trailing_zeros() as usize).max(CLAIM_ORDER);
    if order > MAX_ORDER {
        return None;
    }
    let least = frames.next_power_of_two().trailing_zeros() as usize;
    let (block, order) = match allocate_frames(order) {
        Some(block) => (block, order),
        None => (allocate_frames(least)?, least),
    };
    let size = (FRAME_SIZE as usize) << order;
    CLAIMED.fetch_add(size, Relaxed);
    // SAFETY: the block is ours, in the direct map, and never given back.
    unsafe { talc.claim(phys_to_virt(block), size) }.map(|_| ())
}

// SAFETY: talc is an allocator; the lock makes it one for all threads.
unsafe impl GlobalAlloc for KernelHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let mut talc = self.talc.lock();
        // SAFETY: the caller gives a layout with a size.
        if let Some(block) = unsafe { talc.try_allocate(layout) } {
            USED.fetch_add(layout.size(), Relaxed);
            return block.as_ptr();
        }
        if grow(&mut talc, layout).is_none() {
            return ptr::null_mut();
        }
        // SAFETY: as above.
        unsafe { talc.try_allocate(layout) }.map_or(ptr::null_mut(), |block| {
            USED.fetch_add(layout.size(), Relaxed);
            block.as_ptr()
        })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        USED.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller gives back what `alloc` gave.
        unsafe { self.talc.lock().deallocate(block, layout) };
    }
}
