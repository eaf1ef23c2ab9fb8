//! [`Cursor`]: a place in the pieces of user memory that a call was given.

use crate::copy::{Access, UserCopy};
use paddock_abi::uio::Iovec;
use paddock_abi::{Errno, Result};

/// Pieces of user memory, and how far they have been used.
#[derive(Clone)]
pub(crate) struct Cursor<'a> {
    pub copy: &'a dyn UserCopy,
    /// The current piece.
    address: u64,
    length: u64,
    /// Those after it.
    rest: &'a [Iovec],
    left: usize,
}

impl<'a> Cursor<'a> {
    /// At the start of `pieces`, of which `left` bytes are to be used.
    pub fn new(copy: &'a dyn UserCopy, pieces: &'a [Iovec], left: usize) -> Cursor<'a> {
        Cursor {
            copy,
            address: 0,
            length: 0,
            rest: pieces,
            left,
        }
    }

    /// Bytes that have not been used.
    pub fn left(&self) -> usize {
        self.left
    }

    /// Uses no more than `most` bytes from here on.
    pub fn limit(&mut self, most: usize) {
        self.left = self.left.min(most);
    }

    /// Where the next byte is, and how many of up to `most` are there in one piece;
    /// `None` at the end.
    fn next(&mut self, most: usize) -> Option<(u64, usize)> {
        if self.left == 0 || most == 0 {
            return None;
        }
        while self.length == 0 {
            let (piece, rest) = self.rest.split_first()?;
            (self.address, self.length) = (piece.iov_base, piece.iov_len);
            self.rest = rest;
        }
        let length = self.length.min(self.left.min(most) as u64);
        Some((self.address, length as usize))
    }

    fn advance_within(&mut self, count: usize) {
        self.address = self.address.wrapping_add(count as u64);
        self.length -= count as u64;
        self.left -= count;
    }

    /// Has `each` use up to `most` bytes, piece by piece: it is given an address, how
    /// many bytes were used before, and how many to use, and says how many it has.
    /// Ends with the first that is short; how many bytes were used.
    pub fn use_up(
        &mut self,
        most: usize,
        mut each: impl FnMut(u64, usize, usize) -> usize,
    ) -> usize {
        let mut done = 0;
        while let Some((address, length)) = self.next(most - done) {
            let used = each(address, done, length);
            self.advance_within(used);
            done += used;
            if used < length {
                break;
            }
        }
        done
    }

    /// Moves on by up to `count` bytes.
    pub fn advance(&mut self, count: usize) {
        self.use_up(count, |_, _, length| length);
    }

    /// Brings in the pages of the next `most` bytes, as far as they are good. May
    /// sleep.
    ///
    /// # Errors
    /// `EFAULT` if the first of them is not.
    pub fn fault_in(&self, most: usize, access: Access) -> Result<()> {
        let mut ahead = self.clone();
        let good = ahead.use_up(most, |address, _, length| {
            self.copy.fault_in(address, length, access)
        });
        match good == 0 && self.left.min(most) > 0 {
            true => Err(Errno::EFAULT),
            false => Ok(()),
        }
    }
}

/// The result of a copy of up to `wanted` bytes that may have the pages brought in.
///
/// # Errors
/// `EFAULT` if none could be copied.
pub(crate) fn copied(count: usize, wanted: usize) -> Result<usize> {
    match count == 0 && wanted > 0 {
        true => Err(Errno::EFAULT),
        false => Ok(count),
    }
}
