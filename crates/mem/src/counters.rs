//! How much an address space holds, to be read by anybody at any time.

use crate::hardware::Hardware;
use crate::vma::{Vma, VmaKind};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use paddock_abi::mman::Prot;

/// How much of what there is, in pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Pages of all areas: the virtual size.
    pub mapped: u64,
    /// Private writable pages of areas that are not stacks.
    pub data: u64,
    /// Pages of stacks.
    pub stack: u64,
    /// Executable pages of areas.
    pub text: u64,
    /// Pages of areas that are locked.
    pub locked: u64,
    /// Present pages that belong to this process (or forks of it).
    pub resident_own: u64,
    /// Present pages of files and of shared memory.
    pub resident_shared: u64,
    /// The most present pages there have been.
    pub resident_peak: u64,
}

impl Counters {
    /// Present pages: the resident set.
    pub fn resident(&self) -> u64 {
        self.resident_own + self.resident_shared
    }
}

/// The counters where they are kept. Whoever holds the address space alone changes
/// them; others may read them meanwhile, each by itself.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    mapped: Count,
    data: Count,
    stack: Count,
    text: Count,
    locked: Count,
    resident_own: Count,
    resident_shared: Count,
    resident_peak: Count,
}

/// A number with one writer at a time.
#[derive(Debug, Default)]
struct Count(AtomicU64);

impl Count {
    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    fn change(&self, change: fn(u64, u64) -> u64, by: u64) {
        self.0.store(change(self.get(), by), Relaxed);
    }
}

impl Counts {
    /// What is counted now.
    pub fn get(&self) -> Counters {
        Counters {
            mapped: self.mapped.get(),
            data: self.data.get(),
            stack: self.stack.get(),
            text: self.text.get(),
            locked: self.locked.get(),
            resident_own: self.resident_own.get(),
            resident_shared: self.resident_shared.get(),
            resident_peak: self.resident_peak.get(),
        }
    }

    /// A page is present from now on.
    pub fn page_came(&self, own: bool) {
        self.resident(own).change(u64::wrapping_add, 1);
        let resident = self.resident_own.get() + self.resident_shared.get();
        if resident > self.resident_peak.get() {
            self.resident_peak.0.store(resident, Relaxed);
        }
    }

    /// A page is no longer present.
    pub fn page_went(&self, own: bool) {
        self.resident(own).change(u64::wrapping_sub, 1);
    }

    fn resident(&self, own: bool) -> &Count {
        match own {
            true => &self.resident_own,
            false => &self.resident_shared,
        }
    }

    /// Counts an area in.
    pub fn area_came<H: Hardware>(&self, area: &Vma<H>) {
        self.area(area, u64::wrapping_add);
    }

    /// Counts an area, or a part of one, out.
    pub fn area_went<H: Hardware>(&self, area: &Vma<H>) {
        self.area(area, u64::wrapping_sub);
    }

    fn area<H: Hardware>(&self, area: &Vma<H>, change: fn(u64, u64) -> u64) {
        let pages = area.range.pages();
        self.mapped.change(change, pages);
        if area.kind == VmaKind::Stack {
            self.stack.change(change, pages);
        } else if !area.shared && area.prot.contains(Prot::WRITE) {
            self.data.change(change, pages);
        }
        if area.locked {
            self.locked.change(change, pages);
        }
        if area.prot.contains(Prot::EXEC) {
            self.text.change(change, pages);
        }
    }
}
