//! Addresses and ranges of pages.

/// Bytes of a page.
pub const PAGE_SIZE: u64 = 4096;
/// The lowest address a user may map: page 0 is never there.
pub const USER_MIN: u64 = 0x1000;
/// The end of the user half: 48 bits.
pub const USER_END: u64 = 1 << 48;

/// A physical address. Virtual addresses are plain `u64`, so that the two
/// cannot be mixed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhysAddr(pub u64);

/// A range of whole pages in the user half, not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRange {
    start: u64,
    end: u64,
}

impl PageRange {
    /// The pages of `[start, start + length)`: `start` is page-aligned, and
    /// the length is rounded up to whole pages. `None` if it is not aligned,
    /// empty, or outside the user half.
    pub fn new(start: u64, length: u64) -> Option<Self> {
        let length = length.checked_next_multiple_of(PAGE_SIZE)?;
        let end = start.checked_add(length)?;
        let good =
            start.is_multiple_of(PAGE_SIZE) && length != 0 && start >= USER_MIN && end <= USER_END;
        good.then_some(PageRange { start, end })
    }

    /// A range of which the caller knows that it is one: for parts of others.
    pub(crate) const fn of(start: u64, end: u64) -> Self {
        PageRange { start, end }
    }

    /// First byte.
    pub const fn start(&self) -> u64 {
        self.start
    }

    /// One past the last byte.
    pub const fn end(&self) -> u64 {
        self.end
    }

    /// Bytes.
    #[allow(clippy::len_without_is_empty, reason = "a range is never empty")]
    pub const fn len(&self) -> u64 {
        self.end - self.start
    }

    /// Number of pages.
    pub const fn pages(&self) -> u64 {
        self.len() / PAGE_SIZE
    }

    /// What the two have in common.
    pub fn intersect(&self, other: &PageRange) -> Option<PageRange> {
        let (start, end) = (self.start.max(other.start), self.end.min(other.end));
        (start < end).then_some(PageRange { start, end })
    }

    /// Whether `address` lies inside.
    pub const fn contains(&self, address: u64) -> bool {
        self.start <= address && address < self.end
    }
}

/// Whether `[address, address + length)` lies in the user half and above page
/// 0. An empty range is fine anywhere in the user half.
pub const fn user_range_ok(address: u64, length: u64) -> bool {
    match address.checked_add(length) {
        Some(end) => end <= USER_END && (length == 0 || address >= USER_MIN),
        None => false,
    }
}

/// The start of the page that holds `address`.
pub(crate) const fn page_of(address: u64) -> u64 {
    address & !(PAGE_SIZE - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_outside_the_user_half_are_refused() {
        assert!(PageRange::new(0, 4096).is_none());
        assert!(PageRange::new(0x1001, 4096).is_none());
        assert!(PageRange::new(0x1000, 0).is_none());
        assert!(PageRange::new(0x1000, u64::MAX).is_none());
        assert!(PageRange::new(USER_END - 4096, 4097).is_none());
        assert_eq!(PageRange::new(USER_END - 4096, 1).unwrap().pages(), 1);
    }

    #[test]
    fn user_ranges() {
        assert!(user_range_ok(0x1000, 10));
        assert!(user_range_ok(0, 0));
        assert!(!user_range_ok(0, 1));
        assert!(!user_range_ok(USER_END - 1, 2));
        assert!(!user_range_ok(u64::MAX, 1));
        assert!(!user_range_ok(0xffff_0000_0000_0000, 0x1_0000_0000_0000));
    }
}
