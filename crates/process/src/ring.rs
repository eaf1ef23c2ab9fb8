//! [`Ring`]: a bounded queue of bytes that takes memory as it needs it.

use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_charge::{Account, Charge};
use paddock_user_io::{UserReader, UserWriter};

/// Data of up to this length is not split for want of memory.
const ATOMIC: usize = 4096;
/// Bytes that are allocated at least.
const LEAST: usize = 64;
/// Bytes that an empty queue keeps memory for.
const KEPT: usize = 4096;

/// What a read that never waits found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryRead {
    /// That many bytes were copied out.
    Data(usize),
    /// Nothing is there yet.
    Pending,
    /// Nothing is there and nothing will come.
    Eof,
}

/// A first-in first-out queue of at most `limit` bytes.
#[derive(Debug, Default)]
pub struct Ring {
    /// As many bytes as it has memory for.
    bytes: Vec<u8>,
    /// Where in `bytes` the first one is.
    start: usize,
    length: usize,
    limit: usize,
    /// See [`Ring::keep`].
    kept: bool,
    /// Of the memory it has, if somebody pays for it.
    charge: Option<Charge>,
}

impl Ring {
    /// An empty queue for `limit` bytes. Allocates nothing.
    pub const fn new(limit: usize) -> Ring {
        Ring {
            bytes: Vec::new(),
            start: 0,
            length: 0,
            limit,
            kept: false,
            charge: None,
        }
    }

    /// As [`Ring::new`], with an account that pays for its memory.
    pub fn charged(limit: usize, account: &Arc<Account>) -> Result<Ring> {
        Ok(Ring {
            charge: Some(Charge::new(account, 0)?),
            ..Ring::new(limit)
        })
    }

    /// Bytes that are in it.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Bytes that still fit.
    pub fn room(&self) -> usize {
        self.limit - self.length
    }

    /// The most bytes it takes.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Changes the limit. `EBUSY` if more bytes than that are in it.
    pub fn set_limit(&mut self, limit: usize) -> Result<()> {
        if limit < self.length {
            return Err(Errno::EBUSY);
        }
        self.limit = limit;
        Ok(())
    }

    /// Appends what fits, and says how much that was. For want of memory it
    /// may be less, but never cuts data of up to 4096 bytes short: `ENOMEM`.
    pub fn push(&mut self, data: &[u8]) -> Result<usize> {
        let take = self.make_room(data.len())?;
        let pushed = self.push_from(&mut data.into(), take);
        debug_assert_eq!(pushed, take);
        Ok(take)
    }

    /// Makes room for `wanted` bytes, or as many as fit; how many. For want of memory
    /// it may be fewer, but never fewer than 4096. `ENOMEM`.
    pub fn make_room(&mut self, wanted: usize) -> Result<usize> {
        let take = wanted.min(self.room());
        if self.grow(take).is_ok() {
            return Ok(take);
        }
        let fits = take.min(self.bytes.len() - self.length);
        match fits < wanted.min(ATOMIC) {
            true => Err(Errno::ENOMEM),
            false => Ok(fits),
        }
    }

    /// Appends up to `most` bytes, for which room was made: fewer if a page of theirs
    /// is missing. Never sleeps.
    pub fn push_from(&mut self, from: &mut UserReader<'_>, most: usize) -> usize {
        let (first, second) = self.free(most);
        let done = from.copy_in_pieces_atomic(first, second);
        self.length += done;
        done
    }

    /// The same, but all of the `length` bytes or, if a page is missing, none.
    pub fn push_whole(&mut self, from: &mut UserReader<'_>, length: usize) -> usize {
        let (start, before) = (from.clone(), self.length);
        let done = self.push_from(from, length);
        if done == length {
            return done;
        }
        self.length = before;
        *from = start;
        0
    }

    /// Where the next bytes go, up to `most` of them.
    fn free(&mut self, most: usize) -> (&mut [u8], &mut [u8]) {
        let capacity = self.bytes.len();
        let most = most.min(capacity - self.length);
        let end = self.start + self.length;
        match end < capacity {
            true => {
                let (wrapped, tail) = self.bytes.split_at_mut(end);
                let first = most.min(tail.len());
                (&mut tail[..first], &mut wrapped[..most - first])
            }
            false => (&mut self.bytes[end - capacity..][..most], &mut []),
        }
    }

    /// Makes room for `more` bytes. `ENOMEM`.
    fn grow(&mut self, more: usize) -> Result<()> {
        let length = self.length + more;
        if length <= self.bytes.len() {
            return Ok(());
        }
        let wanted = length.max(LEAST).next_power_of_two();
        let old = self.bytes.len();
        if let Some(charge) = &mut self.charge {
            charge.resize(wanted)?;
        }
        let mut grown = Vec::new();
        if grown.try_reserve_exact(wanted).is_err() {
            if let Some(charge) = &mut self.charge {
                // Less always succeeds.
                let _ = charge.resize(old);
            }
            return Err(Errno::ENOMEM);
        }
        let (first, second) = self.parts();
        grown.extend_from_slice(first);
        grown.extend_from_slice(second);
        grown.resize(wanted, 0);
        self.bytes = grown;
        self.start = 0;
        Ok(())
    }

    /// Gives the memory back that it has.
    fn release(&mut self) {
        (self.bytes, self.start, self.length) = (Vec::new(), 0, 0);
        if let Some(charge) = &mut self.charge {
            // Less always succeeds.
            let _ = charge.resize(0);
        }
    }

    /// Takes out as much as is there and fits, and says how much that was.
    pub fn pop(&mut self, buf: &mut [u8]) -> usize {
        self.pop_to(&mut buf.into())
    }

    /// Takes out as much as is there and fits: less if a page of its place is missing.
    /// Never sleeps.
    pub fn pop_to(&mut self, to: &mut UserWriter<'_>) -> usize {
        let taken = self.peek_to(to, self.length);
        self.consume(taken);
        taken
    }

    /// Takes the first `count` bytes out, which are there.
    pub fn consume(&mut self, count: usize) {
        self.length -= count;
        if self.length > 0 {
            self.start = (self.start + count) % self.bytes.len();
        } else {
            self.start = 0;
            self.tidy();
        }
    }

    /// Gives memory back that an empty queue does not keep.
    fn tidy(&mut self) {
        if self.length == 0 && self.bytes.len() > KEPT && !self.kept {
            self.release();
        }
    }

    /// Whether what room was made for keeps its memory, even if all goes that is
    /// in it.
    pub fn keep(&mut self, kept: bool) {
        self.kept = kept;
        self.tidy();
    }

    /// Copies out as much as is there and fits, without taking it.
    pub fn peek(&self, buf: &mut [u8]) -> usize {
        self.peek_to(&mut buf.into(), self.length)
    }

    /// Copies out up to `most` bytes, as [`Self::pop_to`], without taking them.
    pub fn peek_to(&self, to: &mut UserWriter<'_>, most: usize) -> usize {
        let (first, second) = self.parts();
        let first = &first[..first.len().min(most)];
        let second = &second[..second.len().min(most - first.len())];
        to.copy_out_pieces_atomic(first, second)
    }

    /// What is in it.
    fn parts(&self) -> (&[u8], &[u8]) {
        let tail = &self.bytes[self.start..];
        match self.length <= tail.len() {
            true => (&tail[..self.length], &[]),
            false => (tail, &self.bytes[..self.length - tail.len()]),
        }
    }

    /// Throws everything away.
    pub fn clear(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    proptest! {
        #[test]
        fn behaves_as_a_queue(ops in proptest::collection::vec((any::<bool>(), 0usize..40), 0..200)) {
            let mut ring = Ring::new(64);
            let mut model: VecDeque<u8> = VecDeque::new();
            let mut next = 0u8;
            for (push, count) in ops {
                if push {
                    let data: Vec<u8> = (0..count).map(|i| next.wrapping_add(i as u8)).collect();
                    let taken = ring.push(&data).unwrap();
                    prop_assert_eq!(taken, count.min(64 - model.len()));
                    model.extend(&data[..taken]);
                    next = next.wrapping_add(taken as u8);
                } else {
                    let mut buf = vec![0; count];
                    let got = ring.pop(&mut buf);
                    prop_assert_eq!(got, count.min(model.len()));
                    let expected: Vec<u8> = model.drain(..got).collect();
                    prop_assert_eq!(&buf[..got], &expected[..]);
                }
                prop_assert_eq!(ring.len(), model.len());
            }
        }
    }
}
