//! [`Ring`]: a bounded queue of bytes that takes memory as it needs it.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use paddock_abi::{Errno, Result};
use paddock_charge::{Account, Charge};

/// Data of up to this length is not split for want of memory.
const ATOMIC: usize = 4096;
/// Bytes that are allocated at least.
const LEAST: usize = 64;

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
#[derive(Debug)]
pub struct Ring {
    bytes: VecDeque<u8>,
    limit: usize,
    /// Of the memory it has, if somebody pays for it.
    charge: Option<Charge>,
}

impl Ring {
    /// An empty queue for `limit` bytes. Allocates nothing.
    pub const fn new(limit: usize) -> Ring {
        Ring {
            bytes: VecDeque::new(),
            limit,
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
        self.bytes.len()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes that still fit.
    pub fn room(&self) -> usize {
        self.limit - self.bytes.len()
    }

    /// The most bytes it takes.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Changes the limit. `EBUSY` if more bytes than that are in it.
    pub fn set_limit(&mut self, limit: usize) -> Result<()> {
        if limit < self.bytes.len() {
            return Err(Errno::EBUSY);
        }
        self.limit = limit;
        Ok(())
    }

    /// Appends what fits, and says how much that was. For want of memory it
    /// may be less, but never cuts data of up to 4096 bytes short: `ENOMEM`.
    pub fn push(&mut self, data: &[u8]) -> Result<usize> {
        let mut take = data.len().min(self.room());
        if self.grow(take).is_err() {
            take = take.min(self.bytes.capacity() - self.bytes.len());
            if take < data.len().min(ATOMIC) {
                return Err(Errno::ENOMEM);
            }
        }
        self.bytes.extend(&data[..take]);
        Ok(take)
    }

    /// Makes room for `more` bytes. `ENOMEM`.
    fn grow(&mut self, more: usize) -> Result<()> {
        let length = self.bytes.len() + more;
        if length <= self.bytes.capacity() {
            return Ok(());
        }
        let wanted = length.max(LEAST).next_power_of_two();
        if let Some(charge) = &mut self.charge {
            charge.resize(wanted)?;
        }
        let grown = self.bytes.try_reserve_exact(wanted - self.bytes.len());
        if let (Err(_), Some(charge)) = (&grown, &mut self.charge) {
            // Less always succeeds.
            let _ = charge.resize(self.bytes.capacity());
        }
        grown.map_err(|_| Errno::ENOMEM)
    }

    /// Gives the memory back that it has.
    fn release(&mut self) {
        self.bytes = VecDeque::new();
        if let Some(charge) = &mut self.charge {
            // Less always succeeds.
            let _ = charge.resize(0);
        }
    }

    /// Takes out as much as is there and fits, and says how much that was.
    pub fn pop(&mut self, buf: &mut [u8]) -> usize {
        let take = self.peek(buf);
        self.bytes.drain(..take);
        if self.bytes.is_empty() && self.bytes.capacity() > 4096 {
            self.release();
        }
        take
    }

    /// Copies out as much as is there and fits, without taking it.
    pub fn peek(&self, buf: &mut [u8]) -> usize {
        let (first, second) = self.bytes.as_slices();
        let head = first.len().min(buf.len());
        buf[..head].copy_from_slice(&first[..head]);
        let tail = second.len().min(buf.len() - head);
        buf[head..head + tail].copy_from_slice(&second[..tail]);
        head + tail
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
