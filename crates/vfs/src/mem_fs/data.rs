//! The data of a regular file: pages, with holes.

use super::Shared;
use super::window::Window;
use crate::{Errno, PAGE_SIZE, PageRef, Result, SeekTo};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::ops::Range;

/// The largest file in bytes.
const MAX_SIZE: u64 = i64::MAX as u64;
const PAGE: u64 = PAGE_SIZE as u64;

/// The invariant: pages hold zeroes past the end of the file.
#[derive(Default)]
pub(super) struct FileData {
    size: u64,
    pages: BTreeMap<u64, PageRef>,
}

impl FileData {
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The number of pages that it takes.
    pub fn pages(&self) -> u64 {
        self.pages.len() as u64
    }

    /// The pages of up to `most` bytes from `offset` on that are before the end.
    pub fn readable(&self, offset: u64, most: usize) -> Window {
        let left = self.size.saturating_sub(offset);
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        let mut window = Window::new(offset, most.min(left));
        for (index, page) in window.pages() {
            *page = self.pages.get(&index).cloned();
        }
        window
    }

    /// The pages of up to `most` bytes from `offset` on, to be written. Fewer when the
    /// space ends in the middle.
    ///
    /// # Errors
    /// `ENOSPC`, `ENOMEM`, `EFBIG` for the first of them.
    pub fn writable(&mut self, offset: u64, most: usize, shared: &Shared) -> Result<Window> {
        let mut window = Window::new(offset, most);
        let mut end = offset;
        let mut refused = None;
        for (index, page) in window.pages() {
            match self.ensure_page(index, index.saturating_mul(PAGE).max(offset), shared) {
                Ok(own) => *page = Some(own),
                Err(error) => {
                    refused = Some(error);
                    break;
                }
            }
            end = (index + 1) * PAGE;
        }
        match refused {
            Some(error) if end == offset => Err(error),
            Some(_) => {
                window.cut((end - offset) as usize);
                Ok(window)
            }
            None => Ok(window),
        }
    }

    /// Bytes up to `end` have been written.
    pub fn grow_to(&mut self, end: u64) {
        self.size = self.size.max(end);
    }

    /// Gives back what was meant for bytes that have not come.
    pub fn drop_beyond_end(&mut self, shared: &Shared) {
        let dropped = self.pages.split_off(&self.size.div_ceil(PAGE));
        shared.refund_pages(dropped.len() as u64);
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "small: a caller has asked may_allocate, and the heap keeps a reserve for such"
    )]
    fn ensure_page(&mut self, index: u64, at: u64, shared: &Shared) -> Result<PageRef> {
        if at >= MAX_SIZE - PAGE {
            return Err(Errno::EFBIG);
        }
        if let Some(page) = self.pages.get(&index) {
            return Ok(page.clone());
        }
        let page = shared.allocate_page()?;
        self.pages.insert(index, page.clone());
        Ok(page)
    }

    /// The page of an offset within the file, for mapping.
    pub fn page(&mut self, index: u64, shared: &Shared) -> Result<PageRef> {
        if index >= self.size.div_ceil(PAGE) {
            return Err(Errno::EFAULT);
        }
        self.ensure_page(index, index * PAGE, shared)
    }

    pub fn resize(&mut self, size: u64, shared: &Shared) -> Result<()> {
        if size > MAX_SIZE {
            return Err(Errno::EFBIG);
        }
        if size < self.size {
            let dropped = self.pages.split_off(&size.div_ceil(PAGE));
            shared.refund_pages(dropped.len() as u64);
            let start = (size % PAGE) as usize;
            if start > 0
                && let Some(page) = self.pages.get(&(size / PAGE))
            {
                page.zero(start, PAGE_SIZE - start);
            }
        }
        self.size = size;
        Ok(())
    }

    /// Gives every page of the range a place, and makes the file at least
    /// `size` long. `ENOSPC` leaves what it was given so far.
    pub fn allocate(&mut self, range: Range<u64>, size: u64, shared: &Shared) -> Result<()> {
        for index in range.start / PAGE..range.end.div_ceil(PAGE) {
            self.ensure_page(index, index.saturating_mul(PAGE), shared)?;
        }
        self.size = self.size.max(size);
        Ok(())
    }

    /// Makes a range read as zeroes, and gives its whole pages back, but for
    /// those that somebody maps.
    pub fn punch(&mut self, range: Range<u64>, shared: &Shared) {
        let mut next = range.start / PAGE;
        let end = range.end.div_ceil(PAGE);
        while let Some((&index, page)) = self.pages.range(next..end).next() {
            next = index + 1;
            let from = range.start.saturating_sub(index * PAGE);
            let to = PAGE.min(range.end - index * PAGE);
            let in_use = Arc::strong_count(page) > 1 || page.is_mapped();
            if in_use || to - from < PAGE {
                page.zero(from as usize, (to - from) as usize);
            } else {
                self.pages.remove(&index);
                shared.refund_pages(1);
            }
        }
    }

    /// The next offset with data or with a hole. `ENXIO`.
    pub fn seek(&self, offset: u64, to: SeekTo) -> Result<u64> {
        if offset >= self.size {
            return Err(Errno::ENXIO);
        }
        let first = offset / PAGE;
        let mut pages = self.pages.range(first..).map(|(index, _)| *index);
        let found = match to {
            SeekTo::Data => pages.next().ok_or(Errno::ENXIO)?,
            SeekTo::Hole => {
                let after = |hole: u64, page| {
                    if page == hole {
                        Ok(hole + 1)
                    } else {
                        Err(hole)
                    }
                };
                pages.try_fold(first, after).unwrap_or_else(|hole| hole)
            }
        };
        match (found.saturating_mul(PAGE).max(offset), to) {
            (at, SeekTo::Data) if at >= self.size => Err(Errno::ENXIO),
            (at, _) => Ok(at.min(self.size)),
        }
    }
}
