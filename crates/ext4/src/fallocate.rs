//! fallocate(2) and `SEEK_HOLE`: space that is set aside without being
//! written, given back, or made to read as zeroes.
//!
//! Nothing is written but the map: blocks are set aside as unwritten, and a
//! write makes those that it covers written, in the transaction that its data
//! precedes. Long ranges are done step by step, each an operation of its own
//! under the filesystem's lock.

use crate::file_io::PAGE;
use crate::inode::Ext4Inode;
use crate::raw_inode::RawInode;
use crate::transaction::Core;
use alloc::sync::Arc;
use core::ops::Range;
use core::sync::atomic::Ordering;
use paddock_vfs::cache::FilePages;
use paddock_vfs::{Allocation, Errno, Result, SeekTo};

/// Runs that one step allocates, and extents that it passes.
const STEP_EXTENTS: u32 = 64;
/// Blocks that one step allocates, or clears.
const STEP_BLOCKS: u32 = 64 << 10;

impl Core {
    /// Sets blocks from `from` to `last` aside where there are holes: up to
    /// where it got. `ENOSPC`.
    fn reserve_blocks(&mut self, raw: &mut RawInode, from: u32, last: u32) -> Result<u32> {
        let mut at = from;
        for _ in 0..STEP_EXTENTS {
            if at > last || at - from >= STEP_BLOCKS {
                break;
            }
            at = match self.map(raw, at)? {
                Ok(extent) => extent.end(),
                Err(hole) => {
                    let want = hole.min(last - at + 1).max(1);
                    at + self.fill_hole(raw, at, want, true)?
                }
            };
        }
        Ok(at)
    }

    /// Takes the blocks of a range out of the file, or makes them unwritten.
    fn clear_blocks(&mut self, raw: &mut RawInode, range: Range<u32>, keep: bool) -> Result<()> {
        for mut extent in self.take_extents(raw, range)? {
            if keep {
                extent.unwritten = true;
                self.insert_extent(raw, extent)?;
            } else {
                self.free_run(raw, extent.physical, extent.len, false)?;
            }
        }
        Ok(())
    }

    /// The next block from `from` on and below `end` that holds data, or that
    /// holds none; `end` if there is none such.
    fn next_block(&mut self, raw: &RawInode, from: u32, end: u32, to: SeekTo) -> Result<u32> {
        let mut at = from;
        while at < end {
            let (is_data, next) = match self.map(raw, at)? {
                Ok(extent) => (!extent.unwritten, extent.end()),
                Err(hole) => (false, at.saturating_add(hole)),
            };
            if is_data == (to == SeekTo::Data) {
                return Ok(at);
            }
            at = next;
        }
        Ok(end)
    }
}

impl Ext4Inode {
    /// fallocate(2) of a range that is not empty and does not end beyond the
    /// largest offset. `EOPNOTSUPP` of a file without extents, but for a hole.
    pub fn allocate_range(&self, what: Allocation, offset: u64, len: u64) -> Result<()> {
        let pages = self.pages()?;
        let end = offset.checked_add(len).ok_or(Errno::EFBIG)?;
        let _one_at_a_time = self.writing.lock();
        // Only an extent can say that nothing is written where it is.
        if what != Allocation::Punch && !self.fs.core.lock().inode(self.ino)?.has_extents() {
            return Err(Errno::EOPNOTSUPP);
        }
        match what {
            Allocation::Reserve { keep_size } => self.reserve(offset, end, keep_size),
            Allocation::Punch => self.clear(pages, offset, end, false),
            Allocation::Zero { keep_size } => {
                self.clear(pages, offset, end, true)?;
                self.reserve(offset, end, keep_size)
            }
        }
    }

    fn reserve(&self, offset: u64, end: u64, keep_size: bool) -> Result<()> {
        let mut next = None;
        loop {
            let mut core = self.fs.core.lock();
            let (first, last) = (core.logical(offset)?, core.logical(end - 1)?);
            let from = next.unwrap_or(first);
            if from > last {
                return Ok(());
            }
            let block_size = core.disk.block_size as u64;
            let (at, size) = self.fs.change(&mut core, |core| {
                let now = core.clock.now();
                core.change_inode(self.ino, |core, raw| {
                    let at = core.reserve_blocks(raw, from, last)?;
                    let reached = end.min(u64::from(at) * block_size);
                    if !keep_size {
                        raw.set_size(raw.size().max(reached));
                    }
                    raw.modified(now);
                    Ok((at, raw.size()))
                })
            })?;
            self.size.store(size, Ordering::Release);
            next = Some(at);
        }
    }

    /// Makes a range read as zeroes; its whole blocks stay only if `keep`.
    fn clear(&self, pages: &Arc<FilePages>, offset: u64, end: u64, keep: bool) -> Result<()> {
        // Nothing behind the last page holds anything.
        let size = self.size.load(Ordering::Acquire);
        let end = end.min(size.next_multiple_of(PAGE));
        if offset >= end {
            return Ok(());
        }
        let range = self.zero_edges(pages, offset, end)?;
        let mut at = range.start;
        while at < range.end {
            let mut core = self.fs.core.lock();
            at = self.clear_step(&mut core, pages, at, range.end, keep)?;
        }
        pages.clear(offset.div_ceil(PAGE)..end / PAGE);
        Ok(())
    }

    /// Zeroes the parts of the pages at both ends of a range that are not
    /// covered whole; the blocks that are.
    fn zero_edges(&self, pages: &Arc<FilePages>, offset: u64, end: u64) -> Result<Range<u32>> {
        let mut core = self.fs.core.lock();
        core.check_writable()?;
        let block_size = core.disk.block_size as u64;
        let whole = core.logical(offset.next_multiple_of(block_size))?..core.logical(end)?;
        let mut at = offset;
        while at < end {
            let index = at / PAGE;
            let to = end.min((index + 1) * PAGE);
            if to - at == PAGE {
                // On to the last page.
                at = end / PAGE * PAGE;
                continue;
            }
            let page = self.load_page(&mut core, pages, index)?;
            page.zero((at % PAGE) as usize, (to - at) as usize);
            pages.insert(index, page);
            pages.set_dirty(index);
            core.note_dirty(self.ino, pages);
            at = to;
        }
        Ok(whole)
    }

    /// Clears some blocks from `at` on; up to where it got. What may be
    /// changed through a mapping at any time keeps its blocks.
    fn clear_step(
        &self,
        core: &mut Core,
        pages: &FilePages,
        at: u32,
        end: u32,
        keep: bool,
    ) -> Result<u32> {
        let raw = core.inode(self.ino)?;
        if let Err(hole) = core.map(&raw, at)? {
            return Ok(at.saturating_add(hole).min(end));
        }
        let per_page = core.blocks_per_page();
        let stop = end.min(at.saturating_add(STEP_BLOCKS) / per_page * per_page);
        let covered = u64::from(at / per_page)..u64::from(stop.div_ceil(per_page));
        let mapped = pages.mapped_writable(covered.clone())?;
        self.fs.change(core, |core| {
            let now = core.clock.now();
            core.change_inode(self.ino, |core, raw| {
                let mut from = at;
                for page in mapped.iter().map(|page| *page as u32) {
                    let first = (page * per_page).clamp(from, stop);
                    core.clear_blocks(raw, from..first, keep)?;
                    from = ((page + 1) * per_page).clamp(from, stop);
                }
                core.clear_blocks(raw, from..stop, keep)?;
                raw.modified(now);
                Ok(())
            })
        })?;
        let whole = u64::from(at.div_ceil(per_page))..u64::from(stop / per_page);
        pages.clear(whole);
        Ok(stop)
    }

    /// The next offset from `offset` on with data, or with none. `ENXIO`.
    pub fn seek_data_or_hole(&self, offset: u64, to: SeekTo) -> Result<u64> {
        let mut core = self.fs.core.lock();
        let size = self.size.load(Ordering::Acquire);
        if offset >= size {
            return Err(Errno::ENXIO);
        }
        if self.pages.is_none() {
            return Ok(if to == SeekTo::Data { offset } else { size });
        }
        let raw = core.inode(self.ino)?;
        let block_size = core.disk.block_size as u64;
        let (first, end) = (core.logical(offset)?, core.logical(size - 1)? + 1);
        let block = core.next_block(&raw, first, end, to)?;
        let found = (u64::from(block) * block_size).clamp(offset, size);
        match to == SeekTo::Data && block == end {
            true => Err(Errno::ENXIO),
            false => Ok(found),
        }
    }
}
