//! File data between the page cache and the disk.

use crate::disk::zeroed;
use crate::extents::{Extent, MOST_UNWRITTEN};
use crate::raw_inode::RawInode;
use crate::transaction::Core;
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_vfs::cache::{FilePages, PageCache};
use paddock_vfs::{Errno, PAGE_SIZE, PageRef, Result};

const PAGE: u64 = PAGE_SIZE as u64;
/// Bytes written to the disk in one go.
const WRITE_RUN: usize = 256 << 10;
/// Dirty pages looked at in one go.
const WRITE_BATCH: usize = 64;

/// A run of blocks to write, growing as long as they are neighbours.
struct WriteRun {
    first: u64,
    bytes: Vec<u8>,
}

impl Core {
    /// The number of a block within a file. `EFBIG`.
    pub fn logical(&self, offset: u64) -> Result<u32> {
        let logical = offset / self.disk.block_size as u64;
        // The last number stays free: lengths must fit as well.
        match u32::try_from(logical) {
            Ok(logical) if logical < u32::MAX => Ok(logical),
            _ => Err(Errno::EFBIG),
        }
    }

    pub fn blocks_per_page(&self) -> u32 {
        (PAGE_SIZE / self.disk.block_size) as u32
    }

    /// Reads the pages `first`, which is not in the cache, and up to
    /// `count - 1` more after it into the cache, as far as they are not there
    /// and lie within the file; the first of them. `ENOMEM` or `EIO` only for
    /// the first.
    pub fn load_pages(
        &mut self,
        raw: &RawInode,
        pages: &FilePages,
        first: u64,
        count: u64,
    ) -> Result<PageRef> {
        let end = raw.size().div_ceil(PAGE).min(first + count).max(first + 1);
        let end = pages.next_cached(first..end).max(first + 1);
        let mut fresh: Vec<PageRef> = Vec::new();
        fresh
            .try_reserve_exact((end - first) as usize)
            .map_err(|_| Errno::ENOMEM)?;
        for index in first..end {
            match pages.cache().allocate_unfilled() {
                Ok(page) => fresh.push(page),
                Err(error) if index == first => return Err(error),
                Err(_) => break,
            }
        }
        let readable = self.fill_readable(raw, first, &fresh)?;
        fresh.truncate(readable);
        // Eviction may take pages that nobody has at hand at any time.
        let loaded = pages.insert_run(first, fresh);
        loaded.or_else(|| pages.get(first)).ok_or(Errno::ENOMEM)
    }

    /// Fills as many of `pages` as can be read, and the first at least; how
    /// many. `EIO`.
    fn fill_readable(&mut self, raw: &RawInode, first: u64, pages: &[PageRef]) -> Result<usize> {
        match self.fill_pages(raw, first, pages) {
            Ok(()) => return Ok(pages.len()),
            Err(error) if pages.len() < 2 => return Err(self.unreadable(raw, first, error)),
            Err(_) => {}
        }
        // One of them is bad: that is no reason to do without the others.
        for (at, (index, page)) in (first..).zip(pages).enumerate() {
            let result = self.fill_pages(raw, index, core::slice::from_ref(page));
            match result {
                Err(error) if at == 0 => return Err(self.unreadable(raw, first, error)),
                Err(_) => return Ok(at),
                Ok(()) => {}
            }
        }
        Ok(pages.len())
    }

    fn unreadable(&self, raw: &RawInode, page: u64, error: Errno) -> Errno {
        if error != Errno::ENOMEM {
            let offset = page * PAGE;
            self.disk.report(format_args!(
                "inode {}: cannot read the page at byte {offset}: {error}",
                raw.ino
            ));
        }
        error
    }

    /// Reads what lies behind `pages`, the first of which is page `first`: each of their
    /// bytes is written.
    fn fill_pages(&mut self, raw: &RawInode, first: u64, pages: &[PageRef]) -> Result<()> {
        let per_page = u64::from(self.blocks_per_page());
        let start = self.logical(first * PAGE)?;
        let count = (pages.len() as u64 * per_page) as u32;
        let mut done = 0;
        while done < count {
            let logical = start.checked_add(done).ok_or(Errno::EFBIG)?;
            let left = count - done;
            match self.map(raw, logical)? {
                Ok(extent) if !extent.unwritten => {
                    let skip = logical - extent.logical;
                    let run = left.min(extent.len - skip);
                    let from = extent.physical + u64::from(skip);
                    self.read_run(from, run, done, pages)?;
                    done += run;
                }
                nothing => {
                    let run = left.min(match nothing {
                        Ok(extent) => extent.len - (logical - extent.logical),
                        Err(hole) => hole.max(1),
                    });
                    self.zero_run(run, done, pages);
                    done += run;
                }
            }
        }
        Ok(())
    }

    /// Makes `run` blocks of `pages` zero, from their block `at` on.
    fn zero_run(&self, run: u32, at: u32, pages: &[PageRef]) {
        let size = self.disk.block_size;
        for block in at as usize..(at + run) as usize {
            if let Some(page) = pages.get(block * size / PAGE_SIZE) {
                page.zero(block * size % PAGE_SIZE, size);
            }
        }
    }

    /// Reads `run` blocks of the disk into `pages`, from their block `at` on.
    fn read_run(&self, from: u64, run: u32, at: u32, pages: &[PageRef]) -> Result<()> {
        let per_page = self.blocks_per_page();
        let whole = match at.is_multiple_of(per_page) {
            true => run / per_page * per_page,
            false => 0,
        };
        let first = (at / per_page) as usize;
        let full = pages.get(first..first + (whole / per_page) as usize);
        match full {
            Some(full) if whole > 0 => self.disk.read_pages(from, full)?,
            _ => return self.read_blocks(from, run, at, pages),
        }
        self.read_blocks(from + u64::from(whole), run - whole, at + whole, pages)
    }

    /// The same, of blocks that fill no page.
    fn read_blocks(&self, from: u64, run: u32, at: u32, pages: &[PageRef]) -> Result<()> {
        let size = self.disk.block_size;
        let run = run as usize;
        if run == 0 {
            return Ok(());
        }
        // In one go, or block by block when memory is short.
        let mut bytes = zeroed(run * size).or_else(|_| zeroed(size))?;
        let step = bytes.len() / size;
        for done in (0..run).step_by(step) {
            self.disk.read(from + done as u64, &mut bytes)?;
            for (index, block) in bytes.chunks_exact(size).enumerate() {
                let byte = (at as usize + done + index) * size;
                if let Some(page) = pages.get(byte / PAGE_SIZE) {
                    page.write(byte % PAGE_SIZE, block);
                }
            }
        }
        Ok(())
    }

    /// Gives every block from `first` to `last` a place on the disk, where it
    /// holds what the page cache has of it: part of an operation, whose caller
    /// writes the inode back. `ENOSPC`.
    pub fn ensure_blocks(&mut self, raw: &mut RawInode, first: u32, last: u32) -> Result<()> {
        let mut at = first;
        while at <= last {
            match self.map(raw, at)? {
                Ok(extent) => {
                    let end = extent.end().min(last + 1);
                    if extent.unwritten {
                        self.mark_written(raw, at..end)?;
                    }
                    at = end;
                }
                Err(hole) => {
                    let want = hole.min(last - at + 1).max(1);
                    at += self.fill_hole(raw, at, want, false)?;
                }
            }
        }
        Ok(())
    }

    /// Allocates up to `want` blocks at `at`, which hold data from now on or
    /// are `unwritten`; how many.
    pub fn fill_hole(
        &mut self,
        raw: &mut RawInode,
        at: u32,
        want: u32,
        unwritten: bool,
    ) -> Result<u32> {
        let before = match at.checked_sub(1) {
            Some(before) => self.map(raw, before)?.ok(),
            None => None,
        };
        let goal = match before {
            Some(extent) => extent.physical + u64::from(extent.len),
            None => self.data_goal(raw.ino),
        };
        let (physical, len) = self.allocate_blocks(goal, want.min(MOST_UNWRITTEN))?;
        let extent = Extent {
            logical: at,
            len,
            physical,
            unwritten,
        };
        self.insert_extent(raw, extent)?;
        raw.add_blocks(i64::from(len), self.disk.block_size);
        Ok(len)
    }

    /// Remembers that a file has pages to write, and keeps them alive.
    #[allow(
        clippy::disallowed_methods,
        reason = "small: a caller has asked may_allocate, and the heap keeps a reserve for such"
    )]
    pub fn note_dirty(&mut self, ino: u32, pages: &Arc<FilePages>) {
        self.note_change();
        self.dirty_files.insert(u64::from(ino), pages.clone());
    }

    /// Writes what is dirty, so that its pages can be taken back.
    pub fn free_memory(&mut self, cache: &PageCache) -> Result<()> {
        self.write_all_data()?;
        cache.shrink(WRITE_BATCH);
        Ok(())
    }

    /// Writes all dirty pages. What cannot be written is its file's own
    /// business: the error waits there for who syncs it. `ENOMEM`.
    pub fn write_all_data(&mut self) -> Result<()> {
        let mut from = 0;
        while let Some((&ino, _)) = self.dirty_files.range(from..).next() {
            self.write_file_data(ino)?;
            from = ino + 1;
        }
        Ok(())
    }

    /// The same of one file, if it has any. `ENOMEM`.
    pub fn write_file_data(&mut self, ino: u64) -> Result<()> {
        let Some(pages) = self.dirty_files.get(&ino).cloned() else {
            return Ok(());
        };
        match self.write_data(ino as u32, &pages) {
            Err(Errno::ENOMEM) => return Err(Errno::ENOMEM),
            Err(error) => self.lose_data(ino, &pages, error),
            Ok(()) => {}
        }
        if !pages.is_dirty() {
            self.dirty_files.remove(&ino);
        }
        Ok(())
    }

    fn write_data(&mut self, ino: u32, pages: &FilePages) -> Result<()> {
        let raw = self.inode(ino)?;
        let mut from = 0;
        loop {
            let batch = pages.take_dirty(from, WRITE_BATCH);
            let Some((last, _)) = batch.last() else {
                return Ok(());
            };
            from = last + 1;
            match self.write_batch(&raw, &batch) {
                Ok(()) => {}
                Err(Errno::ENOMEM) => {
                    batch.iter().for_each(|(index, _)| pages.set_dirty(*index));
                    return Err(Errno::ENOMEM);
                }
                Err(_) => self.write_singly(&raw, pages, &batch)?,
            }
        }
    }

    /// Writes pages one by one, after they could not be written together.
    /// Those that still cannot be written are clean from now on, as in Linux:
    /// who syncs the file hears of it. `ENOMEM`.
    fn write_singly(
        &mut self,
        raw: &RawInode,
        pages: &FilePages,
        batch: &[(u64, PageRef)],
    ) -> Result<()> {
        for (at, single) in batch.chunks(1).enumerate() {
            match self.write_batch(raw, single) {
                Ok(()) => {}
                Err(Errno::ENOMEM) => {
                    let left = &batch[at..];
                    left.iter().for_each(|(index, _)| pages.set_dirty(*index));
                    return Err(Errno::ENOMEM);
                }
                Err(error) => {
                    self.note_loss(pages, error);
                    let offset = batch[at].0 * PAGE;
                    self.disk.report(format_args!(
                        "inode {}: cannot write the page at byte {offset}: {error}; it is lost",
                        raw.ino
                    ));
                }
            }
        }
        Ok(())
    }

    /// Who syncs the file, or all of them, is told.
    fn note_loss(&self, pages: &FilePages, error: Errno) {
        pages.errors().record(error);
        self.health.write_errors.record(error);
    }

    /// A file's pages have nowhere to go: not even its inode can be read.
    fn lose_data(&mut self, ino: u64, pages: &FilePages, error: Errno) {
        self.note_loss(pages, error);
        while !pages.take_dirty(0, WRITE_BATCH).is_empty() && pages.is_dirty() {}
        self.disk
            .report(format_args!("inode {ino}: its data is lost: {error}"));
    }

    fn write_batch(&mut self, raw: &RawInode, batch: &[(u64, PageRef)]) -> Result<()> {
        let mut run = WriteRun {
            first: 0,
            bytes: Vec::new(),
        };
        let mut known: Option<Extent> = None;
        for (index, page) in batch {
            for part in 0..self.blocks_per_page() {
                let offset = index * PAGE + u64::from(part) * self.disk.block_size as u64;
                if offset >= raw.size() {
                    break;
                }
                let logical = self.logical(offset)?;
                if known.is_none_or(|e| logical < e.logical || logical - e.logical >= e.len) {
                    known = self.map(raw, logical)?.ok();
                }
                // What has no place on the disk is a hole of zeroes.
                if let Some(extent) = known.filter(|extent| !extent.unwritten) {
                    let block = extent.physical + u64::from(logical - extent.logical);
                    self.add_to_run(&mut run, block, page, part)?;
                }
            }
        }
        self.write_run(&mut run)
    }

    fn add_to_run(&self, run: &mut WriteRun, block: u64, page: &PageRef, part: u32) -> Result<()> {
        let size = self.disk.block_size;
        let next = run.first + (run.bytes.len() / size) as u64;
        if next != block || run.bytes.len() >= WRITE_RUN || run.bytes.try_reserve(size).is_err() {
            self.write_run(run)?;
        }
        if run.bytes.is_empty() {
            run.first = block;
        }
        let at = run.bytes.len();
        run.bytes.try_reserve(size).map_err(|_| Errno::ENOMEM)?;
        run.bytes.resize(at + size, 0);
        page.read(part as usize * size, &mut run.bytes[at..]);
        Ok(())
    }

    fn write_run(&self, run: &mut WriteRun) -> Result<()> {
        if run.bytes.is_empty() {
            return Ok(());
        }
        self.disk.write(run.first, &run.bytes)?;
        run.bytes.clear();
        Ok(())
    }
}
