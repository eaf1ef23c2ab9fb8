//! The JBD2 log (Linux, Documentation/filesystems/ext4/journal): a circle of
//! transactions, each of descriptors with copies of blocks, revocations, and
//! a commit record. Numbers are big-endian.

mod checksum;
mod recover;

use crate::batch::Batch;
use crate::bytes::{get_be32, put_be16, put_be32};
use crate::disk::{Disk, zeroed};
use alloc::vec::Vec;
use paddock_vfs::{Errno, Result};

const MAGIC: u32 = 0xc03b_3998;
const DESCRIPTOR: u32 = 1;
const COMMIT: u32 = 2;
const SUPERBLOCK_V2: u32 = 4;
const REVOKE: u32 = 5;

const FLAG_ESCAPED: u16 = 1;
const FLAG_SAME_UUID: u16 = 2;
const FLAG_LAST: u16 = 8;

const INCOMPAT_REVOKE: u32 = 0x1;
const INCOMPAT_64BIT: u32 = 0x2;
const INCOMPAT_CSUM_V3: u32 = 0x10;
const INCOMPAT_KNOWN: u32 = INCOMPAT_REVOKE | INCOMPAT_64BIT | INCOMPAT_CSUM_V3;

// Offsets in the log's superblock.
const JSB_BLOCK_SIZE: usize = 12;
const JSB_LENGTH: usize = 16;
const JSB_FIRST: usize = 20;
const JSB_SEQUENCE: usize = 24;
const JSB_START: usize = 28;
const JSB_INCOMPAT: usize = 40;
const JSB_UUID: usize = 48;

const HEADER: usize = 12;
const UUID: usize = 16;

/// The log of a mounted filesystem.
pub(crate) struct Journal {
    /// Where each block of the log lies: runs of (first, count).
    runs: Vec<(u64, u32)>,
    superblock: Vec<u8>,
    first: u32,
    length: u32,
    /// The next block to write.
    head: u32,
    /// Blocks from the oldest needed transaction up to `head`.
    used: u32,
    /// So many of them are enough.
    most_used: u32,
    sequence: u32,
    wide: bool,
    /// With what the log's checksums begin, if it has any.
    checksum_seed: Option<u32>,
}

impl Journal {
    /// Opens the log that lies at `runs`. `EUCLEAN` if it makes no sense,
    /// `EROFS` if it has features that are not known.
    pub fn open(disk: &Disk, runs: Vec<(u64, u32)>) -> Result<Journal> {
        let first_block = runs.first().ok_or(Errno::EUCLEAN)?.0;
        let mut superblock = zeroed(disk.block_size)?;
        disk.read(first_block, &mut superblock)?;
        let field = |at| get_be32(&superblock, at);
        let incompat = field(JSB_INCOMPAT);
        let blocks: u64 = runs.iter().map(|run| u64::from(run.1)).sum();
        let (first, length) = (field(JSB_FIRST), field(JSB_LENGTH));
        let unknown = incompat & !INCOMPAT_KNOWN;
        let has_checksums = incompat & INCOMPAT_CSUM_V3 != 0;
        if field(0) != MAGIC
            || field(4) != SUPERBLOCK_V2
            || field(JSB_BLOCK_SIZE) as usize != disk.block_size
            || (has_checksums && !checksum::is_superblock_sound(&superblock))
            || first == 0
            || u64::from(length) > blocks
            || length < first.saturating_add(64)
            || (field(JSB_START) != 0 && !(first..length).contains(&field(JSB_START)))
        {
            return Err(Errno::EUCLEAN);
        }
        if unknown != 0 {
            log::error!(
                "ext4: {}: its journal has features that are not known here: {unknown:#x}",
                disk.name()
            );
            return Err(Errno::EROFS);
        }
        Ok(Journal {
            first,
            length,
            head: first,
            used: 0,
            most_used: (length - first) / 2,
            sequence: field(JSB_SEQUENCE),
            wide: incompat & INCOMPAT_64BIT != 0,
            checksum_seed: has_checksums.then(|| checksum::seed(&superblock)),
            runs,
            superblock,
        })
    }

    /// Metadata blocks that one transaction should not exceed.
    pub fn transaction_limit(&self) -> usize {
        (self.length - self.first) as usize / 4
    }

    fn needs_replay(&self) -> bool {
        get_be32(&self.superblock, JSB_START) != 0
    }

    /// Where a block of the log lies on the disk.
    fn place(&self, at: u32) -> Result<u64> {
        let mut left = at;
        for &(start, count) in &self.runs {
            if left < count {
                return Ok(start + u64::from(left));
            }
            left -= count;
        }
        Err(Errno::EUCLEAN)
    }

    fn next(&self, at: u32) -> u32 {
        match at + 1 {
            next if next >= self.length => self.first,
            next => next,
        }
    }

    fn tag_size(&self) -> usize {
        match self.checksum_seed {
            Some(_) => 16,
            None if self.wide => 12,
            None => 8,
        }
    }

    /// Bytes at the end of a descriptor or a block of revocations.
    fn tail(&self) -> usize {
        if self.checksum_seed.is_some() { 4 } else { 0 }
    }

    /// Adds one block to the log at the head. It is on the disk once the batch has been
    /// [written](Batch::write).
    fn append(&mut self, batch: &mut Batch<'_>, block: &[u8]) -> Result<()> {
        batch.add(self.place(self.head)?, block)?;
        self.head = self.next(self.head);
        self.used += 1;
        Ok(())
    }

    fn write_superblock(&mut self, disk: &Disk, start: u32) -> Result<()> {
        put_be32(&mut self.superblock, JSB_START, start);
        put_be32(&mut self.superblock, JSB_SEQUENCE, self.sequence);
        let incompat = get_be32(&self.superblock, JSB_INCOMPAT) | INCOMPAT_REVOKE;
        put_be32(&mut self.superblock, JSB_INCOMPAT, incompat);
        if self.checksum_seed.is_some() {
            checksum::seal_superblock(&mut self.superblock);
        }
        disk.write(self.place(0)?, &self.superblock)
    }

    fn header(&self, disk: &Disk, kind: u32) -> Result<Vec<u8>> {
        let mut block = zeroed(disk.block_size)?;
        put_be32(&mut block, 0, MAGIC);
        put_be32(&mut block, 4, kind);
        put_be32(&mut block, 8, self.sequence);
        Ok(block)
    }

    fn tags_per_descriptor(&self, disk: &Disk) -> usize {
        (disk.block_size - HEADER - UUID - self.tail()) / self.tag_size()
    }

    fn revocations_per_block(&self, disk: &Disk) -> usize {
        (disk.block_size - HEADER - 4 - self.tail()) / self.revocation_size()
    }

    fn revocation_size(&self) -> usize {
        if self.wide { 8 } else { 4 }
    }

    /// How many blocks of the log a transaction takes.
    fn length_of(&self, disk: &Disk, blocks: usize, revoked: usize) -> usize {
        let descriptors = blocks.div_ceil(self.tags_per_descriptor(disk));
        let revocations = revoked.div_ceil(self.revocations_per_block(disk));
        blocks + descriptors + revocations + 1
    }

    fn capacity(&self) -> usize {
        (self.length - self.first) as usize
    }

    /// Whether a transaction of so many blocks and revocations finds room.
    pub fn has_room(&self, disk: &Disk, blocks: usize, revoked: usize) -> bool {
        self.used as usize + self.length_of(disk, blocks, revoked) < self.capacity()
    }

    /// Whether so much of it is used that what it holds had better be written to its
    /// place: a transaction that is not too large finds room then.
    pub fn is_half_full(&self) -> bool {
        self.used > self.most_used
    }

    /// It is never said to be half full: it fills up.
    #[cfg(test)]
    pub fn fill_up(&mut self) {
        self.most_used = u32::MAX;
    }

    /// Makes a transaction durable: it has [room](Self::has_room). `EIO`; `EFBIG` if it
    /// has none.
    pub fn commit(&mut self, disk: &Disk, blocks: &[(u64, &[u8])], revoked: &[u64]) -> Result<()> {
        if !self.has_room(disk, blocks.len(), revoked.len()) {
            return Err(Errno::EFBIG);
        }
        if self.used == 0 {
            // The log is empty on the disk: nothing is read from there before the
            // transaction is complete.
            self.write_superblock(disk, self.head)?;
        }
        let (head, used) = (self.head, self.used);
        let result = self.write_transaction(disk, blocks, revoked);
        if result.is_err() {
            // The next attempt must begin where this one did.
            (self.head, self.used) = (head, used);
        }
        result
    }

    fn write_transaction(
        &mut self,
        disk: &Disk,
        blocks: &[(u64, &[u8])],
        revoked: &[u64],
    ) -> Result<()> {
        let mut batch = Batch::new(disk, blocks.len() + 2)?;
        for part in revoked.chunks(self.revocations_per_block(disk)) {
            self.write_revocations(&mut batch, part)?;
        }
        for part in blocks.chunks(self.tags_per_descriptor(disk)) {
            self.write_copies(&mut batch, part)?;
        }
        batch.write()?;
        disk.flush()?;
        let mut commit = self.header(disk, COMMIT)?;
        self.seal_commit(&mut commit);
        self.append(&mut batch, &commit)?;
        batch.write()?;
        disk.flush()?;
        self.sequence = self.sequence.wrapping_add(1);
        Ok(())
    }

    /// Empties the log: all that it holds has been written to its place. `EIO`.
    pub fn reset(&mut self, disk: &Disk) -> Result<()> {
        // First what is at its place must be durable, then that the log is empty: a log
        // of which a part has been written over must never be replayed.
        disk.flush()?;
        self.write_superblock(disk, 0)?;
        disk.flush()?;
        self.used = 0;
        Ok(())
    }

    fn write_revocations(&mut self, batch: &mut Batch<'_>, revoked: &[u64]) -> Result<()> {
        let mut block = self.header(batch.disk(), REVOKE)?;
        let size = self.revocation_size();
        let bytes = HEADER + 4 + size * revoked.len();
        put_be32(&mut block, HEADER, bytes as u32);
        for (index, revoked) in revoked.iter().enumerate() {
            let at = HEADER + 4 + index * size;
            if self.wide {
                put_be32(&mut block, at, (revoked >> 32) as u32);
            }
            put_be32(&mut block, at + size - 4, *revoked as u32);
        }
        self.seal_tail(&mut block);
        self.append(batch, &block)
    }

    /// A descriptor and the blocks that it describes.
    fn write_copies(&mut self, batch: &mut Batch<'_>, blocks: &[(u64, &[u8])]) -> Result<()> {
        let mut descriptor = self.header(batch.disk(), DESCRIPTOR)?;
        let mut at = HEADER;
        for (index, (block, data)) in blocks.iter().enumerate() {
            let mut flags = 0;
            if get_be32(data, 0) == MAGIC {
                flags |= FLAG_ESCAPED;
            }
            if index > 0 {
                flags |= FLAG_SAME_UUID;
            }
            if index + 1 == blocks.len() {
                flags |= FLAG_LAST;
            }
            put_be32(&mut descriptor, at, *block as u32);
            // With checksums the flags have 32 bits, of which these are the lower.
            put_be16(&mut descriptor, at + 6, flags);
            if self.wide {
                put_be32(&mut descriptor, at + 8, (block >> 32) as u32);
            }
            if let Some(sum) = self.copy_checksum(data) {
                put_be32(&mut descriptor, at + 12, sum);
            }
            at += self.tag_size();
            if index == 0 {
                let uuid = &self.superblock[JSB_UUID..JSB_UUID + UUID];
                descriptor[at..at + UUID].copy_from_slice(uuid);
                at += UUID;
            }
        }
        self.seal_tail(&mut descriptor);
        self.append(batch, &descriptor)?;
        blocks
            .iter()
            .try_for_each(|(_, data)| self.append_copy(batch, data))
    }

    /// A block that looks like one of the log's own is escaped.
    fn append_copy(&mut self, batch: &mut Batch<'_>, data: &[u8]) -> Result<()> {
        self.append(batch, data)?;
        if get_be32(data, 0) == MAGIC {
            batch.change_last(|copy| put_be32(copy, 0, 0));
        }
        Ok(())
    }
}
