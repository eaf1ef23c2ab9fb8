//! Ranges of physical memory, and what is left of them.

const PAGE: u64 = 4096;

/// A range of physical addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// First byte.
    pub base: u64,
    /// Bytes.
    pub size: u64,
}

impl Region {
    /// The address after the last byte; saturates at the top.
    pub const fn end(&self) -> u64 {
        self.base.saturating_add(self.size)
    }

    /// Whether the two share a byte.
    pub const fn overlaps(&self, other: &Region) -> bool {
        self.base < other.end() && other.base < self.end()
    }

    /// The whole pages inside.
    const fn pages(&self) -> (u64, u64) {
        let start = self.base.checked_next_multiple_of(PAGE);
        let end = self.end() & !(PAGE - 1);
        match start {
            Some(start) if start < end => (start, end),
            _ => (0, 0),
        }
    }
}

/// The pages of `memory` that no region of `reserved` touches.
///
/// Works by one moving address, so that it needs no storage: each step finds
/// the lowest free page at or above it.
#[derive(Clone, Debug)]
pub struct FreeRegions<'a> {
    memory: &'a [Region],
    reserved: &'a [Region],
    at: u64,
}

impl<'a> FreeRegions<'a> {
    pub(crate) fn new(memory: &'a [Region], reserved: &'a [Region]) -> Self {
        FreeRegions {
            memory,
            reserved,
            at: 0,
        }
    }

    /// The lowest address at or above `self.at` inside memory, and the end of
    /// its region.
    fn next_memory(&self) -> Option<(u64, u64)> {
        self.memory
            .iter()
            .map(Region::pages)
            .filter(|&(start, end)| start < end && end > self.at)
            .map(|(start, end)| (start.max(self.at), end))
            .min()
    }

    /// The end (rounded to pages) of a reserved region that covers a byte of
    /// the page at `address`.
    fn reserved_end(&self, address: u64) -> Option<u64> {
        self.reserved
            .iter()
            .filter(|region| {
                region.overlaps(&Region {
                    base: address,
                    size: PAGE,
                })
            })
            .map(|region| {
                region
                    .end()
                    .checked_next_multiple_of(PAGE)
                    .unwrap_or(u64::MAX)
            })
            .max()
    }

    /// The first reserved page above `address`.
    fn next_reserved(&self, address: u64) -> u64 {
        self.reserved
            .iter()
            .filter(|region| region.size > 0 && region.base > address)
            .map(|region| region.base & !(PAGE - 1))
            .min()
            .unwrap_or(u64::MAX)
    }
}

impl Iterator for FreeRegions<'_> {
    type Item = Region;

    fn next(&mut self) -> Option<Region> {
        loop {
            let (start, end) = self.next_memory()?;
            if let Some(after) = self.reserved_end(start) {
                self.at = after;
                continue;
            }
            let end = end.min(self.next_reserved(start));
            self.at = end;
            return Some(Region {
                base: start,
                size: end - start,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(base: u64, size: u64) -> Region {
        Region { base, size }
    }

    fn free(memory: &[Region], reserved: &[Region]) -> std::vec::Vec<Region> {
        FreeRegions::new(memory, reserved).collect()
    }

    #[test]
    fn nothing_reserved_leaves_whole_pages() {
        assert_eq!(
            free(&[region(0x1800, 0x3000)], &[]),
            [region(0x2000, 0x2000)]
        );
        assert_eq!(free(&[region(0x1800, 0x900)], &[]), []);
    }

    #[test]
    fn holes_are_rounded_outwards() {
        let left = free(
            &[region(0, 0x10000)],
            &[region(0x3fff, 2), region(0x8000, 1)],
        );
        assert_eq!(
            left,
            [
                region(0, 0x3000),
                region(0x5000, 0x3000),
                region(0x9000, 0x7000)
            ]
        );
    }

    #[test]
    fn overlapping_reservations_and_unsorted_memory() {
        let memory = [region(0x20000, 0x4000), region(0, 0x4000)];
        let reserved = [
            region(0x1000, 0x1000),
            region(0x1000, 0x2000),
            region(0, 0x1000),
            region(0x20000, 0x4000),
        ];
        assert_eq!(free(&memory, &reserved), [region(0x3000, 0x1000)]);
    }

    #[test]
    fn overlapping_memory_is_given_once() {
        let memory = [region(0, 0x4000), region(0x2000, 0x4000)];
        assert_eq!(
            free(&memory, &[]),
            [region(0, 0x4000), region(0x4000, 0x2000)]
        );
    }

    #[test]
    fn the_top_of_the_address_space_does_not_overflow() {
        let memory = [region(u64::MAX - 0x1fff, 0x2000)];
        let reserved = [region(u64::MAX - 0xfff, u64::MAX)];
        for found in free(&memory, &reserved) {
            assert!(found.end() <= u64::MAX - 0xfff);
        }
    }
}
