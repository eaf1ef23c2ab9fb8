//! [`Ring`]: the bytes of one direction of a connection.

use alloc::vec::Vec;
use paddock_abi::{Errno, Result};

/// The smallest capacity that is allocated, in bytes.
pub const SMALLEST: usize = 256;

/// A queue of bytes that grows as it is used. Bytes may be put down behind its
/// end before those in between are there.
#[derive(Debug, Default)]
pub struct Ring {
    /// Its length is the capacity: zero or a power of two.
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl Ring {
    /// An empty one, which holds no memory.
    pub const fn new() -> Ring {
        Ring {
            bytes: Vec::new(),
            start: 0,
            len: 0,
        }
    }

    /// Bytes that are queued.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none are.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of memory that it holds.
    pub fn capacity(&self) -> usize {
        self.bytes.len()
    }

    /// The capacity that room for `total` bytes takes.
    pub fn capacity_for(&self, total: usize) -> usize {
        match total <= self.bytes.len() {
            true => self.bytes.len(),
            false => total.next_power_of_two().max(SMALLEST),
        }
    }

    /// Makes room for `total` bytes in all. `ENOMEM`, and nothing has changed.
    pub fn reserve(&mut self, total: usize) -> Result<()> {
        let capacity = self.capacity_for(total);
        if capacity == self.bytes.len() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        bytes
            .try_reserve_exact(capacity)
            .map_err(|_| Errno::ENOMEM)?;
        // All of the old memory: some of it may be ahead of the end.
        let (second, first) = self.bytes.split_at(self.start);
        bytes.extend_from_slice(first);
        bytes.extend_from_slice(second);
        bytes.resize(capacity, 0);
        (self.bytes, self.start) = (bytes, 0);
        Ok(())
    }

    /// Puts bytes down `offset` bytes behind the start, where room was
    /// reserved. They count once they are [committed](Self::commit).
    pub fn put(&mut self, offset: usize, data: &[u8]) {
        let capacity = self.bytes.len();
        debug_assert!(offset + data.len() <= capacity);
        if data.is_empty() || offset + data.len() > capacity {
            return;
        }
        let at = (self.start + offset) & (capacity - 1);
        let first = data.len().min(capacity - at);
        self.bytes[at..at + first].copy_from_slice(&data[..first]);
        self.bytes[..data.len() - first].copy_from_slice(&data[first..]);
    }

    /// Moves the end over `count` bytes that were put down.
    pub fn commit(&mut self, count: usize) {
        debug_assert!(self.len + count <= self.bytes.len());
        self.len = (self.len + count).min(self.bytes.len());
    }

    /// Adds at the end up to `count` bytes, for which room was reserved, that `fill`
    /// puts into the two pieces of it; it says how many it has, which are in order.
    pub fn push_with(
        &mut self,
        count: usize,
        fill: impl FnOnce(&mut [u8], &mut [u8]) -> usize,
    ) -> usize {
        let capacity = self.bytes.len();
        let count = count.min(capacity - self.len);
        if count == 0 {
            return 0;
        }
        let at = (self.start + self.len) & (capacity - 1);
        let first = count.min(capacity - at);
        let (low, high) = self.bytes.split_at_mut(at);
        let filled = fill(&mut high[..first], &mut low[..count - first]);
        self.commit(filled.min(count));
        filled.min(count)
    }

    /// The bytes from `offset` on, at most `count`, in two pieces.
    pub fn slices(&self, offset: usize, count: usize) -> (&[u8], &[u8]) {
        let offset = offset.min(self.len);
        let count = count.min(self.len - offset);
        if count == 0 {
            return (&[], &[]);
        }
        let at = (self.start + offset) & (self.bytes.len() - 1);
        let first = count.min(self.bytes.len() - at);
        (&self.bytes[at..at + first], &self.bytes[..count - first])
    }

    /// Copies bytes from the start, without taking them; how many.
    pub fn peek(&self, buffer: &mut [u8]) -> usize {
        let (first, second) = self.slices(0, buffer.len());
        let (into_first, rest) = buffer.split_at_mut(first.len());
        into_first.copy_from_slice(first);
        rest[..second.len()].copy_from_slice(second);
        first.len() + second.len()
    }

    /// Takes bytes away from the start.
    pub fn consume(&mut self, count: usize) {
        debug_assert!(count <= self.len);
        let count = count.min(self.len);
        if count > 0 {
            self.start = (self.start + count) & (self.bytes.len() - 1);
            self.len -= count;
        }
    }

    /// Exchanges the memory of an empty queue for another's with the bytes in it, which
    /// are behind the end of this one until they are [committed](Self::commit). The
    /// other is empty then.
    pub fn exchange(&mut self, other: &mut Ring) {
        debug_assert!(self.is_empty());
        core::mem::swap(self, other);
        self.len = 0;
        other.len = 0;
    }

    /// Throws everything away, with the memory.
    pub fn clear(&mut self) {
        *self = Ring::new();
    }
}

#[cfg(test)]
mod tests {
    use super::Ring;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    /// Adds bytes at the end, where room was reserved.
    fn add(ring: &mut Ring, data: &[u8]) {
        let count = ring.push_with(data.len(), |first, second| {
            first.copy_from_slice(&data[..first.len()]);
            second.copy_from_slice(&data[first.len()..]);
            data.len()
        });
        assert_eq!(count, data.len());
    }

    proptest! {
        #[test]
        fn behaves_as_a_queue(steps in prop::collection::vec((0usize..700, 0usize..700), 1..40)) {
            let (mut ring, mut model, mut next) = (Ring::new(), VecDeque::new(), 0u8);
            for (push, take) in steps {
                let data: Vec<u8> = (0..push).map(|_| { next = next.wrapping_add(1); next }).collect();
                ring.reserve(ring.len() + data.len()).unwrap();
                add(&mut ring, &data);
                model.extend(data);
                let mut out = vec![0; take];
                let count = ring.peek(&mut out);
                let expected: Vec<u8> = model.drain(..take.min(model.len())).collect();
                prop_assert_eq!(&out[..count], &expected[..]);
                ring.consume(count);
                prop_assert_eq!(ring.len(), model.len());
            }
        }

        #[test]
        fn bytes_ahead_of_the_end_survive_growth(gap in 1usize..300, more in 1usize..3000) {
            let mut ring = Ring::new();
            ring.reserve(200).unwrap();
            add(&mut ring, &[7; 200]);
            ring.consume(150);
            ring.reserve(50 + gap + 4).unwrap();
            ring.put(50 + gap, b"tail");
            ring.reserve(50 + gap + 4 + more).unwrap();
            ring.put(50, &vec![9; gap]);
            ring.commit(gap + 4);
            let mut out = vec![0; 50 + gap + 4];
            prop_assert_eq!(ring.peek(&mut out), out.len());
            prop_assert_eq!(&out[50 + gap..], b"tail");
            prop_assert!(out[50..50 + gap].iter().all(|&byte| byte == 9));
        }
    }
}
