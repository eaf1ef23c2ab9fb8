//! A block device in units of the filesystem's blocks.

use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_vfs::{BlockDevice, Errno, Result};

pub(crate) struct Disk {
    device: Arc<dyn BlockDevice>,
    pub block_size: usize,
    /// Device blocks in a filesystem block.
    ratio: u64,
}

/// A buffer of zeroes. `ENOMEM`.
pub(crate) fn zeroed(len: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| Errno::ENOMEM)?;
    bytes.resize(len, 0);
    Ok(bytes)
}

impl Disk {
    /// `EINVAL` if the device's blocks are larger than the filesystem's.
    pub fn new(device: Arc<dyn BlockDevice>, block_size: usize) -> Result<Disk> {
        let own = device.block_size();
        if own == 0 || !block_size.is_multiple_of(own) {
            return Err(Errno::EINVAL);
        }
        let ratio = (block_size / own) as u64;
        Ok(Disk {
            device,
            block_size,
            ratio,
        })
    }

    fn device_block(&self, block: u64, len: usize) -> Result<u64> {
        let count = (len / self.block_size) as u64 * self.ratio;
        let first = block.checked_mul(self.ratio).ok_or(Errno::EUCLEAN)?;
        let end = first.checked_add(count).ok_or(Errno::EUCLEAN)?;
        match end <= self.device.blocks() {
            true => Ok(first),
            false => Err(Errno::EUCLEAN),
        }
    }

    /// Reads as many whole blocks as `buf` holds.
    pub fn read(&self, block: u64, buf: &mut [u8]) -> Result<()> {
        let first = self.device_block(block, buf.len())?;
        self.device.read(first, buf)
    }

    /// Writes whole blocks.
    pub fn write(&self, block: u64, buf: &[u8]) -> Result<()> {
        let first = self.device_block(block, buf.len())?;
        self.device.write(first, buf)
    }

    pub fn flush(&self) -> Result<()> {
        self.device.flush()
    }
}
