//! Physical memory, the kernel's heap and its mappings.
//!
//! At boot this takes over from the early tables: everything comes from the
//! device tree, and what is reserved there is left alone.

pub mod accounts;
mod boot;
pub mod frames;
pub mod heap;
pub mod injected;

use crate::arch::context::STACK_ALIGNMENT;
use crate::arch::mmu::{DEVICE_MAP, KernelTables, Protection, STACKS};
use alloc::vec::Vec;
use core::sync::atomic::AtomicU32;
use frames::allocate_zeroed;
use paddock_abi::{Errno, Result};
use paddock_frames::FRAME_SIZE;
use paddock_sync::{OnceCell, Rank, SpinLock};

pub use crate::arch::mmu::phys_to_virt;
pub use boot::{emergency_stack_top, init};

const PAGE: usize = FRAME_SIZE as usize;

static KERNEL_MAP: SpinLock<KernelMap> = SpinLock::new(Rank::KernelMap, KernelMap::new());

/// The kernel's tables, and which addresses for stacks and devices are free.
struct KernelMap {
    tables: Option<KernelTables>,
    next_device: usize,
    next_stack: usize,
    /// Addresses of stacks that were given up, with their table entries.
    free_stacks: Vec<usize>,
}

impl KernelMap {
    const fn new() -> Self {
        KernelMap {
            tables: None,
            next_device: DEVICE_MAP,
            next_stack: STACKS,
            free_stacks: Vec::new(),
        }
    }
}

/// How many owners each frame has that users' pages may share.
static OWNERS: OnceCell<Owners> = OnceCell::new();

struct Owners {
    base: u64,
    counts: &'static [AtomicU32],
}

/// The count of owners of a frame.
pub fn owners_of(frame: u64) -> &'static AtomicU32 {
    match OWNERS.get() {
        Some(owners) => &owners.counts[((frame - owners.base) / FRAME_SIZE) as usize],
        None => panic!("there is no memory yet"),
    }
}

/// Contiguous zeroed memory for a device's use.
pub fn alloc_contiguous(pages: usize) -> Option<u64> {
    let block = frames::allocate(pages)?;
    // SAFETY: the block is ours and in the direct map.
    unsafe { phys_to_virt(block).write_bytes(0, PAGE * pages) };
    Some(block)
}

/// Gives back what [`alloc_contiguous`] gave for as many pages.
///
/// # Safety
/// Neither the kernel nor a device uses the memory any more.
pub unsafe fn free_contiguous(physical: u64, pages: usize) {
    // SAFETY: handed on to the caller.
    unsafe { frames::free(physical, pages) };
}

/// The physical address behind a pointer into the direct map (heap memory
/// and frames, not stacks).
pub fn virt_to_phys(pointer: *const u8) -> u64 {
    let address = pointer.addr();
    assert!(
        (crate::arch::mmu::DIRECT_MAP..DEVICE_MAP).contains(&address),
        "{address:#x} is not in the direct map"
    );
    (address - crate::arch::mmu::DIRECT_MAP) as u64
}

/// Where the kernel's tables are, physically, for other CPUs' start.
pub fn kernel_tables() -> u64 {
    KERNEL_MAP
        .lock()
        .tables
        .as_ref()
        .map_or(0, KernelTables::root)
}

/// Maps device registers. Never unmapped.
pub fn map_device(physical: u64, length: usize) -> *mut u8 {
    let offset = physical as usize % PAGE;
    let start = physical - offset as u64;
    let length = (offset + length).next_multiple_of(PAGE);
    let mut map = KERNEL_MAP.lock();
    let at = map.next_device;
    map.next_device += length + PAGE;
    let mapped = map
        .tables
        .as_mut()
        .and_then(|tables| tables.map(at, start, length, Protection::Device, &mut allocate_zeroed));
    assert!(
        mapped.is_some(),
        "no memory to map the device at {physical:#x}"
    );
    core::ptr::with_exposed_provenance_mut(at + offset)
}

/// Maps a kernel stack of `size` bytes (a power of two), aligned to
/// [`STACK_ALIGNMENT`], with unmapped pages below it. It is all zero, so that
/// it shows how much of it was ever used.
///
/// # Errors
/// `ENOMEM`.
pub fn map_stack(size: usize) -> Result<usize> {
    let physical = frames::allocate_for_thread(size / PAGE).ok_or(Errno::ENOMEM)?;
    // SAFETY: just allocated, used by nobody.
    unsafe { phys_to_virt(physical).write_bytes(0, size) };
    let mut map = KERNEL_MAP.lock();
    let at = match map.free_stacks.pop() {
        Some(at) => at,
        None => {
            // So that giving a stack up never needs memory.
            let all = (map.next_stack - STACKS) / STACK_ALIGNMENT + 1;
            let more = all.saturating_sub(map.free_stacks.len());
            if map.free_stacks.try_reserve(more).is_err() {
                drop(map);
                // SAFETY: just allocated, used by nobody.
                unsafe { frames::free(physical, size / PAGE) };
                return Err(Errno::ENOMEM);
            }
            let at = map.next_stack;
            map.next_stack += STACK_ALIGNMENT;
            at
        }
    };
    let mapped = map.tables.as_mut().and_then(|tables| {
        tables.map(
            at,
            physical,
            size,
            Protection::ReadWrite,
            &mut allocate_zeroed,
        )
    });
    if mapped.is_none() {
        if let Some(tables) = map.tables.as_mut() {
            (0..size).step_by(PAGE).for_each(|offset| {
                tables.unmap_page(at + offset);
            });
        }
        map.free_stacks.push(at);
        drop(map);
        // SAFETY: no longer mapped.
        unsafe { frames::free(physical, size / PAGE) };
        return Err(Errno::ENOMEM);
    }
    Ok(at)
}

/// Unmaps and frees a stack.
///
/// # Safety
/// `bottom` came from [`map_stack`] with this size, and no thread is on it.
pub unsafe fn unmap_stack(bottom: usize, size: usize) {
    let mut map = KERNEL_MAP.lock();
    let mut physical = None;
    if let Some(tables) = map.tables.as_mut() {
        for offset in (0..size).step_by(PAGE).rev() {
            physical = tables.unmap_page(bottom + offset);
        }
    }
    map.free_stacks.push(bottom);
    drop(map);
    if let Some(physical) = physical {
        // SAFETY: unmapped above, and the caller has left it.
        unsafe { frames::free(physical, size / PAGE) };
    }
}
