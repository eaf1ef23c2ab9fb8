//! Address-space identifiers (Arm ARM D8.15), with generations.
//!
//! A tag is a generation and an identifier. When the identifiers run out a
//! new generation begins, and all translations are forgotten.

use crate::arch::mmu;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use paddock_sync::{Rank, SpinLock};

struct Asids {
    generation: u64,
    next: u32,
}

static ASIDS: SpinLock<Asids> = SpinLock::new(Rank::Asid, Asids { generation: 1, next: 1 });

/// The identifier to use for the address space with this tag, given out anew
/// if its generation is over. Interrupts are masked.
pub fn current(tag: &AtomicU64) -> u16 {
    let mut asids = ASIDS.lock();
    let old = tag.load(Relaxed);
    if old >> 16 == asids.generation {
        return old as u16;
    }
    if asids.next >= 1 << mmu::asid_bits() {
        asids.generation += 1;
        // 0 belongs to the empty table.
        asids.next = 1;
        mmu::flush_all();
    }
    let asid = asids.next;
    asids.next += 1;
    tag.store((asids.generation << 16) | u64::from(asid), Relaxed);
    asid as u16
}
