//! Pages of files that are mapped to be read, and of programs that run.
//!
//! read(2) and write(2) go to the program each time; what is written goes into the pages
//! as well, and what the program says is outdated leaves them and all mappings.

use crate::handle::Handle;
use crate::inode::FuseInode;
use crate::opcode::Opcode;
use crate::terms::MOST_DATA;
use alloc::sync::Arc;
use paddock_abi::{Errno, Result};
use paddock_vfs::cache::FilePages;
use paddock_vfs::{Inode, PAGE_SIZE, PageRef};

const PAGE: u64 = PAGE_SIZE as u64;

impl FuseInode {
    fn file_pages(&self) -> Result<&Arc<FilePages>> {
        if let Some(pages) = self.pages.get() {
            return Ok(pages);
        }
        let pages = FilePages::new(&self.shared.host().page_cache()?)?;
        // Another may have been quicker.
        let _ = self.pages.set(pages);
        self.pages.get().ok_or(Errno::ENOMEM)
    }

    /// Whether pages of it may be mapped.
    pub fn has_pages(&self) -> bool {
        self.pages.get().is_some()
    }

    /// A page for a mapping that does not change it. `EFAULT` behind the end.
    pub fn mapped_page(&self, index: u64) -> Result<PageRef> {
        let pages = self.file_pages()?;
        if let Some(page) = pages.get(index) {
            return Ok(page);
        }
        let size = self.size()?;
        let offset = index.checked_mul(PAGE).ok_or(Errno::EFAULT)?;
        if offset >= size {
            return Err(Errno::EFAULT);
        }
        let handle = self.handle(false)?;
        self.fill_pages(
            pages,
            &handle,
            index,
            (size - offset).min(MOST_DATA as u64) as usize,
        )
    }

    /// Reads what is behind a page's start, so many bytes at most; the page. What the
    /// program does not give is zeroes.
    fn fill_pages(
        &self,
        pages: &FilePages,
        handle: &Handle,
        first: u64,
        most: usize,
    ) -> Result<PageRef> {
        let bytes = handle.read_some(Opcode::Read, first * PAGE, most, 0)?;
        let page = pages.cache().allocate()?;
        page.write(0, &bytes[..bytes.len().min(PAGE_SIZE)]);
        let page = pages.insert(first, page);
        for (index, data) in (first..).zip(bytes.chunks(PAGE_SIZE)).skip(1) {
            // Those behind it are had as well, where there is memory for them.
            let Ok(next) = pages.cache().allocate() else {
                break;
            };
            next.write(0, data);
            pages.insert(index, next);
        }
        Ok(page)
    }

    /// Bytes were written: they are in its pages, too.
    pub fn write_pages(&self, offset: u64, mut bytes: &[u8]) {
        let Some(pages) = self.pages.get() else {
            return;
        };
        let mut at = offset;
        while !bytes.is_empty() {
            let within = (at % PAGE) as usize;
            let (here, rest) = bytes.split_at(bytes.len().min(PAGE_SIZE - within));
            if let Some(page) = pages.get(at / PAGE) {
                page.write(within, here);
            }
            at += here.len() as u64;
            bytes = rest;
        }
    }

    /// It is only so long now. May sleep.
    pub fn cut_pages(&self, size: u64) {
        let Some(pages) = self.pages.get() else {
            return;
        };
        pages.truncate(size.div_ceil(PAGE));
        let within = (size % PAGE) as usize;
        if within > 0
            && let Some(page) = pages.get(size / PAGE)
        {
            page.zero(within, PAGE_SIZE - within);
        }
        self.unmap(size);
    }

    /// What is behind an offset, so many bytes or all for none, is to be asked for again.
    /// Pages behind it go as well. May sleep.
    pub fn drop_pages(&self, offset: u64, _length: i64) {
        let Some(pages) = self.pages.get() else {
            return;
        };
        let first = offset / PAGE;
        pages.truncate(first);
        self.unmap(first * PAGE);
    }

    fn unmap(&self, from: u64) {
        self.write_count.note_cut(from);
        if let Ok(own) = self.own() {
            let own: Arc<dyn Inode> = own;
            paddock_vfs::length_was_set(&own);
        }
    }
}
