//! [`AddressSpace`]: what a process sees of memory.

mod access;
mod brk;
mod change;
mod fault;
mod fork;
mod lock;
mod map;
mod nodes;
mod remap;
mod remap_pages;
mod strings;
mod usage;

use crate::activate::Root;
use crate::address::{PAGE_SIZE, PageRange, USER_END};
use crate::counters::Counters;
use crate::hardware::Hardware;
use crate::maps::MapsLine;
use crate::tables::Tables;
use crate::vma::{Vma, Vmas};
use alloc::sync::Arc;
use core::fmt;
use paddock_abi::{Errno, Result};

pub use access::FutexKey;
pub use change::SyncTarget;
pub use fault::{Access, FaultError, PageRequest, Step, handle_fault, populate};
pub use map::MapRequest;
pub use strings::StringsAt;
pub use usage::{Usage, VmaReport};

/// Where things go that have no address of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// One past the stack's highest byte; page-aligned.
    pub stack_top: u64,
    /// Mappings without an address are placed below this, highest first.
    pub map_top: u64,
}

impl Layout {
    /// A layout with room for a stack of `stack_limit` bytes, shifted by a
    /// random `seed`; 0 shifts nothing.
    pub fn new(seed: u64, stack_limit: u64) -> Self {
        // 16 GiB for the stack's shift, 256 GiB for that of the mappings.
        let stack_shift = (seed & 0x3f_ffff) * PAGE_SIZE;
        let map_shift = (seed >> 22 & 0x3ff_ffff) * PAGE_SIZE;
        let stack_top = USER_END - PAGE_SIZE - stack_shift;
        let room = stack_limit.clamp(128 << 20, 64 << 30) & !(PAGE_SIZE - 1);
        Layout {
            stack_top,
            map_top: stack_top - room - (1 << 20) - map_shift,
        }
    }
}

/// Upper bounds, in bytes; `u64::MAX` for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// All areas together (`RLIMIT_AS`).
    pub address_space: u64,
    /// Private writable memory without a stack (`RLIMIT_DATA`).
    pub data: u64,
    /// How far the stack may grow (`RLIMIT_STACK`).
    pub stack: u64,
    /// The most private writable memory that one request may ask for, unless
    /// it says `MAP_NORESERVE`: what the machine has at all.
    pub request: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            address_space: u64::MAX,
            data: u64::MAX,
            stack: 8 << 20,
            request: u64::MAX,
        }
    }
}

/// The heap that brk(2) moves, in bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Heap {
    start: u64,
    end: u64,
}

/// A process's memory: areas that say what should be where, and page tables
/// that show what has been touched. Plain data, kept in a sleeping lock.
///
/// Dropping it may sleep (a file hears of its changed pages).
pub struct AddressSpace<H: Hardware> {
    tables: Tables<H>,
    areas: Vmas<H>,
    heap: Heap,
    layout: Layout,
    limits: Limits,
    /// What is mapped from now on is locked.
    lock_future: bool,
    strings: StringsAt,
}

impl<H: Hardware> fmt::Debug for AddressSpace<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.areas.as_slice()).finish()
    }
}

impl<H: Hardware> AddressSpace<H> {
    /// An empty address space.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn new(layout: Layout, limits: Limits) -> Result<Self> {
        Ok(AddressSpace {
            tables: Tables::new().ok_or(Errno::ENOMEM)?,
            areas: Vmas::new(),
            heap: Heap::default(),
            layout,
            limits,
            lock_future: false,
            strings: StringsAt::default(),
        })
    }

    /// What a thread keeps to run in here; see [`crate::Activator`].
    pub fn root(&self) -> &Arc<Root<H>> {
        self.tables.root()
    }

    /// The page tables.
    pub fn tables(&self) -> &Tables<H> {
        &self.tables
    }

    /// Where things go.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The bounds in force.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Sets the bounds. What is there already stays.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// How much there is.
    pub fn counters(&self) -> Counters {
        self.tables.counts().get()
    }

    /// All areas, in order.
    pub fn areas(&self) -> &[Vma<H>] {
        self.areas.as_slice()
    }

    /// The area that holds `address`.
    pub fn area_at(&self, address: u64) -> Option<&Vma<H>> {
        self.areas.find(address)
    }

    /// Whether every page of the range is in an area.
    pub fn is_mapped(&self, range: PageRange) -> bool {
        self.areas.cover(range)
    }

    /// The lines of `/proc/PID/maps`.
    pub fn maps(&self) -> impl Iterator<Item = MapsLine<'_, H>> {
        self.areas.as_slice().iter().map(MapsLine::new)
    }
}

impl<H: Hardware> Drop for AddressSpace<H> {
    fn drop(&mut self) {
        for area in self.areas.as_slice() {
            change::report_written(&self.tables, area, area.range);
        }
    }
}
