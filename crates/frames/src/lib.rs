//! Physical page frames: a buddy allocator that never allocates.
//!
//! All bookkeeping is in a table with one small entry for each frame, which
//! the kernel carves out of memory at boot; the frames themselves are never
//! touched. Freeing what is not in use is caught, not believed.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod ledger;

pub use ledger::{Account, AccountId, Frameful, KINDS, Kind, Ledger, OverLimit, Owner};

/// Bytes of a frame.
pub const FRAME_SIZE: u64 = 4096;
/// The largest block is `2^MAX_ORDER` frames (4 MiB).
pub const MAX_ORDER: usize = 10;

const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// Not memory that was handed over, or inside a larger block.
    None,
    /// The first frame of a free block of this order.
    Free(u8),
    /// The first frame of a block in use, of this order.
    Used(u8),
}

/// What the allocator knows of one frame.
#[derive(Clone, Copy, Debug)]
pub struct FrameInfo {
    /// The next free block; whose it is ([`Owner`]), if the frame is the first of an
    /// allocation.
    next: u32,
    previous: u32,
    state: Use,
}

impl FrameInfo {
    /// A frame that has not been handed over.
    pub const EMPTY: FrameInfo = FrameInfo {
        next: NONE,
        previous: NONE,
        state: Use::None,
    };
}

/// The frames of one range of physical addresses.
#[derive(Debug)]
pub struct Frames {
    base: u64,
    info: &'static mut [FrameInfo],
    heads: [u32; MAX_ORDER + 1],
    total: usize,
    free: usize,
    least_free: usize,
    /// Whose the frames in use are.
    pub ledger: Ledger,
}

/// Why there are no frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Too few are free.
    None,
    /// Who is charged has too many.
    OverLimit(AccountId),
}

impl Frames {
    /// No frames.
    pub const fn empty() -> Self {
        Frames {
            base: 0,
            info: &mut [],
            heads: [NONE; MAX_ORDER + 1],
            total: 0,
            free: 0,
            least_free: usize::MAX,
            ledger: Ledger::new(),
        }
    }

    /// The allocator of the frames from `base` (a multiple of the largest
    /// block) on, as many as `info` has entries; none is handed over yet.
    pub fn new(base: u64, info: &'static mut [FrameInfo]) -> Self {
        assert!(
            base.is_multiple_of(FRAME_SIZE << MAX_ORDER),
            "the base is not aligned"
        );
        info.fill(FrameInfo::EMPTY);
        Frames {
            base,
            info,
            ..Self::empty()
        }
    }

    /// Hands over the whole frames of `[start, end)`, which must not have
    /// been handed over before and must lie in the range.
    pub fn add(&mut self, start: u64, end: u64) {
        let mut index = self.index_of(start.next_multiple_of(FRAME_SIZE));
        let end = self.index_of(end & !(FRAME_SIZE - 1));
        while index < end {
            let mut order = (index.trailing_zeros() as usize).min(MAX_ORDER);
            while index + (1 << order) > end {
                order -= 1;
            }
            self.info[index].state = Use::Used(order as u8);
            self.total += 1 << order;
            self.release(index, order);
            index += 1 << order;
        }
        self.least_free = self.free;
    }

    /// A block of `2^order` frames, aligned to its size: its physical
    /// address. `None` if there is no such block.
    pub fn allocate(&mut self, order: usize) -> Option<u64> {
        let address = self.take(order)?;
        self.least_free = self.least_free.min(self.free);
        Some(address)
    }

    fn take(&mut self, order: usize) -> Option<u64> {
        let from = (order..=MAX_ORDER).find(|&order| self.heads[order] != NONE)?;
        let index = self.heads[from] as usize;
        self.unlink(index, from);
        for half in (order..from).rev() {
            self.link(index + (1 << half), half);
        }
        self.info[index].state = Use::Used(order as u8);
        self.info[index].next = Owner::NOBODY.0;
        self.free -= 1 << order;
        Some(self.base + index as u64 * FRAME_SIZE)
    }

    /// Gives back a block that [`Frames::allocate`] gave.
    ///
    /// # Panics
    /// If it is not in use, or of another size: memory is corrupted then.
    pub fn free(&mut self, address: u64, order: usize) {
        let index = self.index_of(address);
        self.release(index, order);
    }

    /// `count` contiguous frames, aligned to the largest power of two that is
    /// not above `count`, and only if at least `floor` frames stay free: their
    /// physical address.
    pub fn allocate_run(&mut self, count: usize, floor: usize) -> Option<u64> {
        let whole = count.checked_next_power_of_two()?;
        if count == 0 || self.free < floor.checked_add(count)? {
            return None;
        }
        let order = whole.trailing_zeros() as usize;
        let address = self.take(order)?;
        let index = self.index_of(address);
        for (piece, order) in pieces(count) {
            self.info[index + piece].state = Use::Used(order as u8);
        }
        // What is left of the block, in the largest pieces.
        let mut at = count;
        while at < whole {
            let order = at.trailing_zeros() as usize;
            self.info[index + at].state = Use::Used(order as u8);
            self.release(index + at, order);
            at += 1 << order;
        }
        self.least_free = self.least_free.min(self.free);
        Some(address)
    }

    /// The same, charged to an account.
    ///
    /// # Errors
    /// Why there are none.
    pub fn allocate_charged(
        &mut self,
        count: usize,
        floor: usize,
        account: AccountId,
        kind: Kind,
    ) -> Result<u64, Refusal> {
        let charged = self.ledger.charge(account, kind, count as u64);
        let owner = charged.map_err(|OverLimit(account)| Refusal::OverLimit(account))?;
        let Some(address) = self.allocate_run(count, floor) else {
            self.ledger.refund(owner, count as u64);
            return Err(Refusal::None);
        };
        let index = self.index_of(address);
        self.info[index].next = owner.0;
        Ok(address)
    }

    /// Gives back what [`Frames::allocate_run`] gave for `count` frames, to whom it
    /// was charged.
    ///
    /// # Panics
    /// As [`Frames::free`].
    pub fn free_run(&mut self, address: u64, count: usize) {
        let index = self.index_of(address);
        self.ledger
            .refund(Owner(self.info[index].next), count as u64);
        for (piece, order) in pieces(count) {
            self.release(index + piece, order);
        }
    }

    fn release(&mut self, mut index: usize, mut order: usize) {
        assert!(
            self.info[index].state == Use::Used(order as u8),
            "frame {index:#x} freed but not in use"
        );
        self.free += 1 << order;
        self.info[index].state = Use::None;
        while order < MAX_ORDER {
            let buddy = index ^ (1 << order);
            if self
                .info
                .get(buddy)
                .is_none_or(|info| info.state != Use::Free(order as u8))
            {
                break;
            }
            self.unlink(buddy, order);
            index &= !(1 << order);
            order += 1;
        }
        self.link(index, order);
    }

    fn index_of(&self, address: u64) -> usize {
        ((address - self.base) / FRAME_SIZE) as usize
    }

    fn link(&mut self, index: usize, order: usize) {
        let next = self.heads[order];
        self.info[index] = FrameInfo {
            next,
            previous: NONE,
            state: Use::Free(order as u8),
        };
        if next != NONE {
            self.info[next as usize].previous = index as u32;
        }
        self.heads[order] = index as u32;
    }

    fn unlink(&mut self, index: usize, order: usize) {
        let FrameInfo { next, previous, .. } = self.info[index];
        if previous == NONE {
            self.heads[order] = next;
        } else {
            self.info[previous as usize].next = next;
        }
        if next != NONE {
            self.info[next as usize].previous = previous;
        }
        self.info[index].state = Use::None;
    }

    /// Frames handed over in all.
    pub fn total(&self) -> usize {
        self.total
    }

    /// Frames that are free now.
    pub fn free_frames(&self) -> usize {
        self.free
    }

    /// The fewest frames that have been free since all were handed over.
    pub fn least_free(&self) -> usize {
        self.least_free
    }
}

/// A run of `count` frames as blocks, largest first: (offset, order).
fn pieces(count: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut left = count;
    core::iter::from_fn(move || {
        let order = left.checked_ilog2()? as usize;
        let offset = count - left;
        left -= 1 << order;
        Some((offset, order))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn frames(count: usize) -> Frames {
        Frames::new(
            0x4000_0000,
            Box::leak(vec![FrameInfo::EMPTY; count].into_boxed_slice()),
        )
    }

    proptest! {
        #[test]
        fn blocks_never_overlap_and_all_come_back(steps in prop::collection::vec((any::<bool>(), 0usize..6, any::<prop::sample::Index>()), 1..300)) {
            let mut frames = frames(3000);
            frames.add(0x4000_0000 + 5 * 4096, 0x4000_0000 + 2900 * 4096);
            let total = frames.total();
            prop_assert_eq!(total, 2895);
            let mut held: BTreeMap<u64, usize> = BTreeMap::new();
            for (take, order, which) in steps {
                if take || held.is_empty() {
                    if let Some(at) = frames.allocate(order) {
                        prop_assert!(at.is_multiple_of(FRAME_SIZE << order));
                        let end = at + (FRAME_SIZE << order);
                        for (&other, &order) in &held {
                            prop_assert!(end <= other || other + (FRAME_SIZE << order) <= at);
                        }
                        held.insert(at, order);
                    }
                } else {
                    let at = *which.get(&held.keys().copied().collect::<Vec<_>>());
                    let order = held.remove(&at).unwrap();
                    frames.free(at, order);
                }
                let used: usize = held.values().map(|order| 1 << order).sum();
                prop_assert_eq!(frames.free_frames(), total - used);
            }
            for (at, order) in held {
                frames.free(at, order);
            }
            prop_assert!(frames.allocate(MAX_ORDER).is_some());
        }
    }

    proptest! {
        #[test]
        fn runs_take_no_more_than_they_need(steps in prop::collection::vec((any::<bool>(), 1usize..70, any::<prop::sample::Index>()), 1..200)) {
            let mut frames = frames(2048);
            frames.add(0x4000_0000, 0x4000_0000 + 2000 * 4096);
            frames.ledger.take_room(Vec::with_capacity(2));
            let account = frames.ledger.open(AccountId::NOBODY).unwrap();
            let mut held: BTreeMap<u64, usize> = BTreeMap::new();
            for (take, count, which) in steps {
                if take || held.is_empty() {
                    let before = frames.free_frames();
                    let account = if count % 3 == 0 { AccountId::NOBODY } else { account };
                    let taken = frames.allocate_charged(count, 100, account, Kind::Anonymous);
                    if let Ok(at) = taken {
                        prop_assert!(at.is_multiple_of(FRAME_SIZE << count.ilog2()));
                        prop_assert_eq!(before - frames.free_frames(), count);
                        prop_assert!(frames.free_frames() >= 100);
                        let end = at + FRAME_SIZE * count as u64;
                        for (&other, &count) in &held {
                            prop_assert!(end <= other || other + FRAME_SIZE * count as u64 <= at);
                        }
                        held.insert(at, count);
                    }
                } else {
                    let at = *which.get(&held.keys().copied().collect::<Vec<_>>());
                    frames.free_run(at, held.remove(&at).unwrap());
                }
                let charged: usize = held.values().filter(|count| **count % 3 != 0).sum();
                prop_assert_eq!(frames.ledger.of(account).current, charged as u64);
            }
            for (at, count) in held {
                frames.free_run(at, count);
            }
            prop_assert_eq!(frames.ledger.of(account).current, 0);
            prop_assert_eq!(frames.free_frames(), 2000);
            prop_assert!(frames.allocate(MAX_ORDER).is_some());
        }
    }

    #[test]
    #[should_panic(expected = "not in use")]
    fn freeing_twice_is_caught() {
        let mut frames = frames(1024);
        frames.add(0x4000_0000, 0x4040_0000);
        let at = frames.allocate(0).unwrap();
        frames.free(at, 0);
        frames.free(at, 0);
    }
}
