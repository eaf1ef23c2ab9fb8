//! remap_file_pages(2): other pages of a file, in a mapping that shows it.

use super::AddressSpace;
use crate::vma::Backing;
use crate::{Hardware, MapRequest, PAGE_SIZE, PageRange};
use alloc::sync::Arc;
use paddock_abi::mman::MapFlags;
use paddock_abi::{Errno, Result};

impl<H: Hardware> AddressSpace<H> {
    /// Shows the pages of a file from `page` on at `address`, where a shared mapping of
    /// the file is. Parts of pages do not count.
    ///
    /// # Errors
    /// `EINVAL` if there is no such mapping, or for a range that is empty or too long;
    /// `ENOMEM`.
    pub fn remap_pages(&mut self, address: u64, length: u64, page: u64) -> Result<()> {
        let whole = |bytes: u64| bytes & !(PAGE_SIZE - 1);
        let (start, length) = (whole(address), whole(length));
        let range = PageRange::new(start, length).filter(|_| length > 0);
        let range = range.ok_or(Errno::EINVAL)?;
        let offset = page.checked_mul(PAGE_SIZE).ok_or(Errno::EINVAL)?;
        offset.checked_add(length).ok_or(Errno::EINVAL)?;
        let areas = &self.areas.as_slice()[self.areas.overlapping(range)];
        let first = areas.first().ok_or(Errno::EINVAL)?;
        let Backing::Source { source, .. } = &first.backing else {
            return Err(Errno::EINVAL);
        };
        let is_same = areas.iter().all(|area| {
            let same = |other: &Backing<H>| match other {
                Backing::Source { source: other, .. } => Arc::ptr_eq(other, source),
                Backing::Anonymous => false,
            };
            area.shared && area.prot == first.prot && same(&area.backing)
        });
        if !is_same || !self.areas.cover(range) {
            return Err(Errno::EINVAL);
        }
        let mut flags = MapFlags::SHARED | MapFlags::FIXED;
        flags.set(MapFlags::LOCKED, first.locked);
        let request = MapRequest {
            address: start,
            length,
            prot: first.prot,
            flags,
            source: Some((Arc::clone(source), offset)),
            may: first.may,
        };
        self.map(&request).map(drop)
    }
}
