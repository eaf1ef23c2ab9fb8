//! Free blocks and inodes: bitmaps, group descriptors, counts.

use crate::bytes::{get_split, get_u16, get_u32, put_u16, put_u32};
use crate::checksums::Seal;
use crate::disk::zeroed;
use crate::layout::{
    GroupChecksums, INCOMPAT_RECOVER, SB_FREE_BLOCKS, SB_FREE_BLOCKS_HIGH, SB_FREE_INODES,
    SB_INCOMPAT, SB_STATE, STATE_CLEAN, SUPERBLOCK_SIZE,
};
use crate::transaction::Core;
use alloc::vec::Vec;
use core::ops::Range;
use paddock_vfs::{Errno, Result};

/// A number in a group's descriptor: offsets of its halves; the high one is
/// only there in wide descriptors.
#[derive(Clone, Copy)]
pub(crate) struct Field {
    low: usize,
    high: usize,
}

const BLOCK_BITMAP: Field = Field { low: 0, high: 32 };
const INODE_BITMAP: Field = Field { low: 4, high: 36 };
const INODE_TABLE: Field = Field { low: 8, high: 40 };
const FREE_BLOCKS: Field = Field { low: 12, high: 44 };
const FREE_INODES: Field = Field { low: 14, high: 46 };
const USED_DIRS: Field = Field { low: 16, high: 48 };
/// Inodes at the end of the group's table that were never used.
const UNUSED_INODES: Field = Field { low: 28, high: 50 };
pub(crate) const BLOCK_BITMAP_CHECKSUM: Field = Field { low: 24, high: 56 };
pub(crate) const INODE_BITMAP_CHECKSUM: Field = Field { low: 26, high: 58 };

/// Flags in a group's descriptor: a bitmap that was never written.
const FLAGS: usize = 18;
const INODE_BITMAP_UNWRITTEN: u16 = 1;
const BLOCK_BITMAP_UNWRITTEN: u16 = 2;

/// What the whole filesystem has free.
#[derive(Clone, Copy)]
pub(crate) struct FreeCounts {
    blocks: u64,
    pub inodes: u32,
}

impl FreeCounts {
    /// As a superblock says; `wide` if it has numbers of 64 bits.
    fn of(sb: &[u8], wide: bool) -> FreeCounts {
        FreeCounts {
            blocks: match wide {
                true => get_split(sb, SB_FREE_BLOCKS, SB_FREE_BLOCKS_HIGH),
                false => u64::from(get_u32(sb, SB_FREE_BLOCKS)),
            },
            inodes: get_u32(sb, SB_FREE_INODES),
        }
    }

    /// Has a superblock say so.
    pub fn put(self, sb: &mut [u8], wide: bool) {
        put_u32(sb, SB_FREE_BLOCKS, self.blocks as u32);
        if wide {
            put_u32(sb, SB_FREE_BLOCKS_HIGH, (self.blocks >> 32) as u32);
        }
        put_u32(sb, SB_FREE_INODES, self.inodes);
    }
}

impl Core {
    pub fn superblock(&mut self) -> Result<&[u8]> {
        let (block, at) = self.geometry.superblock_place();
        Ok(&self.read(block)?[at..at + SUPERBLOCK_SIZE])
    }

    pub fn superblock_mut(&mut self) -> Result<&mut [u8]> {
        let (block, at) = self.geometry.superblock_place();
        self.modify_bytes(block, Seal::Superblock, at, SUPERBLOCK_SIZE)
    }

    /// Sets a number of the superblock.
    pub fn set_in_superblock(&mut self, offset: usize, value: u32) -> Result<()> {
        let (block, at) = self.geometry.superblock_place();
        let bytes = self.modify_bytes(block, Seal::Superblock, at + offset, 4)?;
        put_u32(bytes, 0, value);
        Ok(())
    }

    /// The block with a group's descriptor, and where in it. `EBADMSG`.
    fn descriptor(&mut self, group: u32) -> Result<(&[u8], usize)> {
        let (block, at) = self.geometry.descriptor_place(group);
        let data = self.read_sealed(block, |_| Seal::Descriptors)?;
        Ok((data, at))
    }

    /// A group's descriptor, as far as it is known, to change.
    fn descriptor_mut(&mut self, group: u32) -> Result<&mut [u8]> {
        let (block, at) = self.geometry.descriptor_place(group);
        let len = self.geometry.desc_size.min(64);
        self.modify_bytes(block, Seal::Descriptors, at, len)
    }

    /// The byte of a group's bitmap of inodes that has this bit, to change.
    fn inode_bits_mut(&mut self, bitmap: u64, group: u32, bit: u32) -> Result<&mut [u8]> {
        self.modify_bytes(bitmap, Seal::InodeBitmap(group), bit as usize / 8, 1)
    }

    /// Sets or clears the flag that says the log is in use; on the disk, at
    /// once and outside any transaction.
    pub fn set_recover_flag(&mut self, on: bool) -> Result<()> {
        self.change_superblock(|sb| {
            let flags = get_u32(sb, SB_INCOMPAT);
            let flags = match on {
                true => flags | INCOMPAT_RECOVER,
                false => flags & !INCOMPAT_RECOVER,
            };
            put_u32(sb, SB_INCOMPAT, flags);
        })
    }

    /// Writes to the disk whether it may be used without a check, of one without a journal.
    pub fn set_clean_state(&mut self, on: bool) -> Result<()> {
        self.change_superblock(|sb| {
            let state = get_u16(sb, SB_STATE);
            let state = match on {
                true => state | STATE_CLEAN,
                false => state & !STATE_CLEAN,
            };
            put_u16(sb, SB_STATE, state);
        })
    }

    /// Changes the superblock on the disk at once, outside any transaction: none has
    /// changed it.
    fn change_superblock(&mut self, change: impl FnOnce(&mut [u8])) -> Result<()> {
        let (block, at) = self.geometry.superblock_place();
        let data = self.modify(block, Seal::Superblock)?;
        change(data.get_mut(at..).ok_or(Errno::EUCLEAN)?);
        self.seal_all()?;
        self.write_home(&[block])?;
        self.disk.flush()
    }

    /// Whether numbers in descriptors and in the superblock have high halves.
    pub fn wide(&self) -> bool {
        self.geometry.desc_size >= 64
    }

    /// A block number in a group's descriptor.
    fn group_block(&mut self, group: u32, field: Field) -> Result<u64> {
        let wide = self.wide();
        let (data, at) = self.descriptor(group)?;
        let number = match wide {
            true => get_split(data, at + field.low, at + field.high),
            false => u64::from(get_u32(data, at + field.low)),
        };
        self.geometry.locate_block(number).map(|_| number)
    }

    fn group_count(&mut self, group: u32, field: Field) -> Result<u32> {
        let wide = self.wide();
        let (data, at) = self.descriptor(group)?;
        let high = match wide {
            true => u32::from(get_u16(data, at + field.high)),
            false => 0,
        };
        Ok(u32::from(get_u16(data, at + field.low)) | high << 16)
    }

    fn add_group_count(&mut self, group: u32, field: Field, change: i64) -> Result<()> {
        let count = i64::from(self.group_count(group, field)?) + change;
        let count = u32::try_from(count).map_err(|_| Errno::EUCLEAN)?;
        let wide = self.wide();
        let data = self.descriptor_mut(group)?;
        put_u16(data, field.low, count as u16);
        if wide {
            put_u16(data, field.high, (count >> 16) as u16);
        }
        Ok(())
    }

    /// Puts a bitmap's checksum into the descriptor of its group, as far as
    /// there is room.
    pub fn set_bitmap_checksum(&mut self, group: u32, field: Field, sum: u32) -> Result<()> {
        let wide = self.wide();
        let data = self.descriptor_mut(group)?;
        put_u16(data, field.low, sum as u16);
        if wide {
            put_u16(data, field.high, (sum >> 16) as u16);
        }
        Ok(())
    }

    /// Whether a flag is set in the group's descriptor.
    fn has_flag(&mut self, group: u32, flag: u16) -> Result<bool> {
        let (data, at) = self.descriptor(group)?;
        let flags = get_u16(data, at + FLAGS);
        Ok(self.geometry.group_checksums != GroupChecksums::None && flags & flag != 0)
    }

    fn clear_flag(&mut self, group: u32, flag: u16) -> Result<()> {
        let data = self.descriptor_mut(group)?;
        let flags = get_u16(data, FLAGS);
        put_u16(data, FLAGS, flags & !flag);
        Ok(())
    }

    /// The block with the group's bitmap of blocks, which is made first if it
    /// was never written.
    fn block_bitmap(&mut self, group: u32) -> Result<u64> {
        let bitmap = self.group_block(group, BLOCK_BITMAP)?;
        if self.has_flag(group, BLOCK_BITMAP_UNWRITTEN)? {
            let fresh = self.initial_block_bitmap(group)?;
            self.clear_flag(group, BLOCK_BITMAP_UNWRITTEN)?;
            self.fresh(bitmap, Seal::BlockBitmap(group))?
                .copy_from_slice(&fresh);
        }
        let bits = self.geometry.blocks_per_group;
        self.check_bitmap(bitmap, group, BLOCK_BITMAP_CHECKSUM, bits)?;
        Ok(bitmap)
    }

    /// A group's bitmap of blocks when it holds nothing but metadata.
    fn initial_block_bitmap(&mut self, group: u32) -> Result<Vec<u8>> {
        let geometry = self.geometry;
        let mut bitmap = zeroed(geometry.block_size)?;
        (0..geometry.backup_blocks(group)).for_each(|bit| set(&mut bitmap, bit));
        let per_block = geometry.block_size / geometry.inode_size;
        let table = geometry.inodes_per_group.div_ceil(per_block as u32);
        // Other groups may have their metadata here.
        for owner in 0..geometry.groups {
            for (field, len) in [(BLOCK_BITMAP, 1), (INODE_BITMAP, 1), (INODE_TABLE, table)] {
                let start = self.group_block(owner, field)?;
                for block in start..start + u64::from(len) {
                    match geometry.locate_block(block)? {
                        (at, bit) if at == group => set(&mut bitmap, bit),
                        _ => {}
                    }
                }
            }
        }
        let bits = geometry.blocks_in_group(group)..geometry.block_size as u32 * 8;
        bits.for_each(|bit| set(&mut bitmap, bit));
        Ok(bitmap)
    }

    /// As [`block_bitmap`](Self::block_bitmap), of inodes.
    fn inode_bitmap(&mut self, group: u32) -> Result<u64> {
        let bitmap = self.group_block(group, INODE_BITMAP)?;
        if self.has_flag(group, INODE_BITMAP_UNWRITTEN)? {
            self.clear_flag(group, INODE_BITMAP_UNWRITTEN)?;
            let bits = self.geometry.inodes_per_group..self.geometry.block_size as u32 * 8;
            let data = self.fresh(bitmap, Seal::InodeBitmap(group))?;
            bits.for_each(|bit| set(data, bit));
        }
        let bits = self.geometry.inodes_per_group;
        self.check_bitmap(bitmap, group, INODE_BITMAP_CHECKSUM, bits)?;
        Ok(bitmap)
    }

    /// Checks a bitmap of `bits` bits that has come from the disk: its checksum is in the
    /// group's descriptor, as far as there is room. `EBADMSG`.
    fn check_bitmap(&mut self, bitmap: u64, group: u32, field: Field, bits: u32) -> Result<()> {
        if !self.geometry.checksums || self.is_checked(bitmap, 0) {
            return Ok(());
        }
        let kept = self.group_count(group, field)?;
        let mask = if self.wide() { !0 } else { 0xffff };
        self.check(bitmap, 0, |geometry, data| {
            geometry.bitmap_checksum(data, bits) & mask == kept
        })
    }

    /// The inode at `bit` of the group's table is used from now on.
    fn note_used_inode(&mut self, group: u32, bit: u32) -> Result<()> {
        if self.geometry.group_checksums == GroupChecksums::None {
            return Ok(());
        }
        let unused = self.group_count(group, UNUSED_INODES)?;
        let behind = self.geometry.inodes_per_group - bit - 1;
        match unused > behind {
            true => {
                self.add_group_count(group, UNUSED_INODES, i64::from(behind) - i64::from(unused))
            }
            false => Ok(()),
        }
    }

    /// What is free in all.
    pub fn free_counts(&mut self) -> Result<FreeCounts> {
        if let Some(free) = self.free {
            return Ok(free);
        }
        let wide = self.wide();
        let free = FreeCounts::of(self.superblock()?, wide);
        self.free = Some(free);
        Ok(free)
    }

    /// Blocks that are free in all.
    pub fn free_blocks(&mut self) -> Result<u64> {
        Ok(self.free_counts()?.blocks)
    }

    fn add_free_blocks(&mut self, group: u32, change: i64) -> Result<()> {
        self.add_group_count(group, FREE_BLOCKS, change)?;
        let free = self.free_counts()?;
        let blocks = free.blocks.checked_add_signed(change);
        let blocks = blocks.ok_or(Errno::EUCLEAN)?;
        self.free = Some(FreeCounts { blocks, ..free });
        Ok(())
    }

    /// Allocates a run of 1 to `want` blocks, near `goal` if possible: the
    /// first and the number. `ENOSPC`.
    pub fn allocate_blocks(&mut self, goal: u64, want: u32) -> Result<(u64, u32)> {
        let (goal_group, goal_bit) = self.geometry.locate_block(goal).unwrap_or((0, 0));
        let groups = self.geometry.groups;
        for step in 0..=groups {
            let group = (goal_group + step) % groups;
            let from = if step == 0 { goal_bit } else { 0 };
            if self.group_count(group, FREE_BLOCKS)? == 0 {
                continue;
            }
            if let Some(run) = self.take_blocks(group, from, want)? {
                return Ok(run);
            }
        }
        Err(Errno::ENOSPC)
    }

    /// None for a bitmap that is bad, if the filesystem goes on with errors: then others
    /// do as well.
    fn unless_bad(&self, bitmap: Result<u64>) -> Result<Option<u64>> {
        match bitmap {
            Err(Errno::EIO | Errno::EBADMSG) if !self.is_stopped() => Ok(None),
            bitmap => bitmap.map(Some),
        }
    }

    fn take_blocks(&mut self, group: u32, from: u32, want: u32) -> Result<Option<(u64, u32)>> {
        let bits = self.geometry.blocks_in_group(group);
        let bitmap = self.block_bitmap(group);
        let Some(bitmap) = self.unless_bad(bitmap)? else {
            return Ok(None);
        };
        let Some(first) = find_clear(self.read(bitmap)?, from, bits) else {
            return Ok(None);
        };
        let data = self.modify(bitmap, Seal::BlockBitmap(group))?;
        let mut count = 0;
        while count < want && first + count < bits && !is_set(data, first + count) {
            set(data, first + count);
            count += 1;
        }
        self.add_free_blocks(group, -i64::from(count))?;
        Ok(Some((
            self.geometry.group_start(group) + u64::from(first),
            count,
        )))
    }

    /// Clears the bits of a run of blocks. Bits that are clear already are
    /// left: the disk was not clean.
    pub fn release_blocks(&mut self, run: Range<u64>) -> Result<()> {
        let mut at = run.start;
        while at < run.end {
            let (group, bit) = self.geometry.locate_block(at)?;
            let in_group = u64::from(self.geometry.blocks_in_group(group) - bit);
            let count = (run.end - at).min(in_group) as u32;
            let bitmap = self.block_bitmap(group)?;
            let data = self.modify(bitmap, Seal::BlockBitmap(group))?;
            let cleared = (bit..bit + count).filter(|&bit| clear(data, bit)).count();
            self.add_free_blocks(group, cleared as i64)?;
            at += u64::from(count);
        }
        Ok(())
    }

    /// Allocates an inode, near the directory `parent` if possible.
    /// `ENOSPC`.
    pub fn allocate_inode(&mut self, parent: u32, directory: bool) -> Result<u32> {
        let per_group = self.geometry.inodes_per_group;
        let groups = self.geometry.groups;
        let home = (parent - 1) / per_group;
        for step in 0..groups {
            let group = (home + step) % groups;
            if self.group_count(group, FREE_INODES)? == 0 {
                continue;
            }
            let reserved = self.geometry.first_inode.saturating_sub(1);
            let from = if group == 0 { reserved } else { 0 };
            let bitmap = self.inode_bitmap(group);
            let Some(bitmap) = self.unless_bad(bitmap)? else {
                continue;
            };
            let Some(bit) = find_clear(self.read(bitmap)?, from, per_group) else {
                continue;
            };
            set(self.inode_bits_mut(bitmap, group, bit)?, bit % 8);
            self.note_used_inode(group, bit)?;
            self.count_inode(group, -1, directory)?;
            return Ok(group * per_group + bit + 1);
        }
        Err(Errno::ENOSPC)
    }

    /// Whether an inode is taken, and one that names lead to: numbers that programs give
    /// may be any. `EBADMSG`, `EIO`.
    pub fn is_users_inode(&mut self, ino: u32) -> Result<bool> {
        const ROOT: u32 = 2;
        if ino != ROOT && ino < self.geometry.first_inode || ino > self.geometry.inodes {
            return Ok(false);
        }
        let per_group = self.geometry.inodes_per_group;
        let (group, bit) = ((ino - 1) / per_group, (ino - 1) % per_group);
        if self.has_flag(group, INODE_BITMAP_UNWRITTEN)? {
            return Ok(false);
        }
        let bitmap = self.inode_bitmap(group)?;
        Ok(is_set(self.read(bitmap)?, bit))
    }

    /// Gives an inode back.
    pub fn release_inode(&mut self, ino: u32, directory: bool) -> Result<()> {
        let per_group = self.geometry.inodes_per_group;
        let (group, bit) = ((ino - 1) / per_group, (ino - 1) % per_group);
        let bitmap = self.inode_bitmap(group)?;
        match clear(self.inode_bits_mut(bitmap, group, bit)?, bit % 8) {
            true => self.count_inode(group, 1, directory),
            false => Ok(()),
        }
    }

    fn count_inode(&mut self, group: u32, change: i64, directory: bool) -> Result<()> {
        self.add_group_count(group, FREE_INODES, change)?;
        if directory {
            self.add_group_count(group, USED_DIRS, -change)?;
        }
        let free = self.free_counts()?;
        // One too many or too few is a damage that e2fsck mends.
        let inodes = (i64::from(free.inodes) + change) as u32;
        self.free = Some(FreeCounts { inodes, ..free });
        Ok(())
    }

    /// The block that holds an inode, and where in it. `EUCLEAN`.
    pub fn inode_place(&mut self, ino: u32) -> Result<(u64, usize)> {
        if ino == 0 || ino > self.geometry.inodes {
            return Err(Errno::EUCLEAN);
        }
        let group = (ino - 1) / self.geometry.inodes_per_group;
        let index = ((ino - 1) % self.geometry.inodes_per_group) as usize;
        let per_block = self.geometry.block_size / self.geometry.inode_size;
        let table = match self.last_group {
            Some((last, table)) if last == group => table,
            _ => self.group_block(group, INODE_TABLE)?,
        };
        self.last_group = Some((group, table));
        let block = table + (index / per_block) as u64;
        Ok((block, index % per_block * self.geometry.inode_size))
    }

    /// The table that the last [`inode_place`](Self::inode_place) is in.
    pub fn last_table(&self) -> Range<u64> {
        let per_block = (self.geometry.block_size / self.geometry.inode_size) as u32;
        let length = self.geometry.inodes_per_group.div_ceil(per_block);
        let start = self.last_group.map_or(0, |(_, table)| table);
        start..start + u64::from(length)
    }

    /// A place for the data of `ino`: the start of its group.
    pub fn data_goal(&self, ino: u32) -> u64 {
        let group = ino.saturating_sub(1) / self.geometry.inodes_per_group;
        self.geometry.group_start(group)
    }
}

fn is_set(bitmap: &[u8], bit: u32) -> bool {
    let byte = bitmap.get(bit as usize / 8);
    byte.is_none_or(|byte| byte & (1 << (bit % 8)) != 0)
}

fn set(bitmap: &mut [u8], bit: u32) {
    if let Some(byte) = bitmap.get_mut(bit as usize / 8) {
        *byte |= 1 << (bit % 8);
    }
}

/// Whether the bit was set.
fn clear(bitmap: &mut [u8], bit: u32) -> bool {
    let was_set = is_set(bitmap, bit);
    if let Some(byte) = bitmap.get_mut(bit as usize / 8) {
        *byte &= !(1 << (bit % 8));
    }
    was_set
}

/// The first clear bit from `from` on and below `end`.
fn find_clear(bitmap: &[u8], from: u32, end: u32) -> Option<u32> {
    const WORD: u32 = u64::BITS;
    let (words, _) = bitmap.as_chunks::<8>();
    let mut bit = from;
    while bit < end {
        // Bits past the last word count as set.
        let word = words.get((bit / WORD) as usize)?;
        let clear = !u64::from_le_bytes(*word) >> (bit % WORD);
        if clear != 0 {
            return Some(bit + clear.trailing_zeros()).filter(|&bit| bit < end);
        }
        bit = (bit / WORD + 1) * WORD;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clear_bits_are_found() {
        let mut bitmap = vec![0xff; 8];
        assert_eq!(find_clear(&bitmap, 0, 64), None);
        clear(&mut bitmap, 37);
        assert_eq!(find_clear(&bitmap, 3, 64), Some(37));
        assert_eq!(find_clear(&bitmap, 38, 64), None);
        assert_eq!(find_clear(&bitmap, 0, 37), None);
    }
}
