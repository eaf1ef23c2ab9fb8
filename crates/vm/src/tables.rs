//! A user page table (Arm ARM D8.3): four levels of 512 entries.

use crate::{Hardware, PAGE_SIZE, Page, Protection};
use alloc::sync::Arc;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

const ENTRIES: usize = 512;
const ADDRESS: u64 = 0x0000_ffff_ffff_f000;
const VALID: u64 = 1;
const TABLE: u64 = 3;
const PAGE: u64 = 3;
const USER: u64 = 1 << 6;
const READ_ONLY: u64 = 1 << 7;
const INNER_SHAREABLE: u64 = 3 << 8;
const ACCESSED: u64 = 1 << 10;
const NOT_GLOBAL: u64 = 1 << 11;
const PXN: u64 = 1 << 53;
const UXN: u64 = 1 << 54;
/// Software: a page that nobody may access (PROT_NONE) but that is kept.
const KEPT: u64 = 1 << 55;

/// The levels of tables above pages.
const LAST: u32 = 3;

pub(crate) struct Tables<H: Hardware> {
    root: u64,
    /// Generation and address-space id, as the kernel's allocator sets it.
    tag: Arc<AtomicU64>,
    pages: u64,
    hardware: PhantomData<fn() -> H>,
}

fn index(address: u64, level: u32) -> usize {
    (address >> (39 - 9 * level)) as usize & (ENTRIES - 1)
}

fn bits(protection: Protection) -> u64 {
    let common = PAGE | INNER_SHAREABLE | ACCESSED | NOT_GLOBAL | PXN;
    if protection.is_empty() {
        return (common & !VALID) | KEPT | READ_ONLY | UXN;
    }
    let write = if protection.contains(Protection::WRITE) { 0 } else { READ_ONLY };
    let execute = if protection.contains(Protection::EXECUTE) { 0 } else { UXN };
    common | USER | write | execute
}

impl<H: Hardware> Tables<H> {
    pub fn new(tag: Arc<AtomicU64>) -> Option<Self> {
        Some(Tables { root: H::allocate()?, tag, pages: 0, hardware: PhantomData })
    }

    pub fn root(&self) -> u64 {
        self.root
    }

    pub fn tag(&self) -> &Arc<AtomicU64> {
        &self.tag
    }

    /// Pages mapped now.
    pub fn pages(&self) -> u64 {
        self.pages
    }

    fn asid(&self) -> u16 {
        self.tag.load(Relaxed) as u16
    }

    fn slot(table: u64, index: usize) -> *mut u64 {
        // SAFETY: a table frame holds 512 entries; `index` is below that.
        unsafe { H::frame_pointer(table).cast::<u64>().add(index) }
    }

    fn load(slot: *mut u64) -> u64 {
        // SAFETY: a slot of a table that this value owns; volatile because
        // the table walker reads it too.
        unsafe { slot.read_volatile() }
    }

    fn store(slot: *mut u64, value: u64) {
        // SAFETY: as in `load`.
        unsafe { slot.write_volatile(value) };
    }

    /// The entry of a page, if its tables exist.
    fn find(&self, address: u64) -> Option<*mut u64> {
        let mut table = self.root;
        for level in 0..LAST {
            let entry = Self::load(Self::slot(table, index(address, level)));
            if entry & VALID == 0 {
                return None;
            }
            table = entry & ADDRESS;
        }
        Some(Self::slot(table, index(address, LAST)))
    }

    fn find_or_make(&mut self, address: u64) -> Option<*mut u64> {
        let mut table = self.root;
        for level in 0..LAST {
            let slot = Self::slot(table, index(address, level));
            let entry = Self::load(slot);
            table = if entry & VALID == 0 {
                let new = H::allocate()?;
                H::publish_entries();
                Self::store(slot, new | TABLE);
                new
            } else {
                entry & ADDRESS
            };
        }
        Some(Self::slot(table, index(address, LAST)))
    }

    /// The page at an address and whether it is writable, if one is there.
    pub fn get(&self, address: u64) -> Option<(Page<H>, bool)> {
        let entry = Self::load(self.find(address)?);
        if entry & (VALID | KEPT) == 0 {
            return None;
        }
        // The entry keeps its own share: borrow it only to clone it.
        let borrowed = core::mem::ManuallyDrop::new(Page::<H>::from_frame(entry & ADDRESS));
        Some(((*borrowed).clone(), entry & READ_ONLY == 0))
    }

    /// Maps a page, in place of whatever was there. `None` without memory.
    pub fn set(&mut self, address: u64, page: Page<H>, protection: Protection) -> Option<()> {
        let slot = self.find_or_make(address)?;
        let old = Self::load(slot);
        if protection.contains(Protection::EXECUTE) {
            H::publish_code(page.frame());
        }
        if old & (VALID | KEPT) != 0 {
            // Break before make (Arm ARM D8.16.1).
            Self::store(slot, 0);
            H::flush_page(self.asid(), address);
            drop(Page::<H>::from_frame(old & ADDRESS));
        } else {
            self.pages += 1;
        }
        Self::store(slot, page.into_frame() | bits(protection));
        H::publish_entries();
        Some(())
    }

    /// Changes what is allowed with the page at an address, if one is there.
    pub fn protect(&mut self, address: u64, protection: Protection) {
        let Some(slot) = self.find(address) else {
            return;
        };
        let old = Self::load(slot);
        if old & (VALID | KEPT) == 0 {
            return;
        }
        if protection.contains(Protection::EXECUTE) && old & UXN != 0 {
            H::publish_code(old & ADDRESS);
        }
        Self::store(slot, (old & ADDRESS) | bits(protection));
        H::flush_page(self.asid(), address);
    }

    /// Visits the present pages from `start` to `end`: the visitor gives the
    /// new entry's protection, or `None` to take the page out.
    pub fn for_each(
        &mut self,
        start: u64,
        end: u64,
        visit: &mut dyn FnMut(u64, &Page<H>, bool) -> Option<Protection>,
    ) {
        let mut address = start;
        while address < end {
            let Some(slot) = self.find(address) else {
                address = self.skip_missing(address);
                continue;
            };
            let old = Self::load(slot);
            if old & (VALID | KEPT) != 0 {
                self.revisit(address, slot, old, visit);
            }
            address += PAGE_SIZE;
        }
    }

    /// A page that is taken out is only given up once no CPU can reach it any
    /// more.
    fn revisit(
        &mut self,
        address: u64,
        slot: *mut u64,
        old: u64,
        visit: &mut dyn FnMut(u64, &Page<H>, bool) -> Option<Protection>,
    ) {
        let page = core::mem::ManuallyDrop::new(Page::<H>::from_frame(old & ADDRESS));
        match visit(address, &page, old & READ_ONLY == 0) {
            Some(protection) => {
                let new = (old & ADDRESS) | bits(protection);
                if new != old {
                    Self::store(slot, new);
                    H::flush_page(self.asid(), address);
                }
            }
            None => {
                Self::store(slot, 0);
                H::flush_page(self.asid(), address);
                self.pages -= 1;
                drop(core::mem::ManuallyDrop::into_inner(page));
            }
        }
    }

    /// The first address after `address` whose last-level table may exist.
    fn skip_missing(&self, address: u64) -> u64 {
        let mut table = self.root;
        for level in 0..LAST {
            let entry = Self::load(Self::slot(table, index(address, level)));
            if entry & VALID == 0 {
                let span = 1u64 << (39 - 9 * level);
                return (address & !(span - 1)) + span;
            }
            table = entry & ADDRESS;
        }
        address + PAGE_SIZE
    }

    /// Forgets all cached translations.
    pub fn flush(&self) {
        H::flush_space(self.asid());
    }

    fn free_level(table: u64, level: u32) {
        for index in 0..ENTRIES {
            let entry = Self::load(Self::slot(table, index));
            if level < LAST {
                if entry & VALID != 0 {
                    Self::free_level(entry & ADDRESS, level + 1);
                }
            } else if entry & (VALID | KEPT) != 0 {
                drop(Page::<H>::from_frame(entry & ADDRESS));
            }
        }
        H::release(table);
    }
}

impl<H: Hardware> Drop for Tables<H> {
    fn drop(&mut self) {
        // No CPU runs on these tables any more: their owner saw to that.
        H::flush_space(self.asid());
        Self::free_level(self.root, 0);
    }
}
