//! How an operation that fails is undone.

use super::{Buffer, Core, note};
use crate::checksums::Seal;
use crate::dir::Searched;
use crate::raw_inode::differs_in_times;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Steps of an operation for which room is kept for the next, and bytes.
const MOST_UNDO: usize = 512;
const MOST_UNDO_BYTES: usize = 16 << 10;

/// How a block was before a step of the running operation. Undone from the last to the
/// first, they lead back to how it was before the operation.
pub(super) struct Undo {
    pub block: u64,
    pub before: Before,
}

pub(super) enum Before {
    /// The whole buffer; `None` if it was not there.
    Buffer(Option<Box<Buffer>>),
    /// So many bytes from an offset on, the last ones of [`Core::undo_bytes`] that are
    /// left, and what is known of the buffer.
    Bytes(usize, usize, Known),
}

/// What is known of a buffer besides its content.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub seal: Seal,
    pub dirty: bool,
}

impl Core {
    /// Nothing is undone any more. What a large operation needed is given back.
    pub(super) fn forget_undo(&mut self) {
        match self.undo.capacity() > MOST_UNDO {
            true => self.undo = Vec::new(),
            false => self.undo.clear(),
        }
        match self.undo_bytes.capacity() > MOST_UNDO_BYTES {
            true => self.undo_bytes = Vec::new(),
            false => self.undo_bytes.clear(),
        }
    }

    /// Whether the running operation has changed nothing but times of inodes.
    pub(super) fn changes_times_alone(&self) -> bool {
        let mut start = 0;
        self.undo.iter().all(|undo| {
            let Before::Bytes(at, len, _) = undo.before else {
                return false;
            };
            let before = &self.undo_bytes[start..start + len];
            start += len;
            let is_inode = len == self.geometry.inode_size;
            let buffer = self.buffers.get(&undo.block).filter(|_| is_inode);
            let buffer = buffer.filter(|buffer| matches!(buffer.seal, Seal::Inodes(_)));
            let after = buffer.and_then(|buffer| buffer.data.get(at..at + len));
            after.is_some_and(|after| differs_in_times(before, after))
        })
    }

    /// Undoes the running operation.
    pub(super) fn roll_back(&mut self) {
        // The order of orphans is another one again.
        self.orphans_before.clear();
        self.free = self.free_before;
        while let Some(Undo { block, before }) = self.undo.pop() {
            match before {
                Before::Buffer(buffer) => drop(self.put_buffer(block, buffer)),
                Before::Bytes(at, len, known) => self.put_bytes(block, at, len, known),
            }
        }
    }

    fn put_bytes(&mut self, block: u64, at: usize, len: usize, known: Known) {
        let start = self.undo_bytes.len() - len;
        let bytes = self.undo_bytes.drain(start..);
        // Dirty buffers are not taken out, and later steps have been undone.
        let Some(buffer) = self.buffers.get_mut(&block) else {
            return;
        };
        buffer.searched = Searched::default();
        if let Some(place) = buffer.data.get_mut(at..at + len) {
            place.copy_from_slice(bytes.as_slice());
        }
        note(&mut self.dirty, block, known.dirty);
        buffer.seal = known.seal;
        buffer.dirty = known.dirty;
    }
}
