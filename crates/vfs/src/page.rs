//! Pages of file data: what the page cache holds and mappings share.

use crate::{Errno, Result};
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::any::Any;
use core::sync::atomic::{AtomicU8, Ordering::Relaxed};
use paddock_charge::Account;

/// Bytes in a page.
pub const PAGE_SIZE: usize = 4096;

/// One page of memory. It may be mapped by user programs, which read and
/// write it at any time; the two copies below are not atomic against them,
/// nor against one another. None of its calls sleeps.
pub trait CachePage: Send + Sync {
    /// Its bytes, to be copied to user memory.
    fn bytes(&self) -> &[AtomicU8; PAGE_SIZE];

    /// Its bytes, to be changed: what was published as instructions is so no more.
    fn bytes_to_change(&self) -> &[AtomicU8; PAGE_SIZE];

    /// Copies out from `offset` on; the range lies within the page.
    fn read(&self, offset: usize, buf: &mut [u8]);

    /// Copies in from `offset` on; the range lies within the page.
    fn write(&self, offset: usize, buf: &[u8]);

    /// Sets `len` bytes from `offset` on to zero.
    fn zero(&self, offset: usize, len: usize);

    /// Whether anything but this object refers to the memory, such as a
    /// user's mapping.
    fn is_mapped(&self) -> bool;

    /// For the owner of the concrete type, which maps the page.
    fn as_any(&self) -> &dyn Any;
}

/// A page that is shared between the cache and those who use it.
pub type PageRef = Arc<dyn CachePage>;

/// Where pages come from.
pub trait PageSource: Send + Sync {
    /// A page of zeroes. `ENOMEM` if there is none. Never sleeps.
    fn allocate(&self) -> Result<PageRef>;

    /// A page of unspecified content, for a caller that writes all of it before anybody
    /// else sees it. `ENOMEM` if there is none. Never sleeps.
    fn allocate_unfilled(&self) -> Result<PageRef> {
        self.allocate()
    }

    /// Whether there is memory that nobody needs, for caches to grow into. Never sleeps.
    fn has_spare(&self) -> bool {
        false
    }

    /// Who pays for what a filesystem in memory keeps besides pages.
    fn account(&self) -> Option<Arc<Account>> {
        None
    }
}

/// Pages from the heap, which cannot be mapped.
#[derive(Debug, Default)]
pub struct HeapPages;

struct HeapPage(Box<[AtomicU8; PAGE_SIZE]>);

impl PageSource for HeapPages {
    fn allocate(&self) -> Result<PageRef> {
        Ok(paddock_sync::try_arc(HeapPage(zeroed_box()?)).map_err(|_| Errno::ENOMEM)?)
    }

    fn allocate_unfilled(&self) -> Result<PageRef> {
        let page = self.allocate()?;
        // Whoever leaves a byte of it as it is shows in tests.
        if cfg!(debug_assertions) {
            page.write(0, &[0xd7; PAGE_SIZE]);
        }
        Ok(page)
    }
}

/// A page of zeroes that never passes through the stack.
fn zeroed_box() -> Result<Box<[AtomicU8; PAGE_SIZE]>> {
    let mut bytes = alloc::vec::Vec::new();
    bytes
        .try_reserve_exact(PAGE_SIZE)
        .map_err(|_| Errno::ENOMEM)?;
    bytes.resize_with(PAGE_SIZE, || AtomicU8::new(0));
    bytes
        .into_boxed_slice()
        .try_into()
        .map_err(|_| Errno::ENOMEM)
}

impl CachePage for HeapPage {
    fn bytes(&self) -> &[AtomicU8; PAGE_SIZE] {
        &self.0
    }

    fn bytes_to_change(&self) -> &[AtomicU8; PAGE_SIZE] {
        &self.0
    }

    fn read(&self, offset: usize, buf: &mut [u8]) {
        let bytes = &self.0[offset..offset + buf.len()];
        for (to, byte) in buf.iter_mut().zip(bytes) {
            *to = byte.load(Relaxed);
        }
    }

    fn write(&self, offset: usize, buf: &[u8]) {
        let bytes = &self.0[offset..offset + buf.len()];
        for (to, byte) in bytes.iter().zip(buf) {
            to.store(*byte, Relaxed);
        }
    }

    fn zero(&self, offset: usize, len: usize) {
        for byte in &self.0[offset..offset + len] {
            byte.store(0, Relaxed);
        }
    }

    fn is_mapped(&self) -> bool {
        false
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
