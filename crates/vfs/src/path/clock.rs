//! [`Clock`]: a bounded collection that lets go of what was not used since the last
//! round of its hand (the clock algorithm, also known as second chance).

use alloc::boxed::Box;
use alloc::vec::Vec;
use paddock_sync::{SMALL, may_allocate};

/// Slots that are allocated at once.
const CHUNK: usize = 64;
/// No slot.
const NONE: u32 = u32::MAX;

enum Slot<T> {
    /// With the next free one.
    Free(u32),
    Taken(T),
}

/// Room for values in a [`Clock`].
pub(super) struct Chunk<T>(Box<[Slot<T>; CHUNK]>);

impl<T> Chunk<T> {
    /// `None` without memory for it.
    #[allow(
        clippy::disallowed_methods,
        reason = "what this is about: the memory was asked for"
    )]
    pub fn new() -> Option<Chunk<T>> {
        const { assert!(CHUNK * size_of::<Slot<T>>() <= SMALL, "not a small object") };
        may_allocate().ok()?;
        Some(Chunk(Box::new([const { Slot::Free(NONE) }; CHUNK])))
    }
}

/// Values in slots that keep their numbers. Nothing here takes longer the more there are.
pub(super) struct Clock<T> {
    /// Has its room from the start.
    chunks: Vec<Chunk<T>>,
    most_chunks: usize,
    /// The first free slot.
    free: u32,
    /// Where the next round goes on.
    hand: u32,
}

impl<T> Clock<T> {
    /// One for `most` values, rounded up to whole chunks; without room yet.
    /// `None` without memory for it.
    pub fn new(most: usize) -> Option<Clock<T>> {
        let most_chunks = most.div_ceil(CHUNK);
        let mut chunks = Vec::new();
        chunks.try_reserve_exact(most_chunks).ok()?;
        Some(Clock {
            chunks,
            most_chunks,
            free: NONE,
            hand: 0,
        })
    }

    /// Whether nothing can be inserted before it [grows](Self::grow).
    pub fn wants_chunk(&self) -> bool {
        self.free == NONE && self.chunks.len() < self.most_chunks
    }

    /// Whether nothing can be inserted.
    pub fn is_full(&self) -> bool {
        self.free == NONE
    }

    /// Adds room; the chunk, if it may have no more.
    pub fn grow(&mut self, mut chunk: Chunk<T>) -> Option<Chunk<T>> {
        if self.chunks.len() == self.most_chunks {
            return Some(chunk);
        }
        let first = self.slots();
        for (index, slot) in (first..).zip(chunk.0.iter_mut()) {
            *slot = Slot::Free(self.free);
            self.free = index;
        }
        self.chunks.push(chunk);
        None
    }

    /// The slot that `value` is in from now on; `value`, if it is full.
    pub fn insert(&mut self, value: T) -> Result<u32, T> {
        let index = self.free;
        match self.slot(index) {
            Some(slot) => {
                let Slot::Free(next) = core::mem::replace(slot, Slot::Taken(value)) else {
                    unreachable!("the list of free slots has one that is taken");
                };
                self.free = next;
                Ok(index)
            }
            None => Err(value),
        }
    }

    /// Takes out what is in a slot, if `is` says that it is meant.
    pub fn remove(&mut self, index: u32, is: impl FnOnce(&T) -> bool) -> Option<T> {
        let free = self.free;
        let slot = self.slot(index)?;
        if !matches!(slot, Slot::Taken(value) if is(value)) {
            return None;
        }
        let Slot::Taken(value) = core::mem::replace(slot, Slot::Free(free)) else {
            unreachable!("the slot was taken");
        };
        self.free = index;
        Some(value)
    }

    /// Moves the hand on to a value that `was_used` denies, `most` slots at most, and
    /// takes it out; else the last value that it came by.
    pub fn evict(&mut self, most: usize, mut was_used: impl FnMut(&T) -> bool) -> Option<T> {
        let mut last = NONE;
        for _ in 0..most.min(self.slots() as usize) {
            let index = self.hand;
            self.hand = (index + 1) % self.slots();
            if let Some(Slot::Taken(value)) = self.slot(index) {
                last = index;
                if !was_used(value) {
                    break;
                }
            }
        }
        self.remove(last, |_| true)
    }

    /// Looks at slots from `from` on, [`CHUNK`] of them at most, until one is `wanted`,
    /// and takes that out. Where to go on, if that is not the end.
    pub fn take(&mut self, from: u32, wanted: impl Fn(&T) -> bool) -> (Option<T>, Option<u32>) {
        let end = from.saturating_add(CHUNK as u32).min(self.slots());
        let found = (from..end).find_map(|index| Some((index, self.remove(index, &wanted)?)));
        let (value, next) = match found {
            Some((index, value)) => (Some(value), index + 1),
            None => (None, end),
        };
        (value, (next < self.slots()).then_some(next))
    }

    fn slots(&self) -> u32 {
        (self.chunks.len() * CHUNK) as u32
    }

    fn slot(&mut self, index: u32) -> Option<&mut Slot<T>> {
        let index = index as usize;
        let chunk = self.chunks.get_mut(index / CHUNK)?;
        Some(&mut chunk.0[index % CHUNK])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const MOST: usize = 3 * CHUNK;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Insert,
        Remove(usize),
        Evict(usize),
        Take(u32),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => Just(Step::Insert),
            1 => any::<usize>().prop_map(Step::Remove),
            1 => (1..300_usize).prop_map(Step::Evict),
            1 => (0..250_u32).prop_map(Step::Take),
        ];
        proptest::collection::vec(step, 0..600)
    }

    fn insert(clock: &mut Clock<u64>, value: u64) -> Result<u32, u64> {
        if clock.wants_chunk() {
            assert!(clock.grow(Chunk::new().unwrap()).is_none());
        }
        clock.insert(value)
    }

    proptest! {
        #[test]
        fn what_is_inserted_is_there_until_it_is_taken_out(steps in steps()) {
            let mut clock = Clock::new(MOST).unwrap();
            let mut model: BTreeMap<u32, u64> = BTreeMap::new();
            for (number, step) in (0..).zip(steps) {
                match step {
                    Step::Insert => match insert(&mut clock, number) {
                        Ok(slot) => prop_assert_eq!(model.insert(slot, number), None),
                        Err(value) => prop_assert_eq!((value, model.len()), (number, MOST)),
                    },
                    Step::Remove(which) => {
                        let Some((&slot, &value)) = model.iter().nth(which % (MOST + 1)) else {
                            continue;
                        };
                        prop_assert_eq!(clock.remove(slot, |_| false), None);
                        prop_assert_eq!(clock.remove(slot, |&it| it == value), Some(value));
                        model.remove(&slot);
                    }
                    Step::Evict(most) => match clock.evict(most, |value| value % 2 == 0) {
                        Some(value) => {
                            let slot = model.iter().find(|entry| *entry.1 == value);
                            let slot = *slot.unwrap().0;
                            model.remove(&slot);
                        }
                        None => prop_assert!(most < MOST || model.is_empty()),
                    },
                    Step::Take(from) => {
                        let (found, next) = clock.take(from, |value| value % 3 == 0);
                        let expected = model.range(from..).find(|entry| entry.1 % 3 == 0);
                        match (found, expected.map(|(&slot, &value)| (slot, value))) {
                            (Some(found), expected) => {
                                prop_assert_eq!(Some(found), expected.map(|it| it.1));
                                model.remove(&expected.unwrap().0);
                            }
                            (None, Some((slot, _))) => prop_assert!(slot >= next.unwrap()),
                            (None, None) => {}
                        }
                    }
                }
                prop_assert_eq!(clock.is_full() && !clock.wants_chunk(), model.len() == MOST);
            }
        }
    }

    #[test]
    fn what_was_used_is_kept_for_another_round() {
        let mut clock = Clock::new(CHUNK).unwrap();
        let mut used: Vec<bool> = (0..CHUNK).map(|index| index % 4 != 0).collect();
        (0..CHUNK).for_each(|index| assert!(insert(&mut clock, index as u64).is_ok()));
        let mut evicted: Vec<usize> = (0..CHUNK)
            .map(|_| {
                let value = clock.evict(CHUNK, |&value| core::mem::take(&mut used[value as usize]));
                value.unwrap() as usize
            })
            .collect();
        let mut first: Vec<usize> = evicted.drain(..CHUNK / 4).collect();
        first.sort_unstable();
        assert_eq!(first, (0..CHUNK).step_by(4).collect::<Vec<_>>());
        assert_eq!(evicted.len(), CHUNK - CHUNK / 4);
        assert_eq!(clock.evict(CHUNK, |_| false), None);
    }

    #[test]
    fn it_has_no_more_than_its_room() {
        let mut clock = Clock::new(1).unwrap();
        assert!(clock.is_full() && clock.wants_chunk());
        assert_eq!(clock.insert(1), Err(1));
        assert!(clock.grow(Chunk::new().unwrap()).is_none());
        assert!(clock.grow(Chunk::new().unwrap()).is_some());
        (0..CHUNK as u64).for_each(|value| assert!(clock.insert(value).is_ok()));
        assert_eq!(clock.insert(1), Err(1));
    }
}
