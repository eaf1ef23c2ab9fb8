//! [`Batch`]: blocks that are written in one go where they are neighbours.

use crate::disk::Disk;
use alloc::vec::Vec;
use paddock_vfs::{Errno, Result};

/// Blocks that are gathered at most.
const MOST: usize = 64;

/// Blocks for neighbouring places.
pub(crate) struct Batch<'a> {
    disk: &'a Disk,
    /// Where the first of them belongs.
    first: u64,
    /// Has room for a block at least.
    bytes: Vec<u8>,
}

impl<'a> Batch<'a> {
    /// An empty one for about `blocks`, or as many as there is memory for. `ENOMEM`.
    pub fn new(disk: &'a Disk, blocks: usize) -> Result<Batch<'a>> {
        let mut bytes = Vec::new();
        if bytes
            .try_reserve_exact(blocks.min(MOST) * disk.block_size)
            .is_err()
        {
            bytes
                .try_reserve_exact(disk.block_size)
                .map_err(|_| Errno::ENOMEM)?;
        }
        let first = 0;
        Ok(Batch { disk, first, bytes })
    }

    /// The disk that they are for.
    pub fn disk(&self) -> &'a Disk {
        self.disk
    }

    /// Adds a block, which belongs at `place`; those before it are written if it is no
    /// neighbour of theirs, or there is no room for it. `EIO`.
    pub fn add(&mut self, place: u64, block: &[u8]) -> Result<()> {
        let next = self.first + (self.bytes.len() / self.disk.block_size) as u64;
        if place != next || self.bytes.len() + block.len() > self.bytes.capacity() {
            self.write()?;
        }
        if self.bytes.is_empty() {
            self.first = place;
        }
        self.bytes.extend_from_slice(block);
        Ok(())
    }

    /// Changes the block that was added last.
    pub fn change_last(&mut self, change: impl FnOnce(&mut [u8])) {
        let start = self.bytes.len().saturating_sub(self.disk.block_size);
        change(&mut self.bytes[start..]);
    }

    /// Writes what has been added and not been written yet. `EIO`.
    pub fn write(&mut self) -> Result<()> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        let result = self.disk.write(self.first, &self.bytes);
        self.bytes.clear();
        result
    }
}
