//! How the running transaction becomes durable: its checksums, the log, and then the
//! places where its blocks belong.

use super::{Core, note};
use crate::allocation::{BLOCK_BITMAP_CHECKSUM, INODE_BITMAP_CHECKSUM};
use crate::bytes::put_u32;
use crate::checksums::Seal;
use crate::layout::SB_WTIME;
use alloc::vec::Vec;
use paddock_vfs::{Errno, Result};

impl Core {
    /// Makes everything done before durable: first data, then metadata. When
    /// memory is short it can be tried again (`ENOMEM`); after any other error
    /// nothing more is changed.
    pub fn commit(&mut self) -> Result<()> {
        self.check_writable()?;
        let result = self.try_commit();
        if let Err(error) = result
            && error != Errno::ENOMEM
        {
            self.stop("the journal or metadata cannot be written", error);
        }
        result
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
        let blocks = self.dirty_blocks();
        if blocks.is_empty() {
            self.disk.flush()?;
            self.matters = false;
            self.dirty_since = None;
            return Ok(());
        }
        self.stamp_superblock()?;
        self.seal_all()?;
        let blocks = self.dirty_blocks();
        let mut journal = self.journal.take().ok_or(Errno::EROFS)?;
        let result = journal.commit(&self.disk, &self.contents(&blocks), &self.revoked);
        self.journal = Some(journal);
        result?;
        self.revoked.clear();
        self.write_home(&blocks)?;
        self.matters = false;
        self.dirty_since = None;
        self.evict();
        Ok(())
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
        for block in self.dirty_blocks() {
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

    fn dirty_blocks(&self) -> Vec<u64> {
        let mut blocks: Vec<u64> = self.dirty.iter().copied().collect();
        blocks.sort_unstable();
        blocks
    }

    fn contents(&self, blocks: &[u64]) -> Vec<(u64, &[u8])> {
        let content = |block: &u64| Some((*block, &self.buffers.get(block)?.data[..]));
        blocks.iter().filter_map(content).collect()
    }

    /// Writes committed blocks to their places; neighbours in one go.
    pub fn write_home(&mut self, blocks: &[u64]) -> Result<()> {
        const RUN: usize = 64;
        for run in blocks.chunk_by(|a, b| a + 1 == *b) {
            for run in run.chunks(RUN) {
                self.write_run_home(run)?;
            }
        }
        for block in blocks {
            if let Some(buffer) = self.buffers.get_mut(block) {
                buffer.dirty = false;
                note(&mut self.dirty, *block, false);
            }
        }
        Ok(())
    }

    fn write_run_home(&self, run: &[u64]) -> Result<()> {
        let contents = self.contents(run);
        let mut bytes = Vec::new();
        let len = contents.len() * self.disk.block_size;
        if contents.len() < 2 || bytes.try_reserve_exact(len).is_err() {
            let mut blocks = contents.into_iter();
            return blocks.try_for_each(|(block, data)| self.disk.write(block, data));
        }
        for (_, data) in &contents {
            bytes.extend_from_slice(data);
        }
        self.disk.write(run[0], &bytes)
    }

    /// Commits, and marks the disk as clean. Nothing is written afterwards.
    pub fn shut_down(&mut self) -> Result<()> {
        self.commit()?;
        self.dirty_files.clear();
        let mut journal = self.journal.take().ok_or(Errno::EROFS)?;
        journal.close(&self.disk)?;
        self.set_recover_flag(false)
    }
}
