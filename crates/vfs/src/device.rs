//! Block devices, as filesystems see them.

use crate::{Errno, PAGE_SIZE, PageRef, Result};
use alloc::vec::Vec;

/// A disk. All calls are of whole blocks, may sleep, and are complete when
/// they return; only [`flush`](BlockDevice::flush) makes writes durable.
pub trait BlockDevice: Send + Sync {
    /// What it is called in messages.
    fn name(&self) -> &str {
        "disk"
    }

    /// Bytes in a block: a power of two, usually 512.
    fn block_size(&self) -> usize;

    /// The number of blocks.
    fn blocks(&self) -> u64;

    /// Reads `buf.len() / block_size` blocks from `block` on. `EIO` if the
    /// device fails or the range lies outside it.
    fn read(&self, block: u64, buf: &mut [u8]) -> Result<()>;

    /// Fills `pages`, which nobody else uses, from `block` on. `EIO` as of
    /// [`read`](BlockDevice::read); `ENOMEM`.
    fn read_pages(&self, block: u64, pages: &[PageRef]) -> Result<()> {
        let mut bytes = Vec::new();
        bytes
            .try_reserve_exact(PAGE_SIZE)
            .map_err(|_| Errno::ENOMEM)?;
        bytes.resize(PAGE_SIZE, 0);
        let in_page = (PAGE_SIZE / self.block_size()) as u64;
        for (at, page) in (0..).zip(pages) {
            self.read(block + at * in_page, &mut bytes)?;
            page.write(0, &bytes);
        }
        Ok(())
    }

    /// Writes `buf.len() / block_size` blocks from `block` on. `EROFS` on a
    /// read-only device.
    fn write(&self, block: u64, buf: &[u8]) -> Result<()>;

    /// Returns when all completed writes would survive a loss of power.
    fn flush(&self) -> Result<()>;
}
