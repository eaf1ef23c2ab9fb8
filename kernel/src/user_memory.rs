//! Typed access to the memory of the running process.
//!
//! A user address is a number until it is copied through here; every copy is
//! checked, may sleep, and fails with `EFAULT` rather than fault.

use crate::arch::user_access::{copy_from_user, copy_to_user};
use alloc::vec::Vec;
use core::marker::PhantomData;
use core::ops::Deref;
use paddock_abi::{Errno, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// An address that a user program gave for a `T`.
#[derive(Debug)]
pub struct UserPtr<T> {
    address: u64,
    kind: PhantomData<fn() -> T>,
}

impl<T> Clone for UserPtr<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for UserPtr<T> {}

impl<T> UserPtr<T> {
    /// Takes a system call's argument for an address.
    pub const fn new(address: u64) -> Self {
        UserPtr {
            address,
            kind: PhantomData,
        }
    }

    /// Whether it is the null pointer.
    pub const fn is_null(self) -> bool {
        self.address == 0
    }

    /// `None` for the null pointer.
    pub fn non_null(self) -> Option<Self> {
        (!self.is_null()).then_some(self)
    }

    /// The address of the element `index` further on.
    ///
    /// # Errors
    /// `EFAULT` if there is no such address.
    pub fn at(self, index: usize) -> Result<Self> {
        let offset = index.checked_mul(size_of::<T>()).ok_or(Errno::EFAULT)?;
        let address = self
            .address
            .checked_add(offset as u64)
            .ok_or(Errno::EFAULT)?;
        Ok(UserPtr::new(address))
    }
}

impl<T: FromBytes + IntoBytes> UserPtr<T> {
    /// Copies the value in.
    ///
    /// # Errors
    /// `EFAULT`.
    pub fn read(self) -> Result<T> {
        let mut value = T::new_zeroed();
        copy_from_user(value.as_mut_bytes(), self.address)?;
        Ok(value)
    }
}

impl<T: IntoBytes + Immutable> UserPtr<T> {
    /// Copies a value out.
    ///
    /// # Errors
    /// `EFAULT`.
    pub fn write(self, value: &T) -> Result<()> {
        copy_to_user(self.address, value.as_bytes())
    }
}

/// Looks at what a structure of `size` bytes at `address` has behind the first `known`
/// ones: fields of later versions, whose meaning is not known here. `E2BIG` if anything
/// is in them, `EFAULT`.
pub fn check_unknown(address: u64, known: u64, size: u64) -> Result<()> {
    for at in known..size {
        if UserPtr::<u8>::new(address.wrapping_add(at)).read()? != 0 {
            return Err(Errno::E2BIG);
        }
    }
    Ok(())
}

/// Copies `length` bytes in.
///
/// # Errors
/// `EFAULT`, `ENOMEM`.
pub fn read_bytes(address: u64, length: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(|_| Errno::ENOMEM)?;
    bytes.resize(length, 0);
    copy_from_user(&mut bytes, address)?;
    Ok(bytes)
}

/// Copies a string in, without its zero byte. `too_long` if none comes within
/// `limit` bytes.
///
/// # Errors
/// `EFAULT`, `ENOMEM`, `too_long`.
pub fn read_string(address: u64, limit: usize, too_long: Errno) -> Result<Vec<u8>> {
    const CHUNK: usize = 256;
    let mut bytes = Vec::new();
    let mut at = address;
    while bytes.len() < limit {
        // Never beyond the page: the string may end at its end.
        let to_page_end = 4096 - (at % 4096) as usize;
        let count = CHUNK.min(to_page_end).min(limit - bytes.len());
        let mut chunk = [0; CHUNK];
        copy_from_user(&mut chunk[..count], at)?;
        let end = chunk[..count].iter().position(|&byte| byte == 0);
        let part = &chunk[..end.unwrap_or(count)];
        bytes.try_reserve(part.len()).map_err(|_| Errno::ENOMEM)?;
        bytes.extend_from_slice(part);
        if end.is_some() {
            return Ok(bytes);
        }
        at += count as u64;
    }
    Err(too_long)
}

/// Bytes of a path that needs no memory of the heap.
const SHORT_PATH: usize = 2 * PATH_CHUNK;
const PATH_CHUNK: usize = 64;

/// A path that was copied in, without its zero byte.
pub enum UserPath {
    /// It is the first `len` of these bytes.
    Short { bytes: [u8; SHORT_PATH], len: u8 },
    /// It is longer.
    Long(Vec<u8>),
}

impl UserPath {
    /// Of no bytes.
    pub const EMPTY: UserPath = UserPath::Short {
        bytes: [0; SHORT_PATH],
        len: 0,
    };
}

impl Deref for UserPath {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            UserPath::Short { bytes, len } => &bytes[..usize::from(*len)],
            UserPath::Long(bytes) => bytes,
        }
    }
}

/// Where the first zero byte is, looked for eight bytes at a time.
#[inline]
fn find_zero(bytes: &[u8; PATH_CHUNK]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    let (words, _) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // The lowest of its top bits is that of the first zero byte.
        let zeroes = word.wrapping_sub(ONES) & !word & (ONES << 7);
        if zeroes != 0 {
            return Some(index * 8 + zeroes.trailing_zeros() as usize / 8);
        }
    }
    None
}

/// Copies a path in.
///
/// # Errors
/// `EFAULT`, `ENOMEM`, `ENAMETOOLONG`.
#[inline]
pub fn read_path(address: u64) -> Result<UserPath> {
    let mut bytes = [0; SHORT_PATH];
    let (chunks, _) = bytes.as_chunks_mut::<PATH_CHUNK>();
    let mut at = address;
    for (index, chunk) in chunks.iter_mut().enumerate() {
        // Never beyond the page: the string may end at its end.
        if 4096 - (at % 4096) < PATH_CHUNK as u64 {
            break;
        }
        copy_from_user(chunk, at)?;
        if let Some(end) = find_zero(chunk) {
            let len = (index * PATH_CHUNK + end) as u8;
            return Ok(UserPath::Short { bytes, len });
        }
        at += PATH_CHUNK as u64;
    }
    read_long_path(address)
}

#[cold]
#[inline(never)]
fn read_long_path(address: u64) -> Result<UserPath> {
    read_string(address, 4096, Errno::ENAMETOOLONG).map(UserPath::Long)
}
