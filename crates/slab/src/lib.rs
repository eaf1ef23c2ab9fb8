//! The kernel's heap: objects of up to half a page share page frames, by size;
//! larger ones have frames of their own. What becomes empty goes back to the
//! frames, so that no use of memory is for good.
//!
//! A slab is one frame of objects of one size class, with a header at its end;
//! an object's slab is found by its address alone. No slab needs more than one
//! frame, so that fragmentation never keeps small objects from being made.

#![cfg_attr(not(test), no_std)]

mod class;
mod slab;
#[cfg(test)]
mod tests;

use class::{CLASSES, class_of};
use core::alloc::Layout;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use paddock_sync::{Rank, SpinLock};
use slab::{Slab, Slabs};

/// Bytes of a frame.
pub const FRAME_SIZE: usize = 4096;

/// Where the heap's frames come from.
///
/// # Safety
/// What `allocate` gives is `frames` contiguous frames, aligned to a frame and
/// to the largest power of two of frames that is not above `frames`, mapped
/// and writable, and nobody else's until it is freed.
pub unsafe trait FrameSource {
    /// `frames` contiguous frames, not cleared. Any context.
    fn allocate(&self, frames: usize) -> Option<NonNull<u8>>;

    /// Takes frames back. Any context.
    ///
    /// # Safety
    /// `block` came from `allocate(frames)` and nobody uses it any more.
    unsafe fn free(&self, block: NonNull<u8>, frames: usize);
}

/// A heap over the frames of `F`. All calls: any context, never sleep.
pub struct Heap<F> {
    source: F,
    classes: [SpinLock<Slabs>; CLASSES],
    /// Frames of objects that have frames of their own.
    large: AtomicUsize,
}

impl<F: FrameSource> Heap<F> {
    /// An empty heap.
    pub const fn new(source: F) -> Self {
        Heap {
            source,
            classes: [const { SpinLock::new(Rank::Heap, Slabs::new()) }; CLASSES],
            large: AtomicUsize::new(0),
        }
    }

    /// Memory for `layout`, which has a size; null if there is none.
    pub fn allocate(&self, layout: Layout) -> *mut u8 {
        match class_of(layout) {
            Some(class) => self.allocate_small(class),
            None => self.allocate_large(layout),
        }
    }

    fn allocate_small(&self, class: usize) -> *mut u8 {
        let mut slabs = self.classes[class].lock();
        if let Some(object) = slabs.allocate() {
            return object.as_ptr();
        }
        let Some(frame) = self.source.allocate(1) else {
            return ptr::null_mut();
        };
        // SAFETY: a frame that is ours, whole.
        let slab = unsafe { Slab::create(frame, class) };
        slabs.add(slab).as_ptr()
    }

    fn allocate_large(&self, layout: Layout) -> *mut u8 {
        let Some(frames) = frames_of(layout) else {
            return ptr::null_mut();
        };
        match self.source.allocate(frames) {
            Some(block) => {
                self.large.fetch_add(frames, Relaxed);
                block.as_ptr()
            }
            None => ptr::null_mut(),
        }
    }

    /// Takes an object back.
    ///
    /// # Safety
    /// `object` came from this heap with this layout, and is not used again.
    pub unsafe fn free(&self, object: *mut u8, layout: Layout) {
        let Some(object) = NonNull::new(object) else {
            return;
        };
        let Some(class) = class_of(layout) else {
            if let Some(frames) = frames_of(layout) {
                self.large.fetch_sub(frames, Relaxed);
                // SAFETY: `allocate_large` got just these frames.
                unsafe { self.source.free(object, frames) };
            }
            return;
        };
        let mut slabs = self.classes[class].lock();
        // SAFETY: the caller gives back an object of this class.
        let empty = unsafe { slabs.free(object) };
        drop(slabs);
        if let Some(frame) = empty {
            // SAFETY: the slab is in no list and has no object any more.
            unsafe { self.source.free(frame, 1) };
        }
    }

    /// An object's memory with another size: the same place where that will
    /// do, else a copy; null, and nothing has changed, if there is no memory.
    ///
    /// # Safety
    /// As for [`Heap::free`], if this does not give null; `size` is not zero,
    /// and rounded up to the alignment it is no more than `isize::MAX`.
    pub unsafe fn resize(&self, object: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        let stays = match (class_of(layout), class_of(wanted)) {
            (Some(old), Some(new)) => old == new,
            (None, None) => frames_of(layout) == frames_of(wanted),
            _ => false,
        };
        if stays {
            return object;
        }
        let moved = self.allocate(wanted);
        if !moved.is_null() {
            // SAFETY: both are at least this long, and the new one is ours.
            unsafe {
                ptr::copy_nonoverlapping(object, moved, layout.size().min(size));
                self.free(object, layout);
            }
        }
        moved
    }

    /// Gives the frames back that are kept for the next objects; how many.
    pub fn shrink(&self) -> usize {
        let mut freed = 0;
        for class in &self.classes {
            let spare = class.lock().take_spare();
            if let Some(frame) = spare {
                // SAFETY: the slab is in no list and has no object.
                unsafe { self.source.free(frame, 1) };
                freed += 1;
            }
        }
        freed
    }

    /// Bytes: (taken from the frames, in objects of whole classes and frames).
    pub fn bytes(&self) -> (usize, usize) {
        let large = self.large.load(Relaxed) * FRAME_SIZE;
        let small = self.classes.iter().enumerate().map(|(class, slabs)| {
            let (frames, objects) = slabs.lock().counts();
            (frames * FRAME_SIZE, objects * class::size(class))
        });
        small.fold((large, large), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    /// For each class, smallest first: (bytes of an object, slabs, objects).
    pub fn classes(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        self.classes.iter().enumerate().map(|(class, slabs)| {
            let (frames, objects) = slabs.lock().counts();
            (class::size(class), frames, objects)
        })
    }

    /// Bytes of objects that have frames of their own.
    pub fn large_bytes(&self) -> usize {
        self.large.load(Relaxed) * FRAME_SIZE
    }
}

/// How many objects of a class of `size` bytes a slab has.
pub const fn objects_in_slab(size: usize) -> usize {
    slab::USABLE / size
}

/// Frames for an object that does not fit a slab: enough for its size, and
/// its alignment's worth.
fn frames_of(layout: Layout) -> Option<usize> {
    let bytes = layout.size().max(layout.align());
    (bytes <= isize::MAX as usize).then(|| bytes.div_ceil(FRAME_SIZE))
}
