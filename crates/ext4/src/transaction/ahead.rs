//! Blocks of inodes that are read along with the one that is needed.

use super::Core;
use crate::disk::zeroed;
use core::ops::Range;
use paddock_sync::try_copy;

/// Blocks of a table that are read at once at most.
const RUN: u64 = 8;
/// So many buffers there are before more is read than was asked for: a small system at
/// rest has fewer.
const MANY: usize = 256;

impl Core {
    /// Before a block of the last table of inodes ([`Core::last_table`]) is read: its
    /// neighbours are, too, if some of its run are in memory. Whoever looks at many files comes to most of a table, in any
    /// order. What cannot be read is left to who needs it.
    pub fn read_near(&mut self, block: u64) {
        if self.buffers.len() < MANY || self.buffers.contains_key(&block) {
            return;
        }
        let Some(piece) = self.missing_near(block, self.last_table()) else {
            return;
        };
        let size = self.disk.block_size;
        let Ok(mut bytes) = zeroed((piece.end - piece.start) as usize * size) else {
            return;
        };
        if self.disk.try_read(piece.start, &mut bytes).is_err() {
            return;
        }
        for (block, data) in piece.zip(bytes.chunks_exact(size)) {
            let kept = try_copy(data).and_then(|data| self.put_clean(block, data));
            if kept.is_err() {
                return;
            }
        }
    }

    /// The part around `block` of its run in a table that is not in memory. `None` if
    /// nothing of the run is.
    fn missing_near(&self, block: u64, table: Range<u64>) -> Option<Range<u64>> {
        let first = table.start + block.checked_sub(table.start)? / RUN * RUN;
        let end = (first + RUN).min(table.end);
        let is_there = |block: &u64| self.buffers.contains_key(block);
        let before = (first..block).rev().find(is_there);
        let behind = (block + 1..end).find(is_there);
        (before.is_some() || behind.is_some())
            .then(|| before.map_or(first, |block| block + 1)..behind.unwrap_or(end))
    }
}
