//! Frames on their way out: first unlinked, then flushed, then freed.

use crate::Entry;
use crate::activate::Root;
use crate::address::PhysAddr;
use crate::frame::{Frame, SharedFrame};
use crate::hardware::Hardware;
use crate::tables::{Flush, Slot};
use alloc::sync::Arc;

const BATCH: usize = 32;

#[derive(Clone, Copy)]
enum Gone {
    Page(PhysAddr),
    Table(PhysAddr),
}

/// Collects what an edit takes out of page tables. Nothing is freed before
/// the translations to it are flushed, which happens when this is full and
/// when it is dropped. Allocates nothing.
pub(crate) struct Gather<H: Hardware> {
    root: Arc<Root<H>>,
    flush: Flush,
    gone: [Gone; BATCH],
    count: usize,
}

impl<H: Hardware> Gather<H> {
    pub(crate) fn new(root: &Arc<Root<H>>) -> Self {
        Gather {
            root: root.clone(),
            flush: Flush::nothing(),
            gone: [Gone::Page(PhysAddr(0)); BATCH],
            count: 0,
        }
    }

    /// Takes the page out of a held entry.
    pub(crate) fn take(&mut self, slot: Slot<'_>) {
        let entry = slot.get();
        if !entry.is_held() {
            return;
        }
        self.flush.add(slot.set(Entry::EMPTY));
        self.push(Gone::Page(entry.frame()));
    }

    /// Adds a flush to the one that comes at the end.
    pub(crate) fn add_flush(&mut self, flush: Flush) {
        self.flush.add(flush);
    }

    /// Takes a table that has been unlinked.
    pub(crate) fn add_table(&mut self, table: Frame<H>) {
        self.flush.add(Flush::all());
        self.push(Gone::Table(table.into_address()));
    }

    fn push(&mut self, gone: Gone) {
        self.gone[self.count] = gone;
        self.count += 1;
        if self.count == BATCH {
            self.finish();
        }
    }

    fn finish(&mut self) {
        core::mem::replace(&mut self.flush, Flush::nothing()).run(&self.root);
        let count = core::mem::take(&mut self.count);
        for gone in &self.gone[..count] {
            match *gone {
                // SAFETY: `take` got the share from its entry, once.
                Gone::Page(frame) => drop(unsafe { SharedFrame::<H>::from_address(frame) }),
                // SAFETY: `add_table` took the ownership, once.
                Gone::Table(frame) => drop(unsafe { Frame::<H>::from_address(frame) }),
            }
        }
    }
}

impl<H: Hardware> Drop for Gather<H> {
    fn drop(&mut self) {
        self.finish();
    }
}
