//! mlock(2) and mincore(2).
//!
//! Nothing that is present is ever taken away behind a program's back, so that
//! to lock pages is to have them present, and to count them.

use super::AddressSpace;
use crate::address::{PAGE_SIZE, PageRange, page_of};
use crate::hardware::Hardware;
use crate::vma::Backing;
use paddock_abi::{Errno, Result};

/// The pages that hold `length` bytes at `address`; `None` for no bytes.
/// `EINVAL` if they cannot be.
fn pages_of(address: u64, length: u64) -> Result<Option<PageRange>> {
    if length == 0 {
        return Ok(None);
    }
    let start = page_of(address);
    let end = address
        .checked_add(length)
        .and_then(|end| end.checked_next_multiple_of(PAGE_SIZE))
        .ok_or(Errno::EINVAL)?;
    PageRange::new(start, end - start)
        .ok_or(Errno::ENOMEM)
        .map(Some)
}

impl<H: Hardware> AddressSpace<H> {
    /// Locks the pages that hold a range, or no longer does; the caller then
    /// has them brought in. With `limit` bytes locked in all it fails.
    ///
    /// # Errors
    /// `ENOMEM` for unmapped pages, and beyond the limit; `EINVAL`.
    pub fn set_locked(
        &mut self,
        address: u64,
        length: u64,
        locked: bool,
        limit: u64,
    ) -> Result<Option<PageRange>> {
        let Some(range) = pages_of(address, length)? else {
            return Ok(None);
        };
        if locked {
            self.check_lock_limit(range.pages() - self.locked_in(range), limit)?;
        }
        for index in self.areas.isolate(range)? {
            self.set_area_locked(index, locked);
        }
        let whole = self.areas.cover(range);
        self.areas.merge(range);
        match whole {
            true => Ok(Some(range)),
            false => Err(Errno::ENOMEM),
        }
    }

    /// The same for all areas there are.
    ///
    /// # Errors
    /// `ENOMEM` beyond the limit.
    pub fn set_all_locked(&mut self, locked: bool, limit: u64) -> Result<()> {
        if locked {
            let held = self.counters();
            self.check_lock_limit(held.mapped - held.locked, limit)?;
        }
        for index in 0..self.areas.as_slice().len() {
            self.set_area_locked(index, locked);
        }
        Ok(())
    }

    /// Whether what is mapped from now on is locked (`MCL_FUTURE`).
    pub fn set_lock_future(&mut self, lock: bool) {
        self.lock_future = lock;
    }

    /// See [`set_lock_future`](Self::set_lock_future).
    pub fn lock_future(&self) -> bool {
        self.lock_future
    }

    /// The first area that ends after an address.
    pub fn range_after(&self, address: u64) -> Option<PageRange> {
        let areas = self.areas.as_slice();
        let next = areas.iter().find(|area| area.range.end() > address);
        next.map(|area| area.range)
    }

    /// Whether `pages` more may be locked. `ENOMEM`.
    pub(super) fn check_lock_limit(&self, pages: u64, limit: u64) -> Result<()> {
        match (self.counters().locked + pages).checked_mul(PAGE_SIZE) {
            Some(bytes) if bytes <= limit => Ok(()),
            _ => Err(Errno::ENOMEM),
        }
    }

    fn locked_in(&self, range: PageRange) -> u64 {
        let areas = &self.areas.as_slice()[self.areas.overlapping(range)];
        let locked = areas.iter().filter(|area| area.locked);
        let parts = locked.filter_map(|area| area.range.intersect(&range));
        parts.map(|part| part.pages()).sum()
    }

    fn set_area_locked(&mut self, index: usize, locked: bool) {
        let Some(area) = self.areas.get_mut(index) else {
            return;
        };
        self.tables.counts().area_went(area);
        area.locked = locked;
        self.tables.counts().area_came(area);
    }

    /// Whether each page of a range is at hand: 1 or 0 in the low bit of its
    /// byte of `out`.
    ///
    /// # Errors
    /// `EINVAL` for an address within a page; `ENOMEM` for unmapped pages.
    pub fn residency(&self, address: u64, out: &mut [u8]) -> Result<()> {
        if !address.is_multiple_of(PAGE_SIZE) {
            return Err(Errno::EINVAL);
        }
        for (byte, index) in out.iter_mut().zip(0u64..) {
            let page = address
                .checked_add(index * PAGE_SIZE)
                .ok_or(Errno::ENOMEM)?;
            let range = PageRange::new(page, PAGE_SIZE).ok_or(Errno::ENOMEM)?;
            let area = self.areas.as_slice()[self.areas.overlapping(range)].first();
            let area = area.ok_or(Errno::ENOMEM)?;
            let is_cached = || match &area.backing {
                Backing::Source { source, .. } => source.cached(area.index_of(page)).is_some(),
                Backing::Anonymous => false,
            };
            *byte = u8::from(self.tables.get(page).is_held() || is_cached());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::fake::{self, Fake};
    use crate::tests::new_space;
    use crate::{AddressSpace, MapRequest, PAGE_SIZE, PageRange};
    use paddock_abi::Errno;
    use paddock_abi::mman::{MapFlags, Prot};

    const BASE: u64 = 0x10_0000;

    /// A space with so many private pages at [`BASE`].
    fn space(pages: u64) -> AddressSpace<Fake> {
        fake::reset(64);
        let mut space = new_space();
        let request = MapRequest {
            address: BASE,
            length: pages * PAGE_SIZE,
            prot: Prot::READ | Prot::WRITE,
            flags: MapFlags::PRIVATE | MapFlags::FIXED,
            source: None,
            may: Prot::all(),
        };
        space.map(&request).unwrap();
        space
    }

    #[test]
    fn what_is_locked_is_counted_once_and_within_the_limit() {
        let mut space = space(8);
        let page = |index: u64| BASE + index * PAGE_SIZE;
        let limit = 6 * PAGE_SIZE;
        let locked = space.set_locked(page(0) + 5, 2 * PAGE_SIZE, true, limit);
        assert_eq!(locked, Ok(PageRange::new(BASE, 3 * PAGE_SIZE)));
        assert_eq!(space.counters().locked, 3);
        assert!(
            space
                .set_locked(page(2), 4 * PAGE_SIZE, true, limit)
                .is_ok()
        );
        assert_eq!(space.counters().locked, 6);
        assert_eq!(
            space.set_locked(page(6), 1, true, limit),
            Err(Errno::ENOMEM)
        );
        assert_eq!(
            space.set_locked(page(7), 2 * PAGE_SIZE, true, u64::MAX),
            Err(Errno::ENOMEM)
        );
        space.unmap(page(0), 2 * PAGE_SIZE).unwrap();
        assert!(space.set_locked(page(3), PAGE_SIZE, false, 0).is_ok());
        assert_eq!(space.counters().locked, 4);
        assert_eq!(space.fork().unwrap().counters().locked, 0);
        space.set_all_locked(false, 0).unwrap();
        assert_eq!(space.counters().locked, 0);
        assert_eq!(space.set_all_locked(true, PAGE_SIZE), Err(Errno::ENOMEM));
    }

    #[test]
    fn untouched_pages_are_not_at_hand() {
        let mut space = space(3);
        space.write_bytes(BASE + PAGE_SIZE, &[1]).unwrap();
        let mut pages = [9; 3];
        space.residency(BASE, &mut pages).unwrap();
        assert_eq!(pages, [0, 1, 0]);
        assert_eq!(space.residency(BASE + 1, &mut pages), Err(Errno::EINVAL));
        assert_eq!(space.residency(BASE, &mut [0; 4]), Err(Errno::ENOMEM));
    }
}
