//! The memory of a request: pages, of which neighbours are one piece.

use super::slots::{NOTHING, PIECES};
use crate::drivers::virtio::is_shareable_range;
use core::ptr;
use paddock_vfs::{PAGE_SIZE, PageRef};

/// Where a page's bytes are, which change from now on.
fn memory_of(page: &PageRef) -> *mut u8 {
    page.bytes_to_change().as_ptr().cast_mut().cast()
}

/// Whether the device can reach a page.
pub fn is_within_reach(page: &PageRef) -> bool {
    is_shareable_range(memory_of(page).addr(), PAGE_SIZE)
}

/// Up to [`PIECES`] pages.
pub struct Pieces {
    pieces: [*mut [u8]; PIECES],
    count: usize,
}

impl Pieces {
    /// None yet.
    pub fn new() -> Self {
        Pieces {
            pieces: [NOTHING; PIECES],
            count: 0,
        }
    }

    /// Adds a page, if there is a place left: as a piece, or to the last one.
    pub fn add(&mut self, page: &PageRef) {
        let start = memory_of(page);
        let last = self.count.checked_sub(1).map(|last| &mut self.pieces[last]);
        if let Some(last) = last
            && last.cast::<u8>().wrapping_add(last.len()) == start
        {
            let length = last.len() + PAGE_SIZE;
            *last = ptr::slice_from_raw_parts_mut(last.cast(), length);
        } else if let Some(place) = self.pieces.get_mut(self.count) {
            *place = ptr::slice_from_raw_parts_mut(start, PAGE_SIZE);
            self.count += 1;
        }
    }

    /// Those that there are.
    pub fn as_slice(&self) -> &[*mut [u8]] {
        &self.pieces[..self.count]
    }
}
