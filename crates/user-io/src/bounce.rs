//! Buffers for objects that cannot copy to or from user memory themselves.

use alloc::vec::Vec;
use paddock_abi::{Errno, Result};

/// Up to so many bytes no memory is allocated for.
const SMALL: usize = 512;

/// Calls `body` with a buffer of `length` zeroes; few of them are on the stack.
///
/// # Errors
/// `ENOMEM`; those of `body`.
pub fn with_buffer<T>(length: usize, body: impl FnOnce(&mut [u8]) -> Result<T>) -> Result<T> {
    if length <= SMALL {
        return body(&mut [0; SMALL][..length]);
    }
    let mut buffer = Vec::new();
    buffer
        .try_reserve_exact(length)
        .map_err(|_| Errno::ENOMEM)?;
    buffer.resize(length, 0);
    body(&mut buffer)
}
