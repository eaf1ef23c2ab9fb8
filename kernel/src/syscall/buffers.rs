//! [`UserBuffers`]: the memory that a read fills or a write empties, be it in one piece
//! or in many (readv(2)).

use crate::arch::user_access::UserMemory;
use crate::user_memory::UserPtr;
use alloc::vec::Vec;
use paddock_abi::uio::{IOV_MAX, Iovec};
use paddock_abi::{Errno, Result};
use paddock_user_io::{UserReader, UserWriter, with_buffer};

/// The most bytes that one call moves, as on Linux.
pub const MAX_BYTES: u64 = 0x7fff_f000;

/// Pieces of user memory.
pub enum UserBuffers {
    /// One.
    Single([Iovec; 1]),
    /// Many.
    Vector {
        /// They.
        pieces: Vec<Iovec>,
        /// Bytes in all.
        length: u64,
    },
}

impl UserBuffers {
    /// One piece.
    pub fn single(address: u64, length: u64) -> UserBuffers {
        UserBuffers::Single([Iovec {
            iov_base: address,
            iov_len: length.min(MAX_BYTES),
        }])
    }

    /// The pieces of an array. `EFAULT`, `ENOMEM`; `EINVAL` for too many of
    /// them or too many bytes.
    pub fn vector(array: UserPtr<Iovec>, count: u64) -> Result<UserBuffers> {
        let count = usize::try_from(count).map_err(|_| Errno::EINVAL)?;
        if count > IOV_MAX {
            return Err(Errno::EINVAL);
        }
        let mut pieces = Vec::new();
        pieces.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
        let mut length = 0u64;
        for index in 0..count {
            let mut piece = array.at(index)?.read()?;
            if i64::try_from(piece.iov_len).is_err() {
                return Err(Errno::EINVAL);
            }
            piece.iov_len = piece.iov_len.min(MAX_BYTES - length);
            length += piece.iov_len;
            pieces.push(piece);
        }
        Ok(UserBuffers::Vector { pieces, length })
    }

    /// They, and how many bytes in all.
    pub fn pieces(&self) -> (&[Iovec], usize) {
        match self {
            UserBuffers::Single(piece) => (piece, piece[0].iov_len as usize),
            UserBuffers::Vector { pieces, length } => (pieces, *length as usize),
        }
    }

    /// Bytes in all.
    pub fn length(&self) -> usize {
        self.pieces().1
    }

    /// To be read, from the start.
    pub fn reader(&self) -> UserReader<'_> {
        let (pieces, length) = self.pieces();
        UserReader::user(&UserMemory, pieces, length)
    }

    /// To be written, from the start.
    pub fn writer(&self) -> UserWriter<'_> {
        let (pieces, length) = self.pieces();
        UserWriter::user(&UserMemory, pieces, length)
    }
}

/// Bytes that pass through the kernel in one go.
const CHUNK: usize = 65536;

/// Calls `body` with a buffer for up to `length` bytes, or as many of them as
/// go through at once. `ENOMEM`.
pub fn with_chunk<T>(length: u64, body: impl FnOnce(&mut [u8]) -> Result<T>) -> Result<T> {
    with_buffer(length.min(CHUNK as u64) as usize, body)
}
