//! Checksums of the log (JBD2's `csum_v3`): of its superblock, of each copy of
//! a block, and of the blocks that describe these.

use super::{HEADER, JSB_UUID, Journal, MAGIC, UUID};
use crate::bytes::{get_be32, put_be32};
use crate::checksums::crc32c;

/// The part of the log's superblock that its checksum covers, and where it is.
const SUPERBLOCK_LEN: usize = 1024;
const SUPERBLOCK_SUM: usize = 252;
/// Where a commit record has its checksum.
const COMMIT_SUM: usize = HEADER + 4;

/// The checksum of bytes of which the number at `at` counts as zero.
fn sum_without(from: u32, bytes: &[u8], at: usize) -> u32 {
    let sum = crc32c(crc32c(from, &bytes[..at]), &[0; 4]);
    crc32c(sum, &bytes[at + 4..])
}

/// With what the checksums of a log begin: that of its UUID.
pub fn seed(superblock: &[u8]) -> u32 {
    crc32c(!0, &superblock[JSB_UUID..JSB_UUID + UUID])
}

fn superblock_sum(superblock: &[u8]) -> u32 {
    sum_without(!0, &superblock[..SUPERBLOCK_LEN], SUPERBLOCK_SUM)
}

pub fn is_superblock_sound(superblock: &[u8]) -> bool {
    get_be32(superblock, SUPERBLOCK_SUM) == superblock_sum(superblock)
}

pub fn seal_superblock(superblock: &mut [u8]) {
    let sum = superblock_sum(superblock);
    put_be32(superblock, SUPERBLOCK_SUM, sum);
}

impl Journal {
    /// The checksum of a copy as it lies in the log; `None` if there are none.
    pub(super) fn copy_checksum(&self, data: &[u8]) -> Option<u32> {
        let sum = crc32c(self.checksum_seed?, &self.sequence.to_be_bytes());
        Some(match get_be32(data, 0) == MAGIC {
            // It is written without its first number.
            true => sum_without(sum, data, 0),
            false => crc32c(sum, data),
        })
    }

    /// Whether a copy that was read from the log is the one that was written.
    pub(super) fn is_copy_sound(&self, data: &[u8], sequence: u32, expected: u32) -> bool {
        let sum = |seed| crc32c(crc32c(seed, &sequence.to_be_bytes()), data);
        self.checksum_seed.is_none_or(|seed| sum(seed) == expected)
    }

    /// Puts the checksum at the end of a descriptor or a block of revocations.
    pub(super) fn seal_tail(&self, block: &mut [u8]) {
        if let Some(seed) = self.checksum_seed {
            let at = block.len() - 4;
            let sum = sum_without(seed, block, at);
            put_be32(block, at, sum);
        }
    }

    pub(super) fn is_tail_sound(&self, block: &[u8]) -> bool {
        let at = block.len() - 4;
        let is_sound = |seed| get_be32(block, at) == sum_without(seed, block, at);
        self.checksum_seed.is_none_or(is_sound)
    }

    pub(super) fn seal_commit(&self, block: &mut [u8]) {
        if let Some(seed) = self.checksum_seed {
            let sum = sum_without(seed, block, COMMIT_SUM);
            put_be32(block, COMMIT_SUM, sum);
        }
    }

    pub(super) fn is_commit_sound(&self, block: &[u8]) -> bool {
        let is_sound = |seed| get_be32(block, COMMIT_SUM) == sum_without(seed, block, COMMIT_SUM);
        self.checksum_seed.is_none_or(is_sound)
    }
}
