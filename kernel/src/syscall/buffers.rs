//! [`UserBuffers`]: the memory that a read fills or a write empties, as one
//! stream of bytes, be it in one piece or in many (readv(2)).

use crate::arch::user_access::{copy_from_user, copy_to_user};
use crate::user_memory::UserPtr;
use alloc::vec::Vec;
use paddock_abi::uio::{IOV_MAX, Iovec};
use paddock_abi::{Errno, Result};

/// The most bytes that one call moves, as on Linux.
const MAX_BYTES: u64 = 0x7fff_f000;

/// Pieces of user memory, and how far they have been used.
pub struct UserBuffers {
    current: Iovec,
    rest: Vec<Iovec>,
    /// Index in `rest` of the piece after `current`.
    next: usize,
    left: u64,
}

impl UserBuffers {
    /// One piece.
    pub fn single(address: u64, length: u64) -> UserBuffers {
        let length = length.min(MAX_BYTES);
        UserBuffers {
            current: Iovec {
                iov_base: address,
                iov_len: length,
            },
            rest: Vec::new(),
            next: 0,
            left: length,
        }
    }

    /// The pieces of an array. `EFAULT`, `ENOMEM`; `EINVAL` for too many of
    /// them or too many bytes.
    pub fn vector(array: UserPtr<Iovec>, count: u64) -> Result<UserBuffers> {
        let count = usize::try_from(count).map_err(|_| Errno::EINVAL)?;
        if count > IOV_MAX {
            return Err(Errno::EINVAL);
        }
        let mut rest = Vec::new();
        rest.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
        let mut left = 0u64;
        for index in 0..count {
            let mut piece = array.at(index)?.read()?;
            if i64::try_from(piece.iov_len).is_err() {
                return Err(Errno::EINVAL);
            }
            piece.iov_len = piece.iov_len.min(MAX_BYTES - left);
            left += piece.iov_len;
            rest.push(piece);
        }
        Ok(UserBuffers {
            current: Iovec::default(),
            rest,
            next: 0,
            left,
        })
    }

    /// Bytes that have not been used.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Uses no more than `length` bytes.
    pub fn limit(&mut self, length: u64) {
        self.left = self.left.min(length);
    }

    /// The address and length of the next piece of at most `limit` bytes.
    fn piece(&mut self, limit: usize) -> Option<(u64, usize)> {
        if self.left == 0 {
            return None;
        }
        while self.current.iov_len == 0 {
            self.current = *self.rest.get(self.next)?;
            self.next += 1;
        }
        let length = self.current.iov_len.min(limit as u64).min(self.left);
        let address = self.current.iov_base;
        self.current.iov_base = address.wrapping_add(length);
        self.current.iov_len -= length;
        self.left -= length;
        Some((address, length as usize))
    }

    /// Copies in as much as is there and fits; how much. `EFAULT` if the
    /// first byte cannot be read; later ones end it early.
    pub fn copy_in(&mut self, buf: &mut [u8]) -> Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            let Some((address, length)) = self.piece(buf.len() - done) else {
                break;
            };
            match copy_from_user(&mut buf[done..done + length], address) {
                Ok(()) => done += length,
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    /// Copies out all of `bytes`, of which there are no more than are left.
    /// `EFAULT`.
    pub fn copy_out(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let (address, length) = self.piece(bytes.len()).ok_or(Errno::EFAULT)?;
            copy_to_user(address, &bytes[..length])?;
            bytes = &bytes[length..];
        }
        Ok(())
    }
}

/// Bytes that pass through the kernel in one go.
const CHUNK: usize = 65536;
/// Up to so many bytes no memory is allocated for them.
const SMALL: usize = 512;

/// Calls `body` with a buffer for up to `length` bytes, or as many of them as
/// go through at once. `ENOMEM`.
pub fn with_chunk<T>(length: u64, body: impl FnOnce(&mut [u8]) -> Result<T>) -> Result<T> {
    if length <= SMALL as u64 {
        return body(&mut [0; SMALL][..length as usize]);
    }
    let length = length.min(CHUNK as u64) as usize;
    let mut chunk = Vec::new();
    chunk.try_reserve_exact(length).map_err(|_| Errno::ENOMEM)?;
    chunk.resize(length, 0);
    body(&mut chunk)
}
