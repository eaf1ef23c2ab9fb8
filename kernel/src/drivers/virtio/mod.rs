//! Virtio devices on memory-mapped transports (virtio 1.2, chapter 4.2), the
//! legacy version included.
//!
//! Drivers negotiate neither indirect descriptors, which allocate, nor event
//! indices, whose notifications virtio-drivers loses when its counters wrap.

pub mod block;
pub mod entropy;
pub mod net;
pub mod transport;

use crate::arch::mmu;
use crate::memory;
use core::ptr::NonNull;
use core::sync::atomic::{Ordering, fence};
use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::{DeviceStatus, Transport};
use virtio_drivers::{BufferDirection, Hal, PhysAddr};

/// Memory as virtio devices see it: physical addresses, caches coherent.
#[derive(Debug)]
pub struct PaddockHal;

/// Whether a buffer is in the direct map, where neighbouring addresses are
/// neighbours physically, so that a device can use it in place. Stacks and
/// the kernel's image are not.
pub fn is_shareable(buffer: &[u8]) -> bool {
    is_shareable_range(buffer.as_ptr().addr(), buffer.len())
}

/// The same, of so many bytes from an address on.
pub fn is_shareable_range(start: usize, length: usize) -> bool {
    start >= mmu::DIRECT_MAP && start.saturating_add(length) <= mmu::DEVICE_MAP
}

// SAFETY: DMA memory is zeroed, page-aligned and the caller's alone until it
// is freed; `share` gives the address of memory that stays where it is.
unsafe impl Hal for PaddockHal {
    fn dma_alloc(pages: usize, _direction: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        let Some(physical) = memory::alloc_contiguous(pages) else {
            // The address 0 is how the crate is told of failure.
            return (0, NonNull::dangling());
        };
        match NonNull::new(memory::phys_to_virt(physical)) {
            Some(address) => (physical, address),
            None => (0, NonNull::dangling()),
        }
    }

    unsafe fn dma_dealloc(physical: PhysAddr, _address: NonNull<u8>, pages: usize) -> i32 {
        // SAFETY: the caller gives back what `dma_alloc` gave, after the
        // device's queue was reset.
        unsafe { memory::free_contiguous(physical, pages) };
        0
    }

    unsafe fn mmio_phys_to_virt(physical: PhysAddr, size: usize) -> NonNull<u8> {
        NonNull::new(memory::map_device(physical, size)).unwrap_or(NonNull::dangling())
    }

    unsafe fn share(buffer: NonNull<[u8]>, _direction: BufferDirection) -> PhysAddr {
        memory::virt_to_phys(buffer.cast::<u8>().as_ptr())
    }

    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}

/// Resets a device and agrees on features: those that `choose` takes of what it
/// offers, which is what is returned. `None` if it does not accept them.
pub fn begin(transport: &mut impl Transport, choose: impl Fn(u64) -> u64) -> Option<u64> {
    transport.set_status(DeviceStatus::empty());
    let mut status = DeviceStatus::ACKNOWLEDGE | DeviceStatus::DRIVER;
    transport.set_status(status);
    let features = choose(transport.read_device_features());
    transport.write_driver_features(features);
    if !transport.requires_legacy_layout() {
        status |= DeviceStatus::FEATURES_OK;
        transport.set_status(status);
        if !transport.get_status().contains(DeviceStatus::FEATURES_OK) {
            return None;
        }
    }
    transport.set_guest_page_size(virtio_drivers::PAGE_SIZE as u32);
    Some(features)
}

/// Tells the device of new buffers if it wants to know.
pub fn notify<const SIZE: usize>(
    transport: &mut impl Transport,
    queue: &VirtQueue<PaddockHal, SIZE>,
    index: u16,
) {
    // The new index is visible before the device's wish is read.
    fence(Ordering::SeqCst);
    if queue.should_notify() {
        transport.notify(index);
    }
}
