//! What can no longer be done to a file in memory (fcntl(2), "File Sealing").

use crate::{Errno, Inode, Result};
use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use paddock_abi::fcntl::{
    F_SEAL_ALL, F_SEAL_FUTURE_WRITE, F_SEAL_GROW, F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_WRITE,
};

/// One mapping through which the file can be written.
const MAPPING: u64 = 1 << 32;

/// The seals of a file, and how many shared mappings can write it.
#[derive(Debug)]
pub struct Seals(AtomicU64);

impl Seals {
    /// None, and there can be none.
    pub const fn new() -> Self {
        Seals(AtomicU64::new(F_SEAL_SEAL as u64))
    }

    /// From now on there can be some. For a file that nobody has yet.
    pub fn allow(&self) {
        self.0.store(0, Relaxed);
    }

    /// Those there are (`F_SEAL_…`).
    pub fn get(&self) -> u32 {
        self.0.load(Relaxed) as u32
    }

    /// Adds some. The caller keeps writers out meanwhile.
    ///
    /// # Errors
    /// `EINVAL` for seals that are not known, `EPERM` if there can be no more,
    /// `EBUSY` if mappings stand against `F_SEAL_WRITE`.
    pub fn add(&self, seals: u32) -> Result<()> {
        if seals & !F_SEAL_ALL != 0 {
            return Err(Errno::EINVAL);
        }
        let mut refused = Errno::EPERM;
        let more = |state: u64| {
            if state as u32 & F_SEAL_SEAL != 0 {
                refused = Errno::EPERM;
                return None;
            }
            if seals & F_SEAL_WRITE != 0 && state >= MAPPING {
                refused = Errno::EBUSY;
                return None;
            }
            Some(state | u64::from(seals))
        };
        let added = self.0.fetch_update(Relaxed, Relaxed, more);
        added.map(drop).map_err(|_| refused)
    }

    /// Whether the file, of `size` bytes, may be written up to `end`. `EPERM`.
    pub fn check_write(&self, size: u64, end: u64) -> Result<()> {
        let seals = self.get();
        let grows = end > size && seals & F_SEAL_GROW != 0;
        match grows || seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE) != 0 {
            true => Err(Errno::EPERM),
            false => Ok(()),
        }
    }

    /// Whether its size may change. `EPERM`.
    pub fn check_resize(&self, from: u64, to: u64) -> Result<()> {
        let seals = self.get();
        match to < from && seals & F_SEAL_SHRINK != 0 || to > from && seals & F_SEAL_GROW != 0 {
            true => Err(Errno::EPERM),
            false => Ok(()),
        }
    }

    fn map(&self) -> Result<()> {
        let more = |state: u64| {
            let sealed = state as u32 & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE) != 0;
            (!sealed).then(|| state.checked_add(MAPPING)).flatten()
        };
        let mapped = self.0.fetch_update(Relaxed, Relaxed, more);
        mapped.map(drop).map_err(|_| Errno::EPERM)
    }

    fn unmap(&self) {
        self.0.fetch_sub(MAPPING, Relaxed);
    }
}

impl Default for Seals {
    fn default() -> Self {
        Seals::new()
    }
}

/// A shared mapping that can write a file, for as long as this is there.
pub struct WritableMapping(Option<Arc<dyn Inode>>);

impl WritableMapping {
    /// # Errors
    /// `EPERM` for a file that is sealed against it; `ENODEV` where there is no such
    /// mapping.
    pub fn new(inode: &Arc<dyn Inode>) -> Result<WritableMapping> {
        match inode.seals() {
            _ if !inode.maps_writable() => Err(Errno::ENODEV),
            Some(seals) => {
                seals.map()?;
                Ok(WritableMapping(Some(inode.clone())))
            }
            None => Ok(WritableMapping(None)),
        }
    }
}

impl Drop for WritableMapping {
    fn drop(&mut self) {
        if let Some(seals) = self.0.as_ref().and_then(|inode| inode.seals()) {
            seals.unmap();
        }
    }
}

impl fmt::Debug for WritableMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WritableMapping({})", self.0.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seals_hold() {
        let seals = Seals::new();
        assert_eq!(seals.add(F_SEAL_GROW), Err(Errno::EPERM));
        seals.allow();
        assert_eq!(seals.add(1 << 20), Err(Errno::EINVAL));
        seals.map().unwrap();
        assert_eq!(seals.add(F_SEAL_WRITE), Err(Errno::EBUSY));
        seals.add(F_SEAL_GROW).unwrap();
        assert_eq!(seals.check_write(10, 11), Err(Errno::EPERM));
        assert_eq!(seals.check_write(10, 10), Ok(()));
        assert_eq!(seals.check_resize(10, 11), Err(Errno::EPERM));
        assert_eq!(seals.check_resize(10, 9), Ok(()));
        seals.unmap();
        seals.add(F_SEAL_WRITE | F_SEAL_SHRINK).unwrap();
        assert_eq!(seals.map(), Err(Errno::EPERM));
        assert_eq!(seals.check_write(10, 5), Err(Errno::EPERM));
        assert_eq!(seals.check_resize(10, 9), Err(Errno::EPERM));
        seals.add(F_SEAL_SEAL).unwrap();
        assert_eq!(seals.add(F_SEAL_GROW), Err(Errno::EPERM));
        assert_eq!(seals.get(), 15);
    }
}
