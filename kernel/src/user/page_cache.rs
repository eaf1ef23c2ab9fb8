//! Pages for the page cache that users can map.

use super::hardware::{Page, zeroed_page};
use core::any::Any;
use paddock_sync::try_arc;
use paddock_vfs::{CachePage, PageRef, PageSource, Result};

/// Gives the page cache frames.
#[derive(Debug)]
pub struct FramePages;

impl PageSource for FramePages {
    fn allocate(&self) -> Result<PageRef> {
        Ok(try_arc(FramePage(zeroed_page()?))?)
    }
}

/// A page of a file.
pub struct FramePage(Page);

impl FramePage {
    /// The frame behind a cached page.
    pub fn page_of(cached: &PageRef) -> Option<Page> {
        cached.as_any().downcast_ref::<FramePage>()?.0.try_clone()
    }
}

impl CachePage for FramePage {
    fn read(&self, offset: usize, buf: &mut [u8]) {
        self.0.read(offset, buf);
    }

    fn write(&self, offset: usize, buf: &[u8]) {
        self.0.write(offset, buf);
    }

    fn zero(&self, offset: usize, len: usize) {
        self.0.zero(offset, len);
    }

    fn is_mapped(&self) -> bool {
        !self.0.is_unique()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
