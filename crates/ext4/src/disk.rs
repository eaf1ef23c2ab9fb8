//! A block device in units of the filesystem's blocks.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};
use paddock_vfs::{BlockDevice, Errno, PAGE_SIZE, PageRef, Result};

pub(crate) struct Disk {
    device: Arc<dyn BlockDevice>,
    pub block_size: usize,
    /// Device blocks in a filesystem block.
    ratio: u64,
    /// Failures so far, of which not all are told.
    failures: AtomicU32,
}

/// Failures that are told one by one; then each time their number has doubled.
const TOLD: u32 = 32;

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
            failures: AtomicU32::new(0),
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

    /// Reads as many whole blocks as `buf` holds, which nobody may need: of a failure nothing
    /// is told.
    pub fn try_read(&self, block: u64, buf: &mut [u8]) -> Result<()> {
        self.device.read(self.device_block(block, buf.len())?, buf)
    }

    /// Reads as many whole blocks as `buf` holds.
    pub fn read(&self, block: u64, buf: &mut [u8]) -> Result<()> {
        let first = self.device_block(block, buf.len())?;
        let result = self.device.read(first, buf);
        result.inspect_err(|error| self.failed("read", first, buf.len(), *error))
    }

    /// Fills pages from a block on.
    pub fn read_pages(&self, block: u64, pages: &[PageRef]) -> Result<()> {
        let len = pages.len() * PAGE_SIZE;
        let first = self.device_block(block, len)?;
        let result = self.device.read_pages(first, pages);
        result.inspect_err(|error| self.failed("read", first, len, *error))
    }

    /// Writes whole blocks.
    pub fn write(&self, block: u64, buf: &[u8]) -> Result<()> {
        let first = self.device_block(block, buf.len())?;
        let result = self.device.write(first, buf);
        result.inspect_err(|error| self.failed("write", first, buf.len(), *error))
    }

    pub fn flush(&self) -> Result<()> {
        let result = self.device.flush();
        result.inspect_err(|error| self.report(format_args!("cannot flush its cache: {error}")))
    }

    fn failed(&self, what: &str, first: u64, len: usize, error: Errno) {
        if error == Errno::ENOMEM {
            return;
        }
        let sector = first * self.device.block_size() as u64 / 512;
        let sectors = len / 512;
        self.report(format_args!(
            "cannot {what} {sectors} sectors from {sector}: {error}"
        ));
    }

    /// Tells of a failure, unless there are too many.
    pub fn report(&self, what: fmt::Arguments<'_>) {
        let count = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if count <= TOLD || count.is_power_of_two() {
            log::error!("ext4: {}: {what} (failure {count})", self.device.name());
        }
    }

    /// What the device is called.
    pub fn name(&self) -> &str {
        self.device.name()
    }
}
