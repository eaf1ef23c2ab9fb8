//! The kernel's half of the address space (TTBR1), and who is in the user
//! half (TTBR0).
//!
//! Layout of the kernel half, all with 4 KiB granules and 48 bits:
//! `DIRECT_MAP` all RAM, never executable; `DEVICE_MAP` device registers;
//! `STACKS` kernel stacks with unmapped pages between them; and the image at
//! its link address, W^X.

use super::boot::{BootInfo, ImageLayout};
use core::arch::asm;

/// Where physical address 0 appears.
pub const DIRECT_MAP: usize = 0xffff_0000_0000_0000;
/// Where device registers are mapped.
pub const DEVICE_MAP: usize = 0xffff_8000_0000_0000;
/// Where kernel stacks are mapped.
pub const STACKS: usize = 0xffff_9000_0000_0000;

const PAGE: usize = 4096;
const BLOCK: usize = 2 << 20;
const ENTRIES: usize = 512;
const ADDRESS: u64 = 0x0000_ffff_ffff_f000;

const VALID: u64 = 1;
const TABLE: u64 = 3;
const PAGE_DESCRIPTOR: u64 = 3;
const BLOCK_DESCRIPTOR: u64 = 1;
const ATTR_DEVICE: u64 = 1 << 2;
const READ_ONLY: u64 = 1 << 7;
const INNER_SHAREABLE: u64 = 3 << 8;
const ACCESSED: u64 = 1 << 10;
const PXN: u64 = 1 << 53;
const UXN: u64 = 1 << 54;

/// What kernel code may do with a mapping. There is no writable and
/// executable one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Read-only data.
    Read,
    /// Data.
    ReadWrite,
    /// Code.
    Execute,
    /// Device registers: not cached, not reordered (nGnRnE).
    Device,
}

impl Protection {
    const fn bits(self) -> u64 {
        let common = ACCESSED | INNER_SHAREABLE | UXN;
        match self {
            Protection::Read => common | READ_ONLY | PXN,
            Protection::ReadWrite => common | PXN,
            Protection::Execute => common | READ_ONLY,
            Protection::Device => common | PXN | ATTR_DEVICE,
        }
    }
}

/// The kernel's page tables. One value exists, behind `memory`'s lock.
pub struct KernelTables {
    root: u64,
}

/// Where page tables' frames come from: zeroed, or `None`.
pub type TableSource<'a> = &'a mut dyn FnMut() -> Option<u64>;

/// Through the direct map. Early at boot that covers only the gigabytes of
/// the image and of the device tree.
pub fn phys_to_virt(physical: u64) -> *mut u8 {
    core::ptr::with_exposed_provenance_mut(DIRECT_MAP + physical as usize)
}

fn table_mut(physical: u64) -> &'static mut [u64; ENTRIES] {
    // SAFETY: page-table frames are only reached through `KernelTables`,
    // of which there is one, borrowed mutably.
    unsafe { &mut *phys_to_virt(physical).cast() }
}

const fn index(address: usize, level: u32) -> usize {
    (address >> (39 - 9 * level)) & (ENTRIES - 1)
}

impl KernelTables {
    /// Empty tables.
    pub fn new(source: TableSource<'_>) -> Option<Self> {
        Some(KernelTables { root: source()? })
    }

    fn entry(
        &mut self,
        address: usize,
        last: u32,
        source: TableSource<'_>,
    ) -> Option<&'static mut u64> {
        let mut table = self.root;
        for level in 0..last {
            let entry = &mut table_mut(table)[index(address, level)];
            if *entry & VALID == 0 {
                *entry = source()? | TABLE;
            } else if *entry & TABLE != TABLE {
                return None;
            }
            table = *entry & ADDRESS;
        }
        Some(&mut table_mut(table)[index(address, last)])
    }

    /// Maps `[virtual_at, +length)` to `[physical, +length)`, in blocks of
    /// 2 MiB where both sides allow it. Nothing may be mapped there yet.
    /// `None` without memory for tables, or if something is mapped.
    pub fn map(
        &mut self,
        virtual_at: usize,
        physical: u64,
        length: usize,
        protection: Protection,
        source: TableSource<'_>,
    ) -> Option<()> {
        let mut done = 0;
        while done < length {
            let (to, from) = (virtual_at + done, physical + done as u64);
            let block = to.is_multiple_of(BLOCK)
                && from.is_multiple_of(BLOCK as u64)
                && length - done >= BLOCK;
            let (level, kind, size) = if block {
                (2, BLOCK_DESCRIPTOR, BLOCK)
            } else {
                (3, PAGE_DESCRIPTOR, PAGE)
            };
            let entry = self.entry(to, level, source)?;
            if *entry & VALID != 0 {
                return None;
            }
            *entry = from | protection.bits() | kind;
            done += size;
        }
        publish();
        Some(())
    }

    /// Unmaps one page and gives its physical address, with its translation
    /// gone from all CPUs.
    pub fn unmap_page(&mut self, address: usize) -> Option<u64> {
        let entry = self.entry(address, 3, &mut || None)?;
        if *entry & VALID == 0 {
            return None;
        }
        let physical = *entry & ADDRESS;
        *entry = 0;
        flush_kernel_page(address);
        Some(physical)
    }

    /// Maps the kernel's image W^X, with the boot stack's guard left out.
    pub fn map_image(
        &mut self,
        boot: &BootInfo,
        image: &ImageLayout,
        source: TableSource<'_>,
    ) -> Option<()> {
        let parts = [
            (image.start, image.text_end, Protection::Execute),
            (image.text_end, image.rodata_end, Protection::Read),
            (image.rodata_end, image.gap_start, Protection::ReadWrite),
            (image.boot_stack_bottom, image.end, Protection::ReadWrite),
        ];
        for (from, to, protection) in parts {
            let physical = boot.image + (from - image.start) as u64;
            self.map(from, physical, to - from, protection, source)?;
        }
        Some(())
    }

    /// Where the first level is, physically.
    pub fn root(&self) -> u64 {
        self.root
    }

    /// Makes these tables the ones in use on this CPU.
    pub fn activate(&self) {
        // SAFETY: the tables map the running code and its stack as before.
        unsafe {
            asm!("msr ttbr1_el1, {}", "isb", "tlbi vmalle1", "dsb nsh", "isb", in(reg) self.root, options(nostack));
        }
    }
}

/// Makes new (formerly invalid) entries visible to the table walker.
pub fn publish() {
    // SAFETY: barriers only.
    unsafe { asm!("dsb ishst", "isb", options(nostack)) };
}

fn flush_kernel_page(address: usize) {
    // SAFETY: forgets a translation; the table walker finds the new one.
    unsafe {
        asm!("dsb ishst", "tlbi vaae1is, {}", "dsb ish", "isb", in(reg) (address >> 12) & 0xfff_ffff_ffff, options(nostack));
    }
}

/// Sets the user half: tables at `root` with address-space id `asid`. The one
/// place that writes TTBR0.
pub fn set_user_tables(root: u64, asid: u16) {
    // SAFETY: a user half never maps anything the kernel relies on.
    unsafe {
        asm!("msr ttbr0_el1, {}", "isb", in(reg) root | (u64::from(asid) << 48), options(nostack));
    }
}

/// Forgets one user page's translation on all CPUs.
pub fn flush_user_page(asid: u16, address: u64) {
    let operand = (u64::from(asid) << 48) | ((address >> 12) & 0xfff_ffff_ffff);
    // SAFETY: forgets a translation.
    unsafe {
        asm!("dsb ishst", "tlbi vae1is, {}", "dsb ish", "isb", in(reg) operand, options(nostack));
    }
}

/// Forgets all translations of an address-space id on all CPUs.
pub fn flush_asid(asid: u16) {
    // SAFETY: forgets translations.
    unsafe {
        asm!("dsb ishst", "tlbi aside1is, {}", "dsb ish", "isb", in(reg) u64::from(asid) << 48, options(nostack));
    }
}

/// Forgets all translations on all CPUs.
pub fn flush_all() {
    // SAFETY: forgets translations.
    unsafe {
        asm!(
            "dsb ishst",
            "tlbi vmalle1is",
            "dsb ish",
            "isb",
            options(nostack)
        )
    };
}

/// How many bits an address-space id has: 8 or 16.
pub fn asid_bits() -> u32 {
    use aarch64_cpu::registers::{ID_AA64MMFR0_EL1, Readable};
    if (ID_AA64MMFR0_EL1.get() >> 4) & 0xf == 2 {
        16
    } else {
        8
    }
}

/// Makes freshly written instructions at `start` fetchable on all CPUs: clean
/// the data cache to the point of unification, then drop stale instructions
/// (Arm ARM B2.4.4).
pub fn publish_code(start: *const u8, length: usize) {
    let cache_type: u64;
    // SAFETY: reads the cache type register.
    unsafe { asm!("mrs {}, ctr_el0", out(reg) cache_type, options(nomem, nostack)) };
    let line = 4usize << ((cache_type >> 16) & 0xf);
    let (first, end) = (start.addr() & !(line - 1), start.addr() + length);
    for at in (first..end).step_by(line) {
        // SAFETY: cleaning a line loses nothing.
        unsafe { asm!("dc cvau, {}", in(reg) at, options(nostack)) };
    }
    // SAFETY: barriers and dropping cached instructions.
    unsafe { asm!("dsb ish", "ic ialluis", "dsb ish", "isb", options(nostack)) };
}
