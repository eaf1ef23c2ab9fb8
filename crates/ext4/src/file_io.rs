//! Reading, writing and cutting a regular file through the page cache.

use crate::inode::Ext4Inode;
use crate::transaction::Core;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use paddock_user_io::{Pass, UserReader, UserWriter, in_steps};
use paddock_vfs::cache::FilePages;
use paddock_vfs::{Errno, PAGE_SIZE, PageRef, Result};

pub(crate) const PAGE: u64 = PAGE_SIZE as u64;
/// Bytes of whole pages that are written in one operation.
const WRITE_BYTES: usize = 64 * PAGE_SIZE;
/// Pages read ahead of a sequential reader: at first, and as long as it goes on; and
/// behind one that a mapping needs.
const READ_AHEAD: u64 = 32;
const MOST_AHEAD: u64 = 128;
const READ_BEHIND: u64 = 16;
/// Pages that are looked up at once.
const RUN: usize = 16;

impl Ext4Inode {
    /// How many pages are read when `index` is needed and not there, and `wanted` from
    /// there on are asked for: more for a reader that goes on where it was.
    fn window(&self, pages: &FilePages, index: u64, wanted: u64) -> u64 {
        if self.read_next.load(Ordering::Relaxed) != index {
            self.ahead.store(0, Ordering::Relaxed);
            return wanted.clamp(1, READ_AHEAD);
        }
        let most = match pages.cache().may_grow() {
            true => MOST_AHEAD,
            false => READ_AHEAD,
        };
        let before = self.ahead.load(Ordering::Relaxed);
        let window = (before * 2).clamp(READ_AHEAD, most);
        self.ahead.store(window, Ordering::Relaxed);
        window
    }

    /// The page `index`, which a mapping needs, read from the disk if need be.
    pub fn mapped_page(&self, pages: &Arc<FilePages>, index: u64) -> Result<PageRef> {
        match pages.get(index) {
            Some(page) => Ok(page),
            None => self.read_page(pages, index, self.window(pages, index, READ_BEHIND)),
        }
    }

    /// The page `index`, which was not in the cache, read from the disk with up to
    /// `window - 1` others behind it.
    fn read_page(&self, pages: &Arc<FilePages>, index: u64, window: u64) -> Result<PageRef> {
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

    pub fn read(&self, offset: u64, to: &mut UserWriter<'_>) -> Result<usize> {
        let pages = self.pages()?;
        in_steps(|done| {
            let at = offset + done as u64;
            let left = self.size.load(Ordering::Acquire).saturating_sub(at);
            let len = usize::try_from(left).map_or(to.left(), |left| left.min(to.left()));
            if len == 0 {
                return Ok(0);
            }
            let (first, end) = (at / PAGE, (at + len as u64).div_ceil(PAGE));
            if first + 1 < end {
                return self.read_run(pages, at, len, to);
            }
            let start = (at % PAGE) as usize;
            let copied = match pages.get(first) {
                Some(page) => Ok(page),
                None => self.read_page(pages, first, self.window(pages, first, 1)),
            }
            .and_then(|page| to.copy_from_page(&page.bytes()[start..start + len]));
            self.read_next.store(end, Ordering::Relaxed);
            copied
        })
    }

    /// Reads some of `len` bytes from `at` on, which are of several pages; how many.
    fn read_run(
        &self,
        pages: &Arc<FilePages>,
        at: u64,
        len: usize,
        to: &mut UserWriter<'_>,
    ) -> Result<usize> {
        let (first, end) = (at / PAGE, (at + len as u64).div_ceil(PAGE));
        let mut run = [const { None }; RUN];
        let wanted = RUN.min((end - first) as usize);
        let mut count = pages.get_run(first, &mut run[..wanted]);
        let found = match count {
            0 => {
                count = 1;
                let window = self.window(pages, first, end - first);
                let page = self.read_page(pages, first, window);
                page.map(|page| run[0] = Some(page))
            }
            _ => Ok(()),
        };
        let copied = found.and_then(|()| copy_run(&run[..count], at, len, to));
        self.read_next
            .store(first + count as u64, Ordering::Relaxed);
        copied
    }

    /// Writes at `offset`, or at the end; the offset it was. Short if the
    /// space ends. The bytes are copied under the filesystem's lock, which a fault
    /// may need: what is missing is brought in without it.
    pub fn write(&self, offset: Option<u64>, from: &mut UserReader<'_>) -> Result<(u64, usize)> {
        let pages = self.pages()?;
        let _one_at_a_time = self.writing.lock();
        let (mut start, mut done) = (offset, 0);
        let count = from.in_passes(|from| {
            let mut core = self.fs.core.lock();
            self.fs.reap(&mut core);
            core.check_writable()?;
            let begin = *start.get_or_insert_with(|| self.size.load(Ordering::Acquire));
            let wanted = from.left();
            if wanted == 0 {
                return Ok(Pass::NOTHING);
            }
            let moved = match self.write_some(&mut core, pages, begin + done, from) {
                Err(Errno::EFAULT) => 0,
                written => written?,
            };
            done += moved as u64;
            Ok(Pass { moved, wanted })
        })?;
        Ok((start.unwrap_or_default(), count))
    }

    /// Writes as much as one operation takes; when space is short, one page. `EFAULT`
    /// if the first byte is not to be had without a fault.
    fn write_some(
        &self,
        core: &mut Core,
        pages: &Arc<FilePages>,
        offset: u64,
        from: &mut UserReader<'_>,
    ) -> Result<usize> {
        let most = (WRITE_BYTES - (offset % PAGE) as usize).min(from.left());
        match self.write_part(core, pages, offset, from, most) {
            // Space or memory is short: perhaps one page still fits.
            Err(Errno::ENOSPC | Errno::ENOMEM) => {}
            result => return result,
        }
        if core.freed_blocks() > 0 {
            core.commit()?;
        }
        let page_left = (PAGE - offset % PAGE) as usize;
        self.write_part(core, pages, offset, from, most.min(page_left))
    }

    /// Writes `most` bytes, or those that are to be had without a fault.
    fn write_part(
        &self,
        core: &mut Core,
        pages: &Arc<FilePages>,
        offset: u64,
        from: &mut UserReader<'_>,
        most: usize,
    ) -> Result<usize> {
        if pages.cache().is_dirty_over_limit() {
            core.write_all_data()?;
        }
        let mut length = most;
        loop {
            let mut copied = 0;
            let result = self.write_length(core, pages, offset, from, length, &mut copied);
            match result {
                Ok(()) => {
                    from.advance(length);
                    return Ok(length);
                }
                // Nothing has come of it but for the bytes in cached pages, which the
                // shorter write puts there again.
                Err(Errno::EFAULT) if (1..length).contains(&copied) => length = copied,
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes exactly `length` bytes. `EFAULT` after fewer have been copied, of which
    /// `copied` tells how many: the file is as before then.
    fn write_length(
        &self,
        core: &mut Core,
        pages: &Arc<FilePages>,
        offset: u64,
        from: &UserReader<'_>,
        length: usize,
        copied: &mut usize,
    ) -> Result<()> {
        let end = offset + length as u64;
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
                *copied = fill(&targets, offset, length, from.clone());
                if *copied < length {
                    return Err(Errno::EFAULT);
                }
                raw.set_size(raw.size().max(end));
                raw.modified(now);
                Ok(raw.size())
            })
        })?;
        for (index, page) in targets {
            pages.insert(index, page);
            pages.set_dirty(index);
        }
        core.note_dirty(self.ino, pages);
        self.size.store(size, Ordering::Release);
        Ok(())
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
                None if whole => pages.cache().allocate_unfilled()?,
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
        // At the same size, what was set aside behind the end goes.
        let old = self.size.load(Ordering::Acquire);
        let shrinks = size <= old;
        let tail = match size < old && !size.is_multiple_of(PAGE) {
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
        if size < old {
            self.write_count.note_cut(size);
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

/// Copies up to `len` bytes from `at` on out of the pages there, which are not none; how
/// many. `EFAULT` if there is no place for the first.
fn copy_run(
    run: &[Option<PageRef>],
    at: u64,
    len: usize,
    to: &mut UserWriter<'_>,
) -> Result<usize> {
    let (mut start, mut done) = ((at % PAGE) as usize, 0);
    for page in run.iter().flatten() {
        let here = (PAGE_SIZE - start).min(len - done);
        match to.copy_from_page(&page.bytes()[start..start + here]) {
            Ok(count) if count == here => done += count,
            Ok(count) => return Ok(done + count),
            Err(_) if done > 0 => return Ok(done),
            Err(error) => return Err(error),
        }
        start = 0;
    }
    Ok(done)
}

/// Copies `length` bytes for `offset` into its pages, as far as they are to be had
/// without a fault; how many.
fn fill(targets: &[(u64, PageRef)], offset: u64, length: usize, mut from: UserReader<'_>) -> usize {
    let mut done = 0;
    for (_, page) in targets {
        let start = ((offset + done as u64) % PAGE) as usize;
        let len = (PAGE_SIZE - start).min(length - done);
        let count = from.copy_to_page_atomic(&page.bytes_to_change()[start..start + len]);
        done += count;
        if count < len {
            break;
        }
    }
    done
}
