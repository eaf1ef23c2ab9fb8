//! The way from the boot loader's jump to `kernel_main`.

use core::arch::global_asm;
use core::sync::atomic::{AtomicU64, Ordering};

global_asm!(include_str!("boot.s"), options(raw));

unsafe extern "C" {
    static __image_start: u8;
    static __image_end: u8;
    static __text_start: u8;
    static __text_end: u8;
    static __rodata_start: u8;
    static __symbols_start: u8;
    static __symbols_end: u8;
    static __rodata_end: u8;
    static __data_start: u8;
    static __gap_start: u8;
    static __boot_stack_bottom: u8;
    static __boot_stack_top: u8;
}

/// Where the parts of the kernel's image are, as link (virtual) addresses.
#[derive(Clone, Copy, Debug)]
pub struct ImageLayout {
    /// First byte of the image; page-aligned.
    pub start: usize,
    /// End of the executable part.
    pub text_end: usize,
    /// End of the read-only data.
    pub rodata_end: usize,
    /// Where the unused pages below the boot stack begin: at least one, none
    /// of them mapped here.
    pub gap_start: usize,
    /// The boot stack's lowest byte, where the unused pages end.
    pub boot_stack_bottom: usize,
    /// End of everything, the boot stack included.
    pub end: usize,
}

/// The image's layout, from the linker script.
pub fn image_layout() -> ImageLayout {
    ImageLayout {
        start: (&raw const __image_start).addr(),
        text_end: (&raw const __text_end).addr(),
        rodata_end: (&raw const __rodata_end).addr(),
        gap_start: (&raw const __gap_start).addr(),
        boot_stack_bottom: (&raw const __boot_stack_bottom).addr(),
        end: (&raw const __image_end).addr(),
    }
}

/// Where the kernel's code is, as link (virtual) addresses.
pub fn code() -> core::ops::Range<usize> {
    (&raw const __text_start).addr()..(&raw const __text_end).addr()
}

/// Where the kernel's constants are, as link (virtual) addresses.
pub fn constants() -> core::ops::Range<usize> {
    (&raw const __rodata_start).addr()..(&raw const __rodata_end).addr()
}

/// The table of function names, which is all zero until one is written into
/// the linked image.
pub fn symbols() -> &'static [u8] {
    let start = &raw const __symbols_start;
    let end = &raw const __symbols_end;
    // SAFETY: the linker script puts the two around one read-only section.
    unsafe { core::slice::from_raw_parts(start, end.addr() - start.addr()) }
}

/// The first CPU's boot stack, which its idle thread keeps: (bottom, top).
pub fn boot_stack() -> (usize, usize) {
    (
        (&raw const __boot_stack_bottom).addr(),
        (&raw const __boot_stack_top).addr(),
    )
}

/// What the boot code found.
#[derive(Clone, Copy, Debug)]
pub struct BootInfo {
    /// Physical address of the device tree; 0 if there is none.
    pub fdt: u64,
    /// Physical address of the image's first byte.
    pub image: u64,
}

impl BootInfo {
    /// Notes where the image is, from what the boot code found. Once, on the
    /// boot CPU.
    pub fn new(fdt: u64, image: u64) -> Self {
        IMAGE.store(image, Ordering::Relaxed);
        BootInfo { fdt, image }
    }
}

/// Physical address of the image's first byte.
static IMAGE: AtomicU64 = AtomicU64::new(0);

/// What `secondary_start` reads: the kernel's tables, the idle thread's stack
/// (its end) and the CPU's index. In the image, so that the early tables map
/// it. Good for one CPU at a time, until that one is online.
static SECONDARY: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];

/// The physical address of something in the image.
fn image_physical(address: usize) -> u64 {
    IMAGE.load(Ordering::Relaxed) + (address - image_layout().start) as u64
}

/// Where a CPU that is started begins, physically.
pub fn secondary_entry_point() -> u64 {
    unsafe extern "C" {
        static secondary_start: u8;
    }
    image_physical((&raw const secondary_start).addr())
}

/// Notes what the next CPU to be started is to use: the kernel's tables (a
/// physical address), the end of its stack, and its index. Gives what it must
/// be started with in x0.
pub fn prepare_secondary(tables: u64, stack_top: usize, index: usize) -> u64 {
    let values = [tables, stack_top as u64, index as u64];
    for (slot, value) in SECONDARY.iter().zip(values) {
        slot.store(value, Ordering::SeqCst);
    }
    image_physical((&raw const SECONDARY).addr())
}
