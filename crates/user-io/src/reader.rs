//! [`UserReader`]: where a write has its bytes from.

use crate::bounce;
use crate::copy::{Access, Faults, UserCopy};
use crate::cursor::{Cursor, copied};
use crate::pass::{self, Pass};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU8, Ordering::Relaxed};
use paddock_abi::Result;
use paddock_abi::uio::Iovec;

#[derive(Clone)]
enum Memory<'a> {
    Kernel(&'a [u8]),
    User(Cursor<'a>),
}

/// Bytes to be read, of the program's memory or the kernel's, and how far they have
/// been. A clone is a place to come back to.
#[derive(Clone)]
pub struct UserReader<'a>(Memory<'a>);

impl<'a> From<&'a [u8]> for UserReader<'a> {
    fn from(bytes: &'a [u8]) -> UserReader<'a> {
        UserReader(Memory::Kernel(bytes))
    }
}

impl<'a> From<&'a Vec<u8>> for UserReader<'a> {
    fn from(bytes: &'a Vec<u8>) -> UserReader<'a> {
        UserReader(Memory::Kernel(bytes))
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for UserReader<'a> {
    fn from(bytes: &'a [u8; N]) -> UserReader<'a> {
        UserReader(Memory::Kernel(bytes))
    }
}

impl<'a> UserReader<'a> {
    /// `length` bytes of user memory in `pieces`.
    pub fn user(copy: &'a dyn UserCopy, pieces: &'a [Iovec], length: usize) -> UserReader<'a> {
        UserReader(Memory::User(Cursor::new(copy, pieces, length)))
    }

    /// Bytes that have not been read.
    pub fn left(&self) -> usize {
        match &self.0 {
            Memory::Kernel(bytes) => bytes.len(),
            Memory::User(cursor) => cursor.left(),
        }
    }

    /// Whether all has been read.
    pub fn is_empty(&self) -> bool {
        self.left() == 0
    }

    /// Gives no more than `most` bytes from here on.
    pub fn limit(&mut self, most: usize) {
        match &mut self.0 {
            Memory::Kernel(bytes) => *bytes = &bytes[..most.min(bytes.len())],
            Memory::User(cursor) => cursor.limit(most),
        }
    }

    /// Leaves the next `count` bytes out, or as many as there are.
    pub fn advance(&mut self, count: usize) {
        match &mut self.0 {
            Memory::Kernel(bytes) => *bytes = &bytes[count.min(bytes.len())..],
            Memory::User(cursor) => cursor.advance(count),
        }
    }

    /// Copies to `to` as much as there is and fits; how many bytes. May sleep.
    ///
    /// # Errors
    /// `EFAULT` if the first byte cannot be read; a later one ends it early.
    pub fn copy_in(&mut self, to: &mut [u8]) -> Result<usize> {
        let wanted = self.left().min(to.len());
        copied(self.copy(to, Faults::Resolved), wanted)
    }

    /// As [`copy_in`](Self::copy_in), but never sleeps: ends before the first page
    /// that is missing.
    pub fn copy_in_atomic(&mut self, to: &mut [u8]) -> usize {
        self.copy(to, Faults::Refused)
    }

    /// The same, to the two pieces of a ring, one after the other.
    pub fn copy_in_pieces_atomic(&mut self, first: &mut [u8], second: &mut [u8]) -> usize {
        let count = self.copy_in_atomic(first);
        match count == first.len() {
            true => count + self.copy_in_atomic(second),
            false => count,
        }
    }

    fn copy(&mut self, to: &mut [u8], faults: Faults) -> usize {
        match &mut self.0 {
            Memory::Kernel(bytes) => {
                let count = bytes.len().min(to.len());
                let (now, later) = bytes.split_at(count);
                to[..count].copy_from_slice(now);
                *bytes = later;
                count
            }
            Memory::User(cursor) => {
                let copy = cursor.copy;
                cursor.use_up(to.len(), |from, done, length| {
                    copy.copy_in(&mut to[done..done + length], from, faults)
                })
            }
        }
    }

    /// As [`copy_in`](Self::copy_in), to a page that programs may have mapped.
    ///
    /// # Errors
    /// `EFAULT`, as there.
    pub fn copy_to_page(&mut self, to: &[AtomicU8]) -> Result<usize> {
        let wanted = self.left().min(to.len());
        copied(self.copy_shared(to, Faults::Resolved), wanted)
    }

    /// As [`copy_to_page`](Self::copy_to_page), but never sleeps.
    pub fn copy_to_page_atomic(&mut self, to: &[AtomicU8]) -> usize {
        self.copy_shared(to, Faults::Refused)
    }

    fn copy_shared(&mut self, to: &[AtomicU8], faults: Faults) -> usize {
        match &mut self.0 {
            Memory::Kernel(bytes) => {
                let count = bytes.len().min(to.len());
                let (now, later) = bytes.split_at(count);
                for (to, byte) in to.iter().zip(now) {
                    to.store(*byte, Relaxed);
                }
                *bytes = later;
                count
            }
            Memory::User(cursor) => {
                let copy = cursor.copy;
                cursor.use_up(to.len(), |from, done, length| {
                    copy.copy_in_shared(&to[done..done + length], from, faults)
                })
            }
        }
    }

    /// Brings in the pages of the next `most` bytes, as far as they are good. May
    /// sleep.
    ///
    /// # Errors
    /// `EFAULT` if the first of them is not.
    pub fn fault_in(&self, most: usize) -> Result<()> {
        match &self.0 {
            Memory::Kernel(_) => Ok(()),
            Memory::User(cursor) => cursor.fault_in(most, Access::Read),
        }
    }

    /// Has an object that holds a lock meanwhile make passes, with the copies that end
    /// in `_atomic`, until nothing is left to be moved: pages that are missing are
    /// brought in between two of them. How many bytes it was. May sleep.
    ///
    /// # Errors
    /// `EFAULT` or those of `pass`, if nothing has been moved.
    pub fn in_passes(
        &mut self,
        pass: impl FnMut(&mut UserReader<'a>) -> Result<Pass>,
    ) -> Result<usize> {
        pass::repeat(self, pass, |cursor, most| cursor.fault_in(most))
    }

    /// Calls `body` with a copy of the next bytes, at most `most`, and moves on by as
    /// many as it says it has taken. For objects that bytes come to slowly. May sleep.
    ///
    /// # Errors
    /// `EFAULT`, `ENOMEM`; those of `body`.
    pub fn with_bytes(
        &mut self,
        most: usize,
        body: impl FnOnce(&[u8]) -> Result<usize>,
    ) -> Result<usize> {
        let length = self.left().min(most);
        let taken = match &self.0 {
            Memory::Kernel(bytes) => body(&bytes[..length])?,
            Memory::User(_) => bounce::with_buffer(length, |buffer| {
                let count = self.clone().copy_in(buffer)?;
                body(&buffer[..count])
            })?,
        };
        self.advance(taken);
        Ok(taken)
    }
}
