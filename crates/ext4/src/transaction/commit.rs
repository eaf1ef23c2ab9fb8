//! How the running transaction becomes durable: its checksums, and the log. What is
//! committed is written to its place later, when the log is half full or much of memory
//! waits for that: blocks that change again and again are written there once.

use super::{Core, Log, note};
use crate::allocation::{BLOCK_BITMAP_CHECKSUM, INODE_BITMAP_CHECKSUM};
use crate::batch::Batch;
use crate::buffers::BlockSet;
use crate::bytes::put_u32;
use crate::checksums::Seal;
use crate::journal::Journal;
use crate::layout::SB_WTIME;
use alloc::vec::Vec;
use paddock_vfs::{Errno, Result};

/// The numbers of a set in their order. `ENOMEM`.
fn sorted(set: &BlockSet) -> Result<Vec<u64>> {
    let mut blocks = Vec::new();
    blocks
        .try_reserve_exact(set.len())
        .map_err(|_| Errno::ENOMEM)?;
    blocks.extend(set.iter().copied());
    blocks.sort_unstable();
    Ok(blocks)
}

impl Core {
    /// Makes everything done before durable: first data, then metadata. When
    /// memory is short it can be tried again (`ENOMEM`); after any other error
    /// nothing more is changed.
    pub fn commit(&mut self) -> Result<()> {
        self.check_writable()?;
        let result = self.try_commit();
        self.stop_unless_written(result)
    }

    /// Makes a file's data durable that was written before, and all that is needed to
    /// find it again: what fdatasync(2) asks for. Errors as [`commit`](Self::commit).
    pub fn sync_data(&mut self, ino: u32) -> Result<()> {
        self.check_writable()?;
        if self.matters {
            return self.commit();
        }
        self.write_file_data(u64::from(ino))?;
        self.disk
            .flush()
            .inspect_err(|&error| self.stop("data cannot be flushed", error))
    }

    fn try_commit(&mut self) -> Result<()> {
        self.write_all_data()?;
        self.release_freed()?;
        self.list_nameless()?;
        if self.dirty.is_empty() {
            self.disk.flush()?;
            self.matters = false;
            self.dirty_since = None;
            return Ok(());
        }
        self.stamp_superblock()?;
        self.seal_all()?;
        let blocks = sorted(&self.dirty)?;
        self.log(&blocks)?;
        self.matters = false;
        self.dirty_since = None;
        self.checkpoint_if_due()?;
        self.evict();
        Ok(())
    }

    /// Writes the running transaction, which has changed these blocks, where there is no
    /// log.
    fn write_in_place(&mut self, blocks: &[u64]) -> Result<()> {
        self.write_home(blocks)?;
        self.revoked.clear();
        self.disk.flush()
    }

    /// Writes the running transaction, which has changed these blocks, to the log.
    fn log(&mut self, blocks: &[u64]) -> Result<()> {
        let room = self.logged.try_reserve(blocks.len());
        room.map_err(|_| Errno::ENOMEM)?;
        match core::mem::replace(&mut self.log, Log::Closed) {
            Log::Closed => return Err(Errno::EROFS),
            Log::InPlace => {
                self.log = Log::InPlace;
                return self.write_in_place(blocks);
            }
            Log::Journal(mut journal) => {
                let result = self.log_in(&mut journal, blocks);
                self.log = Log::Journal(journal);
                result?;
            }
        }
        // What is free now may be given away, and belongs to others then.
        for block in core::mem::take(&mut self.revoked) {
            note(&mut self.logged, block, false);
        }
        for block in blocks {
            self.set_clean(*block);
            note(&mut self.logged, *block, true);
        }
        Ok(())
    }

    fn log_in(&mut self, journal: &mut Journal, blocks: &[u64]) -> Result<()> {
        if !journal.has_room(&self.disk, blocks.len(), self.revoked.len()) {
            // What is in memory is not committed yet: only the log itself has what is.
            journal.write_back(&self.disk)?;
            self.logged.clear();
        }
        journal.commit(&self.disk, &self.contents(blocks), &self.revoked)
    }

    /// Writes what is committed to its place if the log has become long, or too much of
    /// memory waits for it. Nothing is running: what is in memory is committed.
    fn checkpoint_if_due(&mut self) -> Result<()> {
        let is_half_full = match &self.log {
            Log::Journal(journal) => journal.is_half_full(),
            Log::Closed | Log::InPlace => false,
        };
        if !is_half_full && self.logged.len() <= self.most_logged {
            return Ok(());
        }
        match self.checkpoint() {
            // The transaction is durable; this can be done later.
            Err(Errno::ENOMEM) => Ok(()),
            result => result,
        }
    }

    /// Writes all that is committed to its place, and empties the log: nothing has been
    /// changed since the last commit. Errors as [`commit`](Self::commit).
    pub fn empty_log(&mut self) -> Result<()> {
        let result = self.checkpoint();
        self.stop_unless_written(result)
    }

    /// After an error no more changes are taken, unless memory was short.
    fn stop_unless_written(&mut self, result: Result<()>) -> Result<()> {
        if let Err(error) = result
            && error != Errno::ENOMEM
        {
            self.stop("the journal or metadata cannot be written", error);
        }
        result
    }

    fn checkpoint(&mut self) -> Result<()> {
        assert!(self.dirty.is_empty(), "what is in memory is not committed");
        let blocks = sorted(&self.logged)?;
        self.write_home(&blocks)?;
        match &mut self.log {
            Log::Closed => return Err(Errno::EROFS),
            Log::InPlace => {}
            Log::Journal(journal) => journal.reset(&self.disk)?,
        }
        self.logged.clear();
        Ok(())
    }

    /// Has what is committed written to its place late: so many blocks may wait for that,
    /// or, without a number, until the log is full.
    #[cfg(test)]
    pub fn checkpoint_late(&mut self, most: Option<usize>) {
        self.most_logged = most.unwrap_or(usize::MAX);
        if let (None, Log::Journal(journal)) = (most, &mut self.log) {
            journal.fill_up();
        }
    }

    /// Clears the bits of what was freed, as part of the transaction.
    fn release_freed(&mut self) -> Result<()> {
        self.begin();
        let freed = core::mem::take(&mut self.freed);
        let mut runs = freed.iter().cloned();
        let result = runs.try_for_each(|run| self.release_blocks(run));
        if result.is_err() {
            self.roll_back();
            self.freed = freed;
        }
        self.forget_undo();
        result
    }

    /// Has the list of orphans name whatever has no name, as part of the transaction.
    pub fn list_nameless(&mut self) -> Result<()> {
        self.begin();
        let result = self.list_orphans();
        match result {
            Ok(()) => self.unlisted.clear(),
            Err(_) => self.roll_back(),
        }
        self.forget_undo();
        result
    }

    fn stamp_superblock(&mut self) -> Result<()> {
        let now = self.clock.now().seconds as u32;
        self.begin();
        let (wide, free) = (self.wide(), self.free_counts()?);
        let sb = self.superblock_mut()?;
        put_u32(sb, SB_WTIME, now);
        free.put(sb, wide);
        self.forget_undo();
        Ok(())
    }

    /// Puts the checksums into all that is dirty.
    pub fn seal_all(&mut self) -> Result<()> {
        self.begin();
        // Those of bitmaps are in the descriptors, which come after them.
        for block in sorted(&self.dirty)? {
            self.seal_bitmap(block)?;
        }
        self.forget_undo();
        let geometry = self.geometry;
        for block in &self.dirty {
            let Some(buffer) = self.buffers.get_mut(block) else {
                continue;
            };
            match buffer.seal {
                Seal::Inodes(first) => {
                    let parts = core::mem::take(&mut buffer.unsealed);
                    geometry.seal_inodes(first, parts, &mut buffer.data);
                }
                seal => geometry.seal(seal, *block, &mut buffer.data),
            }
        }
        Ok(())
    }

    fn seal_bitmap(&mut self, block: u64) -> Result<()> {
        let Some(buffer) = self.buffers.get(&block).filter(|_| self.geometry.checksums) else {
            return Ok(());
        };
        let sum = |bits| self.geometry.bitmap_checksum(&buffer.data, bits);
        match buffer.seal {
            Seal::BlockBitmap(group) => {
                let sum = sum(self.geometry.blocks_per_group);
                self.set_bitmap_checksum(group, BLOCK_BITMAP_CHECKSUM, sum)
            }
            Seal::InodeBitmap(group) => {
                let sum = sum(self.geometry.inodes_per_group);
                self.set_bitmap_checksum(group, INODE_BITMAP_CHECKSUM, sum)
            }
            _ => Ok(()),
        }
    }

    fn contents(&self, blocks: &[u64]) -> Vec<(u64, &[u8])> {
        let content = |block: &u64| Some((*block, &self.buffers.get(block)?.data[..]));
        blocks.iter().filter_map(content).collect()
    }

    fn set_clean(&mut self, block: u64) {
        if let Some(buffer) = self.buffers.get_mut(&block) {
            buffer.dirty = false;
            note(&mut self.dirty, block, false);
        }
    }

    /// Writes blocks, in their order, to their places. `EIO` if one is not in memory.
    pub fn write_home(&mut self, blocks: &[u64]) -> Result<()> {
        let contents = self.contents(blocks);
        if contents.len() != blocks.len() {
            return Err(Errno::EIO);
        }
        let mut batch = Batch::new(&self.disk, contents.len())?;
        for (block, data) in contents {
            batch.add(block, data)?;
        }
        batch.write()?;
        blocks.iter().for_each(|block| self.set_clean(*block));
        Ok(())
    }

    /// Commits, and marks the disk as clean. Nothing is written afterwards.
    pub fn shut_down(&mut self) -> Result<()> {
        self.commit()?;
        self.dirty_files.clear();
        let result = self.empty_log();
        let log = core::mem::replace(&mut self.log, Log::Closed);
        result?;
        match log {
            Log::Closed => Ok(()),
            // What was torn before stays to be checked.
            Log::InPlace if !self.geometry.was_clean => Ok(()),
            Log::InPlace => self.set_clean_state(true),
            Log::Journal(_) => self.set_recover_flag(false),
        }
    }
}
