//! [`UserWriter`]: where a read puts its bytes.

use crate::bounce;
use crate::copy::{Access, Faults, UserCopy};
use crate::cursor::{Cursor, copied};
use crate::pass::{self, Pass};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU8, Ordering::Relaxed};
use paddock_abi::uio::Iovec;
use paddock_abi::{Errno, Result};

enum Memory<'a> {
    Kernel(&'a mut [u8]),
    User(Cursor<'a>),
}

/// Room for bytes, in the program's memory or the kernel's, and how far it has been
/// filled.
pub struct UserWriter<'a>(Memory<'a>);

impl<'a> From<&'a mut [u8]> for UserWriter<'a> {
    fn from(room: &'a mut [u8]) -> UserWriter<'a> {
        UserWriter(Memory::Kernel(room))
    }
}

impl<'a> From<&'a mut Vec<u8>> for UserWriter<'a> {
    fn from(room: &'a mut Vec<u8>) -> UserWriter<'a> {
        UserWriter(Memory::Kernel(room))
    }
}

impl<'a, const N: usize> From<&'a mut [u8; N]> for UserWriter<'a> {
    fn from(room: &'a mut [u8; N]) -> UserWriter<'a> {
        UserWriter(Memory::Kernel(room))
    }
}

impl<'a> UserWriter<'a> {
    /// `length` bytes of user memory in `pieces`.
    pub fn user(copy: &'a dyn UserCopy, pieces: &'a [Iovec], length: usize) -> UserWriter<'a> {
        UserWriter(Memory::User(Cursor::new(copy, pieces, length)))
    }

    /// Bytes that still fit.
    pub fn left(&self) -> usize {
        match &self.0 {
            Memory::Kernel(room) => room.len(),
            Memory::User(cursor) => cursor.left(),
        }
    }

    /// Whether nothing fits any more.
    pub fn is_full(&self) -> bool {
        self.left() == 0
    }

    /// Copies out as much of `bytes` as fits; how many. May sleep.
    ///
    /// # Errors
    /// `EFAULT` if the first byte cannot be written; a later one ends it early.
    pub fn copy_out(&mut self, bytes: &[u8]) -> Result<usize> {
        let wanted = self.left().min(bytes.len());
        copied(self.copy(bytes, Faults::Resolved), wanted)
    }

    /// As [`copy_out`](Self::copy_out), but never sleeps: ends before the first page
    /// that is missing.
    pub fn copy_out_atomic(&mut self, bytes: &[u8]) -> usize {
        self.copy(bytes, Faults::Refused)
    }

    /// The same, of the two pieces of a ring, one after the other.
    pub fn copy_out_pieces_atomic(&mut self, first: &[u8], second: &[u8]) -> usize {
        let count = self.copy_out_atomic(first);
        match count == first.len() {
            true => count + self.copy_out_atomic(second),
            false => count,
        }
    }

    fn copy(&mut self, bytes: &[u8], faults: Faults) -> usize {
        match &mut self.0 {
            Memory::Kernel(room) => {
                let count = room.len().min(bytes.len());
                take(room, count).copy_from_slice(&bytes[..count]);
                count
            }
            Memory::User(cursor) => {
                let copy = cursor.copy;
                cursor.use_up(bytes.len(), |to, done, length| {
                    copy.copy_out(to, &bytes[done..done + length], faults)
                })
            }
        }
    }

    /// As [`copy_out`](Self::copy_out), from a page that programs may have mapped.
    ///
    /// # Errors
    /// `EFAULT`, as there.
    pub fn copy_from_page(&mut self, bytes: &[AtomicU8]) -> Result<usize> {
        let wanted = self.left().min(bytes.len());
        let count = match &mut self.0 {
            Memory::Kernel(room) => {
                for (to, byte) in take(room, wanted).iter_mut().zip(bytes) {
                    *to = byte.load(Relaxed);
                }
                wanted
            }
            Memory::User(cursor) => {
                let copy = cursor.copy;
                cursor.use_up(bytes.len(), |to, done, length| {
                    copy.copy_out_shared(to, &bytes[done..done + length], Faults::Resolved)
                })
            }
        };
        copied(count, wanted)
    }

    /// Writes up to `most` zeroes. May sleep.
    ///
    /// # Errors
    /// `EFAULT`, as of [`copy_out`](Self::copy_out).
    pub fn zero(&mut self, most: usize) -> Result<usize> {
        let wanted = self.left().min(most);
        let count = match &mut self.0 {
            Memory::Kernel(room) => {
                take(room, wanted).fill(0);
                wanted
            }
            Memory::User(cursor) => {
                let copy = cursor.copy;
                cursor.use_up(most, |to, _, length| copy.zero(to, length))
            }
        };
        copied(count, wanted)
    }

    /// Brings in the pages of the next `most` bytes, as far as they are good. May
    /// sleep.
    ///
    /// # Errors
    /// `EFAULT` if the first of them is not.
    pub fn fault_in(&self, most: usize) -> Result<()> {
        match &self.0 {
            Memory::Kernel(_) => Ok(()),
            Memory::User(cursor) => cursor.fault_in(most, Access::Write),
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
        pass: impl FnMut(&mut UserWriter<'a>) -> Result<Pass>,
    ) -> Result<usize> {
        pass::repeat(self, pass, |cursor, most| cursor.fault_in(most))
    }

    /// Calls `body` with a buffer for at most `most` bytes and gives out as many as it
    /// says it has put there. Nothing is asked of it for an address that is bad. For
    /// objects whose bytes come slowly. May sleep.
    ///
    /// # Errors
    /// `EFAULT`, `ENOMEM`; those of `body`.
    pub fn with_buffer(
        &mut self,
        most: usize,
        body: impl FnOnce(&mut [u8]) -> Result<usize>,
    ) -> Result<usize> {
        let length = self.left().min(most);
        if let Memory::Kernel(room) = &mut self.0 {
            let count = body(&mut room[..length])?;
            take(room, count);
            return Ok(count);
        }
        self.fault_in(length)?;
        bounce::with_buffer(length, |buffer| {
            let count = body(buffer)?;
            let bytes = buffer.get(..count).ok_or(Errno::EIO)?;
            self.copy_out(bytes)
        })
    }
}

/// Takes the first `count` bytes of `room` off.
fn take<'a>(room: &mut &'a mut [u8], count: usize) -> &'a mut [u8] {
    let (now, later) = core::mem::take(room).split_at_mut(count);
    *room = later;
    now
}
