//! Pages for the page cache that users can map.

use super::accounts::paying;
use super::hardware::{Page, unfilled_page, zeroed_page};
use crate::memory::frames;
use alloc::sync::Arc;
use core::any::Any;
use core::sync::atomic::AtomicU8;
use paddock_charge::{Account, Charge};
use paddock_mem::Purpose;
use paddock_sync::try_arc;
use paddock_vfs::{CachePage, PAGE_SIZE, PageRef, PageSource, Result};

/// Gives the page cache frames.
#[derive(Debug)]
pub struct FramePages;

impl PageSource for FramePages {
    fn allocate(&self) -> Result<PageRef> {
        Ok(try_arc(FramePage {
            page: zeroed_page(Purpose::Common)?,
            _charge: None,
        })?)
    }

    fn allocate_unfilled(&self) -> Result<PageRef> {
        Ok(try_arc(FramePage {
            page: unfilled_page(Purpose::Common)?,
            _charge: None,
        })?)
    }

    fn has_spare(&self) -> bool {
        frames::is_ample()
    }
}

/// Gives a filesystem in memory frames, for which whoever writes pays.
#[derive(Debug)]
pub struct ChargedPages;

impl PageSource for ChargedPages {
    fn allocate(&self) -> Result<PageRef> {
        let charge = Charge::new(paying().user(), PAGE_SIZE)?;
        Ok(try_arc(FramePage {
            page: zeroed_page(Purpose::Shared)?,
            _charge: Some(charge),
        })?)
    }

    /// A file outlives the process that makes it: its user pays.
    fn account(&self) -> Option<Arc<Account>> {
        Some(paying().user().clone())
    }
}

/// A page of a file.
pub struct FramePage {
    page: Page,
    _charge: Option<Charge>,
}

impl FramePage {
    /// The frame behind a cached page.
    pub fn page_of(cached: &PageRef) -> Option<Page> {
        cached
            .as_any()
            .downcast_ref::<FramePage>()?
            .page
            .try_clone()
    }
}

impl CachePage for FramePage {
    fn bytes(&self) -> &[AtomicU8; PAGE_SIZE] {
        self.page.bytes()
    }

    fn bytes_to_change(&self) -> &[AtomicU8; PAGE_SIZE] {
        self.page.bytes_to_change()
    }

    fn read(&self, offset: usize, buf: &mut [u8]) {
        self.page.read(offset, buf);
    }

    fn write(&self, offset: usize, buf: &[u8]) {
        self.page.write(offset, buf);
    }

    fn zero(&self, offset: usize, len: usize) {
        self.page.zero(offset, len);
    }

    fn is_mapped(&self) -> bool {
        !self.page.is_unique()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
