//! The map from a file's blocks to the disk's in files without extents: twelve numbers in
//! the inode, and three of tables of numbers, which are one, two and three deep (Linux,
//! Documentation/filesystems/ext4/blockmap.rst). A number of 0 is a hole.

use crate::bytes::{get_u32, put_u32};
use crate::checksums::Seal;
use crate::extents::{Extent, Mapped};
use crate::raw_inode::RawInode;
use crate::transaction::Core;
use alloc::vec::Vec;
use core::ops::Range;
use paddock_sync::try_copy;
use paddock_vfs::{Errno, Result};

/// Blocks that the inode itself names.
const DIRECT: u32 = 12;
/// Numbers in the inode of tables: the first is one deep, the last three.
const TABLES: u32 = 3;
/// Bytes of a number.
const NUMBER: usize = 4;

/// A number on the way to a block of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    /// Its place among the others of the inode or of its table.
    slot: u32,
    /// Blocks of the file that are behind it: 1 if it is a block's own.
    span: u64,
    /// Which of those is sought.
    rest: u64,
}

impl Step {
    /// The number in the inode behind which block `logical` is, with so many numbers in a
    /// table; `None` if no file is so long.
    fn first(logical: u32, per_table: u32) -> Option<Step> {
        if logical < DIRECT {
            return Some(Step {
                slot: logical,
                span: 1,
                rest: 0,
            });
        }
        let mut rest = u64::from(logical - DIRECT);
        let mut span = 1;
        for table in 0..TABLES {
            span *= u64::from(per_table);
            if rest < span {
                return Some(Step {
                    slot: DIRECT + table,
                    span,
                    rest,
                });
            }
            rest -= span;
        }
        None
    }

    /// The next one, in the table that this is the number of.
    fn below(self, per_table: u32) -> Step {
        let span = self.span / u64::from(per_table);
        Step {
            slot: (self.rest / span) as u32,
            span,
            rest: self.rest % span,
        }
    }

    /// Whether it is the number of a table.
    fn is_table(self) -> bool {
        self.span > 1
    }

    /// Blocks from the one that is sought on that are not there without this number.
    fn hole(self, logical: u32) -> u32 {
        (self.span - self.rest).min(u64::from(u32::MAX - logical)) as u32
    }
}

fn number(numbers: &[u8], slot: u32) -> u64 {
    u64::from(get_u32(numbers, slot as usize * NUMBER))
}

fn put_number(numbers: &mut [u8], slot: u32, block: u64) -> Result<()> {
    let block = u32::try_from(block).map_err(|_| Errno::ENOSPC)?;
    put_u32(numbers, slot as usize * NUMBER, block);
    Ok(())
}

/// The run of blocks that the numbers from `slot` on name: where it begins and how long
/// it is; or how many of them are holes.
fn run_at(numbers: &[u8], slot: u32) -> core::result::Result<(u64, u32), u32> {
    let mut rest = (slot..(numbers.len() / NUMBER) as u32).map(|slot| number(numbers, slot));
    match rest.next() {
        None | Some(0) => Err(1 + rest.take_while(|number| *number == 0).count() as u32),
        Some(first) => {
            let mut neighbours = (first + 1..).zip(rest);
            let more = neighbours.by_ref().take_while(|(next, it)| next == it);
            Ok((first, 1 + more.count() as u32))
        }
    }
}

impl RawInode {
    /// The numbers of blocks.
    fn direct(&self) -> &[u8] {
        &self.i_block()[..DIRECT as usize * NUMBER]
    }
}

/// Blocks that go, gathered while they are neighbours.
struct Going {
    run: Range<u64>,
    metadata: bool,
    /// How many more there can be: numbers of a damaged file may name tables again and
    /// again.
    left: u64,
}

impl Going {
    fn add(&mut self, core: &mut Core, raw: &mut RawInode, block: u64) -> Result<()> {
        self.left = self.left.checked_sub(1).ok_or(Errno::EUCLEAN)?;
        if block != self.run.end || self.run.is_empty() {
            self.free(core, raw)?;
            self.run = block..block;
        }
        self.run.end += 1;
        Ok(())
    }

    fn add_table(&mut self, core: &mut Core, raw: &mut RawInode, block: u64) -> Result<()> {
        self.left = self.left.checked_sub(1).ok_or(Errno::EUCLEAN)?;
        core.free_run(raw, block, 1, true)
    }

    fn free(&mut self, core: &mut Core, raw: &mut RawInode) -> Result<()> {
        let run = core::mem::take(&mut self.run);
        let count = u32::try_from(run.end - run.start).map_err(|_| Errno::EUCLEAN)?;
        core.free_run(raw, run.start, count, self.metadata)
    }
}

impl Core {
    /// Numbers in a table.
    fn per_table(&self) -> u32 {
        (self.disk.block_size / NUMBER) as u32
    }

    /// The numbers of a table. `EUCLEAN`, `EIO`.
    fn table_numbers(&mut self, block: u64) -> Result<&[u8]> {
        self.geometry.locate_block(block)?;
        self.read(block)
    }

    /// As [`map`](Core::map), of a file without extents: a run may have begun before, and a
    /// hole may go on.
    pub fn map_numbers(&mut self, raw: &RawInode, logical: u32) -> Result<Mapped> {
        let per_table = self.per_table();
        let Some(mut step) = Step::first(logical, per_table) else {
            return Ok(Err(u32::MAX - logical));
        };
        let mut table = None;
        while step.is_table() {
            let block = match table {
                None => number(raw.i_block(), step.slot),
                Some(block) => number(self.table_numbers(block)?, step.slot),
            };
            if block == 0 {
                return Ok(Err(step.hole(logical)));
            }
            table = Some(block);
            step = step.below(per_table);
        }
        let run = match table {
            None => run_at(raw.direct(), step.slot),
            Some(block) => run_at(self.table_numbers(block)?, step.slot),
        };
        let (physical, len) = match run {
            Ok(run) => run,
            Err(hole) => return Ok(Err(hole)),
        };
        self.geometry.locate_block(physical)?;
        self.geometry.locate_block(physical + u64::from(len) - 1)?;
        Ok(Ok(Extent {
            logical,
            len,
            physical,
            unwritten: false,
        }))
    }

    /// The table that has the number of block `logical`, made if need be, or `None` for the
    /// inode; and the number's place. `EFBIG`, `ENOSPC`.
    fn table_for(&mut self, raw: &mut RawInode, logical: u32) -> Result<(Option<u64>, u32)> {
        let per_table = self.per_table();
        let mut step = Step::first(logical, per_table).ok_or(Errno::EFBIG)?;
        let mut table = None;
        while step.is_table() {
            let known = match table {
                None => number(raw.i_block(), step.slot),
                Some(block) => number(self.table_numbers(block)?, step.slot),
            };
            let next = match known {
                0 => self.add_numbers(raw, table, step.slot)?,
                block => block,
            };
            table = Some(next);
            step = step.below(per_table);
        }
        Ok((table, step.slot))
    }

    /// Makes a table, and notes its number in the inode or another table.
    fn add_numbers(&mut self, raw: &mut RawInode, parent: Option<u64>, slot: u32) -> Result<u64> {
        let goal = self.data_goal(raw.ino);
        let (block, _) = self.allocate_blocks(goal, 1)?;
        self.fresh(block, Seal::None)?;
        raw.add_blocks(1, self.disk.block_size);
        match parent {
            None => put_number(raw.i_block_mut(), slot, block)?,
            Some(parent) => put_number(self.modify(parent, Seal::None)?, slot, block)?,
        }
        Ok(block)
    }

    /// Has the numbers of some blocks of a file be `physical` and those behind it, or none.
    fn put_numbers(
        &mut self,
        raw: &mut RawInode,
        range: Range<u32>,
        physical: Option<u64>,
    ) -> Result<()> {
        let mut at = range.start;
        while at < range.end {
            let (table, slot) = self.table_for(raw, at)?;
            let numbers = match table {
                None => &mut raw.i_block_mut()[..DIRECT as usize * NUMBER],
                Some(block) => self.modify(block, Seal::None)?,
            };
            let room = (numbers.len() / NUMBER) as u32 - slot;
            let count = room.min(range.end - at);
            for step in 0..count {
                let block = physical.map_or(0, |first| first + u64::from(at - range.start + step));
                put_number(numbers, slot + step, block)?;
            }
            at += count;
        }
        Ok(())
    }

    /// As [`insert_extent`](Core::insert_extent), of a file without extents. `EOPNOTSUPP`
    /// if nothing is written there.
    pub fn insert_numbers(&mut self, raw: &mut RawInode, extent: Extent) -> Result<()> {
        match extent.unwritten {
            true => Err(Errno::EOPNOTSUPP),
            false => self.put_numbers(raw, extent.logical..extent.end(), Some(extent.physical)),
        }
    }

    /// As [`take_extents`](Core::take_extents), of a file without extents. Tables stay.
    pub fn take_numbers(&mut self, raw: &mut RawInode, range: Range<u32>) -> Result<Vec<Extent>> {
        let mut taken = Vec::new();
        let mut at = range.start;
        while at < range.end {
            at = match self.map_numbers(raw, at)? {
                Err(hole) => at.saturating_add(hole),
                Ok(extent) => {
                    let extent = extent.part(at, extent.end().min(range.end));
                    taken.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                    taken.push(extent);
                    self.put_numbers(raw, extent.logical..extent.end(), None)?;
                    extent.end()
                }
            };
        }
        Ok(taken)
    }

    /// As [`cut_extents`](Core::cut_extents), of a file without extents.
    pub fn cut_numbers(&mut self, raw: &mut RawInode, from: u32, metadata: bool) -> Result<()> {
        if raw.i_block().iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        let mut going = Going {
            run: 0..0,
            metadata,
            left: self.geometry.blocks,
        };
        let (from, mut start, mut span) = (u64::from(from), 0, 1);
        for slot in 0..DIRECT + TABLES {
            if slot >= DIRECT {
                span *= u64::from(self.per_table());
            }
            let first = from.saturating_sub(start);
            start += span;
            let block = number(raw.i_block(), slot);
            if block != 0 && first < span && self.cut(raw, block, span, first, &mut going)? {
                put_number(raw.i_block_mut(), slot, 0)?;
            }
        }
        going.free(self, raw)
    }

    /// Frees what is behind a number, from its block `from` on: whether that was all, and
    /// the number goes.
    fn cut(
        &mut self,
        raw: &mut RawInode,
        block: u64,
        span: u64,
        from: u64,
        going: &mut Going,
    ) -> Result<bool> {
        if span == 1 {
            going.add(self, raw, block)?;
            return Ok(true);
        }
        let mut numbers = try_copy(self.table_numbers(block)?)?;
        let below = span / u64::from(self.per_table());
        let (mut is_kept, mut is_changed) = (false, false);
        for slot in 0..self.per_table() {
            let next = number(&numbers, slot);
            if next == 0 {
                continue;
            }
            let first = from.saturating_sub(u64::from(slot) * below);
            if first < below && self.cut(raw, next, below, first, going)? {
                put_number(&mut numbers, slot, 0)?;
                is_changed = true;
            } else {
                is_kept = true;
            }
        }
        if !is_kept {
            going.add_table(self, raw, block)?;
        } else if is_changed {
            self.modify(block, Seal::None)?.copy_from_slice(&numbers);
        }
        Ok(!is_kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers on the way to a block: their places.
    fn way(logical: u32, per_table: u32) -> Vec<u32> {
        let mut step = Step::first(logical, per_table).unwrap();
        let mut slots = vec![step.slot];
        while step.is_table() {
            step = step.below(per_table);
            slots.push(step.slot);
        }
        slots
    }

    #[test]
    fn each_block_has_its_way() {
        let per_table = 256;
        assert_eq!(way(0, per_table), [0]);
        assert_eq!(way(11, per_table), [11]);
        assert_eq!(way(12, per_table), [12, 0]);
        assert_eq!(way(267, per_table), [12, 255]);
        assert_eq!(way(268, per_table), [13, 0, 0]);
        assert_eq!(way(268 + 65_535, per_table), [13, 255, 255]);
        assert_eq!(way(268 + 65_536, per_table), [14, 0, 0, 0]);
        let last = 268 + 65_536 + 256 * 65_536 - 1;
        assert_eq!(way(last, per_table), [14, 255, 255, 255]);
        assert_eq!(Step::first(last + 1, per_table), None);
    }

    #[test]
    fn a_hole_ends_where_the_next_number_begins() {
        let step = Step::first(268 + 5, 256).unwrap();
        assert_eq!(step.hole(268 + 5), 65_536 - 5);
        assert_eq!(step.below(256).hole(268 + 5), 256 - 5);
    }

    #[test]
    fn neighbours_are_one_run() {
        let mut numbers = [0; 8 * NUMBER];
        for (slot, block) in [(0, 7), (1, 8), (2, 9), (3, 11), (6, 1)] {
            put_number(&mut numbers, slot, block).unwrap();
        }
        assert_eq!(run_at(&numbers, 0), Ok((7, 3)));
        assert_eq!(run_at(&numbers, 2), Ok((9, 1)));
        assert_eq!(run_at(&numbers, 4), Err(2));
        assert_eq!(run_at(&numbers, 7), Err(1));
    }
}
