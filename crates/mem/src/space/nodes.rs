//! What mbind(2) has set, and where pages are.

use super::AddressSpace;
use super::change::checked_range;
use crate::{Hardware, PAGE_SIZE, PageRange};
use paddock_abi::{Errno, Result};

impl<H: Hardware> AddressSpace<H> {
    /// Notes a policy for a range, whose length is not zero.
    ///
    /// # Errors
    /// `EINVAL`; `EFAULT` if some of it is not mapped; `ENOMEM`.
    pub fn set_policy(&mut self, address: u64, length: u64, policy: u32) -> Result<()> {
        let range = checked_range(address, length)?;
        if !self.areas.cover(range) {
            return Err(Errno::EFAULT);
        }
        for index in self.areas.isolate(range)? {
            if let Some(area) = self.areas.get_mut(index) {
                area.policy = policy;
            }
        }
        self.areas.merge(range);
        Ok(())
    }

    /// The policy at an address; `None` if nothing is mapped there.
    pub fn policy_at(&self, address: u64) -> Option<u32> {
        let page = PageRange::new(address & !(PAGE_SIZE - 1), PAGE_SIZE)?;
        let found = self.areas.as_slice()[self.areas.overlapping(page)].first();
        found.map(|area| area.policy)
    }

    /// Calls `each` with the policy of each area in a range, whose length is not zero.
    ///
    /// # Errors
    /// `EINVAL`, and those of `each`.
    pub fn each_policy(
        &self,
        address: u64,
        length: u64,
        mut each: impl FnMut(u32) -> Result<()>,
    ) -> Result<()> {
        let range = checked_range(address, length)?;
        let areas = &self.areas.as_slice()[self.areas.overlapping(range)];
        areas.iter().try_for_each(|area| each(area.policy))
    }

    /// Whether the page of an address is in memory and in the tables; `None` if nothing
    /// is mapped there.
    pub fn is_page_held(&self, address: u64) -> Option<bool> {
        let page = address & !(PAGE_SIZE - 1);
        self.policy_at(page)?;
        Some(self.tables.get(page).is_held())
    }
}

#[cfg(test)]
mod tests {
    use crate::fake;
    use crate::tests::new_space;
    use crate::{Access, MapRequest, PAGE_SIZE};
    use paddock_abi::Errno;
    use paddock_abi::mman::{MapFlags, Prot};

    #[test]
    fn policies_are_of_ranges() {
        const BASE: u64 = 0x10_0000;
        fake::reset(64);
        let mut space = new_space();
        let request = MapRequest {
            address: BASE,
            length: 4 * PAGE_SIZE,
            prot: Prot::READ | Prot::WRITE,
            flags: MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::ANONYMOUS,
            source: None,
            may: Prot::all(),
        };
        space.map(&request).unwrap();
        let page = |index: u64| BASE + index * PAGE_SIZE;
        space.set_policy(page(1), 2 * PAGE_SIZE, 7).unwrap();
        let all: [_; 5] = core::array::from_fn(|index| space.policy_at(page(index as u64)));
        assert_eq!(all, [Some(0), Some(7), Some(7), Some(0), None]);
        assert_eq!(space.policy_at(page(1) + 5), Some(7));
        let beyond = space.set_policy(page(3), 2 * PAGE_SIZE, 7);
        assert_eq!(beyond, Err(Errno::EFAULT));
        assert_eq!(space.policy_at(page(3)), Some(0));
        let mut seen = alloc::vec::Vec::new();
        let look = |policy| {
            seen.push(policy);
            Ok(())
        };
        space.each_policy(page(0), 4 * PAGE_SIZE, look).unwrap();
        assert_eq!(seen, [0, 7, 0]);
        assert_eq!(space.is_page_held(page(2)), Some(false));
        space.fault(page(2), Access::Write).unwrap();
        assert_eq!(space.is_page_held(page(2)), Some(true));
        assert_eq!(space.is_page_held(page(4)), None);
        space.set_policy(page(0), 4 * PAGE_SIZE, 0).unwrap();
        assert_eq!(space.policy_at(page(2)), Some(0));
    }
}
