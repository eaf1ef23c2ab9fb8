//! Device registers: the one way to reach them.

use crate::machine::Region;
use crate::memory;
use core::ptr::NonNull;

/// A range of device registers, mapped for good.
#[derive(Clone, Copy, Debug)]
pub struct Mmio {
    base: NonNull<u8>,
    size: usize,
}

// SAFETY: registers are reached through volatile accesses only, which any
// CPU may make.
unsafe impl Send for Mmio {}
// SAFETY: as above.
unsafe impl Sync for Mmio {}

impl Mmio {
    /// Maps registers of a device that the device tree names. `None` if they
    /// cannot be mapped.
    pub fn map(region: Region) -> Option<Self> {
        let size = usize::try_from(region.size).ok()?;
        Some(Mmio {
            base: NonNull::new(memory::map_device(region.base, size))?,
            size,
        })
    }

    /// The first register's address.
    pub fn base(&self) -> NonNull<u8> {
        self.base
    }

    fn at<T>(&self, offset: usize) -> *mut T {
        assert!(
            offset.is_multiple_of(align_of::<T>()) && offset + size_of::<T>() <= self.size,
            "register {offset:#x} outside its device"
        );
        // SAFETY: the offset was just checked to lie inside the mapping.
        unsafe { self.base.as_ptr().add(offset).cast() }
    }

    /// Reads the register at `offset` bytes.
    #[inline]
    pub fn read32(&self, offset: usize) -> u32 {
        // SAFETY: `at` gives an aligned address inside the mapped registers.
        unsafe { self.at::<u32>(offset).read_volatile() }
    }

    /// Writes the register at `offset` bytes.
    #[inline]
    pub fn write32(&self, offset: usize, value: u32) {
        // SAFETY: `at` gives an aligned address inside the mapped registers.
        unsafe { self.at::<u32>(offset).write_volatile(value) };
    }

    /// Reads the 64-bit register at `offset` bytes.
    pub fn read64(&self, offset: usize) -> u64 {
        // SAFETY: `at` gives an aligned address inside the mapped registers.
        unsafe { self.at::<u64>(offset).read_volatile() }
    }

    /// Writes the 64-bit register at `offset` bytes.
    pub fn write64(&self, offset: usize, value: u64) {
        // SAFETY: `at` gives an aligned address inside the mapped registers.
        unsafe { self.at::<u64>(offset).write_volatile(value) };
    }
}
