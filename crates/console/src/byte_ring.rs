//! A ring of bytes between one writer and one reader.

use core::sync::atomic::{
    AtomicU8, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

/// First in, first out; `N` bytes fit.
///
/// There is one writer and one reader at a time: several of either take
/// turns by a lock around the ring. Storage is atomic, so that a panic may
/// read without that lock: at worst it reads a byte twice.
#[derive(Debug)]
pub struct ByteRing<const N: usize> {
    bytes: [AtomicU8; N],
    /// Counts of bytes ever put in and taken out.
    head: AtomicUsize,
    tail: AtomicUsize,
}

impl<const N: usize> ByteRing<N> {
    /// Counts wrap to 0, which has to be the ring's first place again.
    const POWER_OF_TWO: () = assert!(N.is_power_of_two());

    /// An empty ring.
    pub const fn new() -> Self {
        let () = Self::POWER_OF_TWO;
        ByteRing {
            bytes: [const { AtomicU8::new(0) }; N],
            head: AtomicUsize::new(0),
            tail: AtomicUsize::new(0),
        }
    }

    /// Bytes that wait to be taken out.
    pub fn len(&self) -> usize {
        let head = self.head.load(Acquire);
        head.wrapping_sub(self.tail.load(Acquire)).min(N)
    }

    /// Bytes that can be put in.
    pub fn room(&self) -> usize {
        N - self.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts a byte in; false if there is no room.
    pub fn push(&self, byte: u8) -> bool {
        if self.room() == 0 {
            return false;
        }
        let head = self.head.load(Relaxed);
        self.bytes[head % N].store(byte, Relaxed);
        self.head.store(head.wrapping_add(1), Release);
        true
    }

    /// The next byte, left where it is.
    pub fn peek(&self) -> Option<u8> {
        let tail = self.tail.load(Relaxed);
        (tail != self.head.load(Acquire)).then(|| self.bytes[tail % N].load(Relaxed))
    }

    /// Takes the next byte out.
    pub fn pop(&self) -> Option<u8> {
        let byte = self.peek()?;
        let tail = self.tail.load(Relaxed);
        self.tail.store(tail.wrapping_add(1), Release);
        Some(byte)
    }
}

impl<const N: usize> Default for ByteRing<N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn it_fills_and_empties_in_order() {
        let ring = ByteRing::<8>::new();
        for round in 0..5u8 {
            for byte in 0..8 {
                assert_eq!(ring.room(), 8 - usize::from(byte));
                assert!(ring.push(round + byte));
            }
            assert!(!ring.push(99));
            assert_eq!(ring.peek(), Some(round));
            let all: Vec<u8> = core::iter::from_fn(|| ring.pop()).collect();
            assert_eq!(all, (round..round + 8).collect::<Vec<u8>>());
            assert!(ring.is_empty() && ring.peek().is_none());
        }
    }

    #[test]
    fn counts_may_wrap() {
        let ring = ByteRing::<4>::new();
        ring.head.store(usize::MAX, Relaxed);
        ring.tail.store(usize::MAX, Relaxed);
        assert!(ring.push(1) && ring.push(2));
        assert_eq!((ring.len(), ring.pop(), ring.pop()), (2, Some(1), Some(2)));
        assert_eq!(ring.pop(), None);
    }

    #[test]
    fn a_writer_and_a_reader_at_once() {
        let ring = ByteRing::<16>::new();
        thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..20_000u32 {
                    while !ring.push(number as u8) {
                        thread::yield_now();
                    }
                }
            });
            for number in 0..20_000u32 {
                let byte = loop {
                    match ring.pop() {
                        Some(byte) => break byte,
                        None => thread::yield_now(),
                    }
                };
                assert_eq!(byte, number as u8);
            }
        });
    }
}
