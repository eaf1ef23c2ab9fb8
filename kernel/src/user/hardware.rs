//! The hardware behind `paddock-vm`: frames with counted owners, and the
//! translation caches.

use crate::arch::mmu;
use crate::fs;
use crate::memory::{self, owners_of};
use core::sync::atomic::Ordering;
use paddock_vm::Hardware;

/// This machine.
pub enum Arm {}

/// A user's page, or one of the page cache's.
pub type Page = paddock_vm::Page<Arm>;

/// A frame after the page cache has given some back.
#[cold]
fn reclaim() -> Option<u64> {
    fs::reclaim().then(memory::allocate_zeroed_frame).flatten()
}

// SAFETY: frames come from the frame allocator, are reached through the direct
// map, and are freed when their last owner goes.
unsafe impl Hardware for Arm {
    fn allocate() -> Option<u64> {
        let frame = memory::allocate_zeroed_frame().or_else(reclaim)?;
        owners_of(frame).store(1, Ordering::Relaxed);
        Some(frame)
    }

    fn retain(frame: u64) {
        owners_of(frame).fetch_add(1, Ordering::Relaxed);
    }

    fn release(frame: u64) {
        if owners_of(frame).fetch_sub(1, Ordering::AcqRel) == 1 {
            // SAFETY: that was the last owner.
            unsafe { memory::free_frames(frame, 0) };
        }
    }

    fn is_unique(frame: u64) -> bool {
        owners_of(frame).load(Ordering::Acquire) == 1
    }

    fn frame_pointer(frame: u64) -> *mut u8 {
        memory::phys_to_virt(frame)
    }

    fn publish_entries() {
        mmu::publish();
    }

    fn flush_page(asid: u16, address: u64) {
        mmu::flush_user_page(asid, address);
    }

    fn flush_space(asid: u16) {
        mmu::flush_asid(asid);
    }

    fn publish_code(frame: u64) {
        mmu::publish_code(memory::phys_to_virt(frame), paddock_vm::PAGE_SIZE as usize);
    }
}
