//! Reading, writing and cutting a regular file through the page cache.

use crate::inode::Ext4Inode;
use crate::transaction::Core;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use paddock_vfs::cache::FilePages;
use paddock_vfs::{Errno, PAGE_SIZE, PageRef, Result};

const PAGE: u64 = PAGE_SIZE as u64;
/// Pages written in one operation.
const WRITE_PAGES: u64 = 64;
/// Pages read ahead of a sequential reader, and around any other.
const READ_AHEAD: u64 = 32;
const READ_AROUND: u64 = 16;

impl Ext4Inode {
    /// The page `index`, read from the disk if need be.
    pub fn cached_page(&self, pages: &Arc<FilePages>, index: u64) -> Result<PageRef> {
        if let Some(page) = pages.get(index) {
            return Ok(page);
        }
        let sequential = self.read_next.load(Ordering::Relaxed) == index;
        let window = if sequential { READ_AHEAD } else { READ_AROUND };
        let mut core = self.fs.core.lock();
        if let Some(page) = pages.get(index) {
            return Ok(page);
        }
        let raw = core.inode(self.ino)?;
        let page = match core.load_pages(&raw, pages, index, window) {
            Err(Errno::ENOMEM) => {
                core.free_memory(pages.cache())?;
                core.load_pages(&raw, pages, index, 1)?
            }
            result => result?,
        };
        core.trim();
        Ok(page)
    }

    pub fn read(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let pages = self.pages()?;
        let mut done = 0;
        while done < buf.len() {
            let at = offset + done as u64;
            let left = self.size.load(Ordering::Acquire).saturating_sub(at);
            let start = (at % PAGE) as usize;
            let len = (PAGE_SIZE - start).min(buf.len() - done);
            let len = usize::try_from(left).map_or(len, |left| left.min(len));
            if len == 0 {
                break;
            }
            match self.cached_page(pages, at / PAGE) {
                Ok(page) => page.read(start, &mut buf[done..done + len]),
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
            self.read_next.store(at / PAGE + 1, Ordering::Relaxed);
            done += len;
        }
        Ok(done)
    }

    /// Writes at `offset`, or at the end; the offset it was. Short if the
    /// space ends.
    pub fn write(&self, offset: Option<u64>, buf: &[u8]) -> Result<(u64, usize)> {
        let pages = self.pages()?;
        let mut core = self.fs.core.lock();
        self.fs.reap(&mut core);
        core.check_writable()?;
        let offset = offset.unwrap_or_else(|| self.size.load(Ordering::Acquire));
        let mut done = 0;
        while done < buf.len() {
            match self.write_some(&mut core, pages, offset + done as u64, &buf[done..]) {
                Ok(count) => done += count,
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok((offset, done))
    }

    /// Writes as much as one operation takes; when space is short, one page.
    fn write_some(
        &self,
        core: &mut Core,
        pages: &Arc<FilePages>,
        offset: u64,
        buf: &[u8],
    ) -> Result<usize> {
        let most = (WRITE_PAGES * PAGE - offset % PAGE) as usize;
        let part = &buf[..most.min(buf.len())];
        match self.write_part(core, pages, offset, part) {
            // Space or memory is short: perhaps one page still fits.
            Err(Errno::ENOSPC | Errno::ENOMEM) => {}
            result => return result,
        }
        if core.freed_blocks() > 0 {
            core.commit()?;
        }
        let page_left = (PAGE - offset % PAGE) as usize;
        let part = &part[..page_left.min(part.len())];
        self.write_part(core, pages, offset, part)
    }

    fn write_part(
        &self,
        core: &mut Core,
        pages: &Arc<FilePages>,
        offset: u64,
        buf: &[u8],
    ) -> Result<usize> {
        if pages.cache().is_dirty_over_limit() {
            core.write_all_data()?;
        }
        let end = offset + buf.len() as u64;
        let (first, last) = (core.logical(offset)?, core.logical(end - 1)?);
        let targets = match self.target_pages(core, pages, offset, end) {
            Err(Errno::ENOMEM) => {
                core.free_memory(pages.cache())?;
                self.target_pages(core, pages, offset, end)?
            }
            result => result?,
        };
        let size = core.operation(|core| {
            let now = core.clock.now();
            core.change_inode(self.ino, |core, raw| {
                core.ensure_blocks(raw, first, last)?;
                raw.set_size(raw.size().max(end));
                raw.modified(now);
                Ok(raw.size())
            })
        })?;
        let mut done = 0;
        for (index, page) in targets {
            let at = offset + done as u64;
            let start = (at % PAGE) as usize;
            let len = (PAGE_SIZE - start).min(buf.len() - done);
            let page = pages.insert(index, page);
            page.write(start, &buf[done..done + len]);
            pages.set_dirty(index);
            done += len;
        }
        core.note_dirty(self.ino, pages);
        self.size.store(size, Ordering::Release);
        Ok(done)
    }

    /// The pages from `offset` to `end`. Those that are not overwritten whole
    /// are read first: before blocks are allocated, which hold garbage.
    fn target_pages(
        &self,
        core: &mut Core,
        pages: &Arc<FilePages>,
        offset: u64,
        end: u64,
    ) -> Result<Vec<(u64, PageRef)>> {
        let range = offset / PAGE..end.div_ceil(PAGE);
        let mut targets = Vec::new();
        targets
            .try_reserve((range.end - range.start) as usize)
            .map_err(|_| Errno::ENOMEM)?;
        for index in range {
            let whole = index * PAGE >= offset && (index + 1) * PAGE <= end;
            let page = match pages.get(index) {
                Some(page) => page,
                None if whole => pages.cache().allocate()?,
                None => self.load_page(core, pages, index)?,
            };
            targets.push((index, page));
        }
        Ok(targets)
    }

    pub fn load_page(&self, core: &mut Core, pages: &FilePages, index: u64) -> Result<PageRef> {
        if let Some(page) = pages.get(index) {
            return Ok(page);
        }
        let raw = core.inode(self.ino)?;
        core.load_pages(&raw, pages, index, 1)
    }

    pub fn resize(&self, core: &mut Core, size: u64) -> Result<()> {
        let pages = self.pages()?;
        let cut = core.logical(size.saturating_add(core.disk.block_size as u64 - 1))?;
        let shrinks = size < self.size.load(Ordering::Acquire);
        let tail = match shrinks && !size.is_multiple_of(PAGE) {
            true => Some(self.load_page(core, pages, size / PAGE)?),
            false => None,
        };
        core.operation(|core| {
            let now = core.clock.now();
            core.change_inode(self.ino, |core, raw| {
                if shrinks {
                    core.cut_extents(raw, cut, false)?;
                }
                raw.set_size(size);
                raw.modified(now);
                Ok(())
            })
        })?;
        self.size.store(size, Ordering::Release);
        if shrinks {
            pages.truncate(size.div_ceil(PAGE));
        }
        if let Some(tail) = tail {
            let start = (size % PAGE) as usize;
            tail.zero(start, PAGE_SIZE - start);
            pages.set_dirty(size / PAGE);
            core.note_dirty(self.ino, pages);
        }
        Ok(())
    }
}
