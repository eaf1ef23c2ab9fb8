//! Taking memory over at boot: direct map, final page tables, frame table.

use super::frames::{self, FRAMES};
use super::{KERNEL_MAP, OWNERS, Owners, PAGE};
use crate::arch::boot::{BootInfo, image_layout};
use crate::arch::context::STACK_SIZE;
use crate::arch::mmu::{self, DIRECT_MAP, KernelTables, Protection, phys_to_virt};
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use paddock_frames::{FRAME_SIZE, FrameInfo, Frames, MAX_ORDER};
use paddock_machine::{Machine, Region};

/// Where the stack for reports of overflown stacks ends.
static EMERGENCY_STACK: AtomicUsize = AtomicUsize::new(0);

/// See [`EMERGENCY_STACK`].
pub fn emergency_stack_top() -> usize {
    EMERGENCY_STACK.load(Relaxed)
}

/// Memory handed out upwards before there is an allocator.
struct Early {
    next: u64,
    end: u64,
}

impl Early {
    fn take(&mut self, bytes: usize) -> Option<u64> {
        let at = self.next;
        let next = at + bytes.next_multiple_of(PAGE) as u64;
        if next > self.end {
            return None;
        }
        self.next = next;
        // SAFETY: free memory that the early tables map, and nobody's yet.
        unsafe { phys_to_virt(at).write_bytes(0, bytes) };
        Some(at)
    }
}

/// Takes over all memory. Once, on the boot stack; before this nothing may
/// allocate.
pub fn init(boot: &BootInfo, machine: &Machine<'_>) {
    let early_region = early_region(boot, machine);
    let mut early = Early {
        next: early_region.base,
        end: early_region.end(),
    };
    let Some(tables) = build_tables(boot, machine, &mut early) else {
        panic!("not enough memory for the kernel's page tables");
    };
    tables.activate();
    KERNEL_MAP.lock().tables = Some(tables);
    let Some(frames) = build_frames(machine, &mut early) else {
        panic!("not enough memory for the table of frames");
    };
    *FRAMES.lock() = frames;
    add_free_memory(machine, &early_region, &early);
    add_image_gap(boot);
    frames::init_reserves();
    match super::map_stack(STACK_SIZE) {
        Ok(bottom) => EMERGENCY_STACK.store(bottom + STACK_SIZE, Relaxed),
        Err(error) => panic!("no memory for the emergency stack: {error}"),
    }
}

/// The largest free region that the early tables map: in the gigabyte of the
/// image, where the boot code mapped all.
fn early_region(boot: &BootInfo, machine: &Machine<'_>) -> Region {
    const GIB: u64 = 1 << 30;
    let window = Region {
        base: boot.image & !(GIB - 1),
        size: GIB,
    };
    let clipped = machine
        .free_memory()
        .filter(|region| region.overlaps(&window))
        .map(|region| {
            let base = region.base.max(window.base);
            Region {
                base,
                size: region.end().min(window.end()) - base,
            }
        });
    match clipped.max_by_key(|region| region.size) {
        Some(region) => region,
        None => panic!("no free memory near the kernel's image"),
    }
}

fn build_tables(boot: &BootInfo, machine: &Machine<'_>, early: &mut Early) -> Option<KernelTables> {
    let image = image_layout();
    let image_end = boot.image + (image.end - image.start) as u64;
    let text_end = boot.image + (image.rodata_end - image.start) as u64;
    let mut source = || early.take(PAGE);
    let mut tables = KernelTables::new(&mut source)?;
    for region in &machine.memory {
        // The image's code and constants are not writable by this way either.
        let parts = [
            (
                region.base,
                region.end().min(boot.image),
                Protection::ReadWrite,
            ),
            (
                region.base.max(boot.image),
                region.end().min(text_end),
                Protection::Read,
            ),
            (
                region.base.max(text_end),
                region.end(),
                Protection::ReadWrite,
            ),
        ];
        for (from, to, protection) in parts {
            let (from, to) = (from.next_multiple_of(FRAME_SIZE), to & !(FRAME_SIZE - 1));
            if from < to {
                tables.map(
                    DIRECT_MAP + from as usize,
                    from,
                    (to - from) as usize,
                    protection,
                    &mut source,
                )?;
            }
        }
    }
    debug_assert!(image_end > text_end);
    tables.map_image(boot, &image, &mut source)?;
    mmu::publish();
    Some(tables)
}

fn build_frames(machine: &Machine<'_>, early: &mut Early) -> Option<Frames> {
    let block = FRAME_SIZE << MAX_ORDER;
    let start = machine.memory.iter().map(|region| region.base).min()? / block * block;
    let end = machine.memory.iter().map(Region::end).max()?;
    let count = ((end - start) / FRAME_SIZE) as usize;
    let table = early.take(count * size_of::<FrameInfo>())?;
    let first = phys_to_virt(table).cast::<FrameInfo>();
    for index in 0..count {
        // SAFETY: the table was taken with room for `count` entries.
        unsafe { first.add(index).write(FrameInfo::EMPTY) };
    }
    // SAFETY: initialised above, and given to nobody else.
    let info = unsafe { core::slice::from_raw_parts_mut(first, count) };
    let owners = early.take(count * size_of::<AtomicU32>())?;
    // SAFETY: zeroed memory with room for `count` counters, given to nobody
    // else and never freed.
    let owners =
        unsafe { core::slice::from_raw_parts(phys_to_virt(owners).cast_const().cast(), count) };
    if OWNERS
        .set(Owners {
            base: start,
            counts: owners,
        })
        .is_err()
    {
        panic!("memory was taken over twice");
    }
    Some(Frames::new(start, info))
}

/// Hands the pages of the image that hold nothing to the frame allocator.
fn add_image_gap(boot: &BootInfo) {
    let image = image_layout();
    let physical = |address: usize| boot.image + (address - image.start) as u64;
    FRAMES
        .lock()
        .add(physical(image.gap_start), physical(image.boot_stack_bottom));
}

/// Hands all free memory but what was taken early to the frame allocator.
fn add_free_memory(machine: &Machine<'_>, early_region: &Region, early: &Early) {
    let mut frames = FRAMES.lock();
    for region in machine.free_memory() {
        if region.overlaps(early_region) {
            frames.add(region.base, early_region.base.max(region.base));
            frames.add(early.next, region.end());
        } else {
            frames.add(region.base, region.end());
        }
    }
}
