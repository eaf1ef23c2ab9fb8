//! The heap of deadlines: at most one for each thread, removable at once.

use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_sync::shrink_vec;

const ABSENT: u32 = u32::MAX;

/// A binary min-heap of deadlines with the position of each key known, so
/// that taking one out costs O(log n) and never leaves a stale entry behind.
///
/// Keys are small numbers (slot indices); room for them is reserved first.
pub struct Deadlines {
    heap: Vec<(u64, u32)>,
    positions: Vec<u32>,
}

impl Deadlines {
    /// An empty heap.
    pub const fn new() -> Self {
        Deadlines {
            heap: Vec::new(),
            positions: Vec::new(),
        }
    }

    /// Makes room for keys below `count`, so that `set` never allocates.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn reserve(&mut self, count: usize) -> Result<()> {
        let more = count.saturating_sub(self.positions.len());
        self.positions
            .try_reserve(more)
            .map_err(|_| Errno::ENOMEM)?;
        self.heap
            .try_reserve(count.saturating_sub(self.heap.len()))
            .map_err(|_| Errno::ENOMEM)?;
        while self.positions.len() < count {
            self.positions.push(ABSENT);
        }
        Ok(())
    }

    /// Gives back the room of keys from `count` on, which have no deadlines.
    pub fn shrink(&mut self, count: usize) {
        debug_assert!(self.positions.iter().skip(count).all(|&at| at == ABSENT));
        self.positions.truncate(count);
        shrink_vec(&mut self.positions, count);
        shrink_vec(&mut self.heap, count);
    }

    /// Sets the deadline of `key`, for which room was reserved.
    pub fn set(&mut self, key: usize, deadline: u64) {
        self.remove(key);
        let Some(position) = self.positions.get_mut(key) else {
            return;
        };
        *position = self.heap.len() as u32;
        self.heap.push((deadline, key as u32));
        self.sift_up(self.heap.len() - 1);
    }

    /// Takes the deadline of `key` out, if it has one.
    pub fn remove(&mut self, key: usize) {
        let Some(&position) = self.positions.get(key) else {
            return;
        };
        if position == ABSENT {
            return;
        }
        let position = position as usize;
        let last = self.heap.len() - 1;
        self.swap(position, last);
        self.heap.pop();
        self.positions[key] = ABSENT;
        if position < self.heap.len() {
            self.sift_up(position);
            self.sift_down(position);
        }
    }

    /// The earliest deadline.
    pub fn earliest(&self) -> Option<u64> {
        self.heap.first().map(|&(deadline, _)| deadline)
    }

    /// Takes out a key whose deadline is not after `now`.
    pub fn pop_due(&mut self, now: u64) -> Option<usize> {
        let &(deadline, key) = self.heap.first()?;
        (deadline <= now).then(|| {
            self.remove(key as usize);
            key as usize
        })
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        self.positions[self.heap[a].1 as usize] = a as u32;
        self.positions[self.heap[b].1 as usize] = b as u32;
    }

    fn sift_up(&mut self, mut at: usize) {
        while at > 0 {
            let parent = (at - 1) / 2;
            if self.heap[parent] <= self.heap[at] {
                return;
            }
            self.swap(parent, at);
            at = parent;
        }
    }

    fn sift_down(&mut self, mut at: usize) {
        loop {
            let left = 2 * at + 1;
            let mut least = at;
            for child in [left, left + 1] {
                if child < self.heap.len() && self.heap[child] < self.heap[least] {
                    least = child;
                }
            }
            if least == at {
                return;
            }
            self.swap(at, least);
            at = least;
        }
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn room_is_given_back() {
        let mut deadlines = Deadlines::new();
        deadlines.reserve(10_000).unwrap();
        deadlines.set(3, 7);
        deadlines.shrink(10);
        assert!(deadlines.positions.capacity() < 100 && deadlines.heap.capacity() < 100);
        deadlines.reserve(20).unwrap();
        deadlines.set(19, 5);
        assert_eq!(deadlines.pop_due(9), Some(19));
        assert_eq!(deadlines.pop_due(9), Some(3));
    }

    proptest! {
        #[test]
        fn behaves_like_a_map(steps in prop::collection::vec((0usize..16, prop::option::of(0u64..50)), 0..300)) {
            let mut deadlines = Deadlines::new();
            deadlines.reserve(16).unwrap();
            let mut model = BTreeMap::new();
            for (key, step) in steps {
                match step {
                    Some(at) => { deadlines.set(key, at); model.insert(key, at); }
                    None => { deadlines.remove(key); model.remove(&key); }
                }
                prop_assert_eq!(deadlines.earliest(), model.values().min().copied());
            }
            let mut last = 0;
            while let Some(key) = deadlines.pop_due(u64::MAX) {
                let at = model.remove(&key).unwrap();
                prop_assert!(at >= last);
                last = at;
            }
            prop_assert!(model.is_empty());
        }
    }
}
