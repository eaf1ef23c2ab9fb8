//! The data of a regular file: pages, with holes.

use super::Shared;
use crate::{Errno, PAGE_SIZE, PageRef, Result};
use alloc::collections::BTreeMap;

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

    pub fn read(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let left = self.size.saturating_sub(offset);
        let len = usize::try_from(left).map_or(buf.len(), |left| left.min(buf.len()));
        for (index, start, piece) in pieces_mut(offset, &mut buf[..len]) {
            match self.pages.get(&index) {
                Some(page) => page.read(start, piece),
                None => piece.fill(0),
            }
        }
        Ok(len)
    }

    /// Short when the space ends in the middle.
    pub fn write(&mut self, offset: u64, buf: &[u8], shared: &Shared) -> Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        let mut done = 0;
        while done < buf.len() {
            let at = offset + done as u64;
            let start = (at % PAGE) as usize;
            let len = (PAGE_SIZE - start).min(buf.len() - done);
            let page = match self.ensure_page(at / PAGE, at, shared) {
                Ok(page) => page,
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            };
            page.write(start, &buf[done..done + len]);
            done += len;
        }
        self.size = self.size.max(offset + done as u64);
        Ok(done)
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

    /// Gives every page of the range a place. `ENOSPC` leaves what it was
    /// given so far.
    pub fn allocate(&mut self, offset: u64, len: u64, shared: &Shared) -> Result<()> {
        let end = offset.checked_add(len).ok_or(Errno::EFBIG)?;
        for index in offset / PAGE..end.div_ceil(PAGE) {
            self.ensure_page(index, index.saturating_mul(PAGE), shared)?;
        }
        self.size = self.size.max(end);
        Ok(())
    }
}

/// The parts of `buf` by page: index, offset within the page, bytes.
fn pieces_mut(offset: u64, buf: &mut [u8]) -> impl Iterator<Item = (u64, usize, &mut [u8])> {
    let mut rest = Some(buf);
    let mut at = offset;
    core::iter::from_fn(move || {
        let buf = rest.take().filter(|buf| !buf.is_empty())?;
        let start = (at % PAGE) as usize;
        let (piece, left) = buf.split_at_mut((PAGE_SIZE - start).min(buf.len()));
        let index = at / PAGE;
        at += piece.len() as u64;
        rest = Some(left);
        Some((index, start, piece))
    })
}
