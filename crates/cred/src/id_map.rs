//! The maps of a user namespace: which ids of its own stand for which of the kernel's
//! (user_namespaces(7), "User and group ID mappings").

use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_sync::try_copy;

/// The most lines of a map.
pub const EXTENTS_MAX: usize = 340;
/// What is shown for an id that a namespace has no number for (`overflowuid`, proc(5)).
pub const OVERFLOW_ID: u32 = 65534;
/// What is nobody's id.
const NO_ID: u32 = u32::MAX;

/// Ids that follow one another, and those that they stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The first one in the namespace.
    pub first: u32,
    /// What that stands for outside: of the parent as it was written, of the kernel in a
    /// map that is in force.
    pub lower: u32,
    /// How many there are.
    pub count: u32,
}

fn offset(from: u32, count: u32, id: u32) -> Option<u32> {
    id.checked_sub(from).filter(|&offset| offset < count)
}

fn overlap(one: u32, count: u32, other: u32, others: u32) -> bool {
    one < other.saturating_add(others) && other < one.saturating_add(count)
}

impl Extent {
    /// What all ids are in the initial namespace.
    pub const ALL: Extent = Extent {
        first: 0,
        lower: 0,
        count: NO_ID,
    };

    /// A line: three numbers. `EINVAL`, also if there is an id that nobody has.
    fn parse(line: &[u8]) -> Result<Extent> {
        let mut words = line
            .split(|&byte| is_space(byte))
            .filter(|word| !word.is_empty());
        let mut number = || words.next().and_then(number).ok_or(Errno::EINVAL);
        let extent = Extent {
            first: number()?,
            lower: number()?,
            count: number()?,
        };
        let ends = |first: u32| first.checked_add(extent.count).is_some();
        let is_fine = extent.count > 0 && ends(extent.first) && ends(extent.lower);
        match is_fine && words.next().is_none() {
            true => Ok(extent),
            false => Err(Errno::EINVAL),
        }
    }

    fn overlaps(&self, other: &Extent) -> bool {
        overlap(self.first, self.count, other.first, other.count)
            || overlap(self.lower, self.count, other.lower, other.count)
    }
}

fn is_space(byte: u8) -> bool {
    byte == b' ' || (b'\t'..=b'\r').contains(&byte)
}

fn number(word: &[u8]) -> Option<u32> {
    let digits = word.iter().all(u8::is_ascii_digit);
    let text = core::str::from_utf8(word).ok().filter(|_| digits)?;
    text.parse().ok()
}

/// A map in force, or the lines of one to be. Empty, nothing stands for anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdMap {
    /// By `first`.
    inward: Vec<Extent>,
    /// The same by `lower`.
    outward: Vec<Extent>,
}

impl IdMap {
    /// The lines that a program writes, with the parent's ids.
    ///
    /// # Errors
    /// `EINVAL` for what are not one to [`EXTENTS_MAX`] lines of three numbers, and for
    /// ids that are there twice; `ENOMEM`.
    pub fn parse(text: &[u8]) -> Result<IdMap> {
        // What a C program takes for the end of the text is the end of a line.
        let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let mut extents: Vec<Extent> = Vec::new();
        for line in text.split(|&byte| byte == b'\n') {
            let extent = Extent::parse(line)?;
            let is_taken = extents.iter().any(|other| other.overlaps(&extent));
            if is_taken || extents.len() == EXTENTS_MAX {
                return Err(Errno::EINVAL);
            }
            extents.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            extents.push(extent);
        }
        IdMap::of(extents)
    }

    /// Of extents that do not overlap. `ENOMEM`.
    fn of(mut extents: Vec<Extent>) -> Result<IdMap> {
        let mut outward = try_copy(&extents)?;
        extents.sort_unstable_by_key(|extent| extent.first);
        outward.sort_unstable_by_key(|extent| extent.lower);
        let inward = extents;
        Ok(IdMap { inward, outward })
    }

    /// Its extents, by their first ids.
    pub fn extents(&self) -> &[Extent] {
        &self.inward
    }

    /// What an id of the namespace stands for.
    pub fn lower(&self, id: u32) -> Option<u32> {
        let index = self.inward.partition_point(|extent| extent.first <= id);
        let extent = self.inward.get(index.checked_sub(1)?)?;
        Some(extent.lower + offset(extent.first, extent.count, id)?)
    }

    /// The id of the namespace that stands for another.
    pub fn upper(&self, lower: u32) -> Option<u32> {
        let index = self.outward.partition_point(|extent| extent.lower <= lower);
        let extent = self.outward.get(index.checked_sub(1)?)?;
        Some(extent.first + offset(extent.lower, extent.count, lower)?)
    }

    /// What the first of so many ids stands for, if one extent has them all.
    pub fn lower_range(&self, first: u32, count: u32) -> Option<u32> {
        let index = self.inward.partition_point(|extent| extent.first <= first);
        let extent = self.inward.get(index.checked_sub(1)?)?;
        let offset = offset(extent.first, extent.count, first)?;
        (count <= extent.count - offset).then_some(extent.lower + offset)
    }

    /// The same where what its ids stand for is looked up, range by range. `EPERM` for
    /// ranges that stand for nothing, `ENOMEM`.
    pub fn resolved(&self, look_up: impl Fn(u32, u32) -> Option<u32>) -> Result<IdMap> {
        let mut extents = Vec::new();
        let room = extents.try_reserve_exact(self.inward.len());
        room.map_err(|_| Errno::ENOMEM)?;
        for extent in &self.inward {
            let lower = look_up(extent.lower, extent.count).ok_or(Errno::EPERM)?;
            extents.push(Extent { lower, ..*extent });
        }
        IdMap::of(extents)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn map(text: &str) -> Result<IdMap> {
        IdMap::parse(text.as_bytes())
    }

    #[test]
    fn lines_are_three_numbers() {
        let both = map("  0 1000 1\n1\t100000 65536\n").unwrap();
        assert_eq!(both.extents().len(), 2);
        assert_eq!((both.lower(0), both.lower(1)), (Some(1000), Some(100_000)));
        assert_eq!(both.lower(65536), Some(165_535));
        assert_eq!((both.lower(65537), both.upper(0)), (None, None));
        assert_eq!(both.upper(165_535), Some(65536));
        for wrong in [
            "",
            "\n",
            "0 0",
            "0 0 0",
            "0 0 1 2",
            "0 0 x",
            "-1 0 1",
            "0 0 1\n\n",
            "4294967295 0 1",
            "0 4294967295 1",
            "0 0 4294967296",
            "1 0 4294967295",
            "0 0 1\n0 5 1",
            "0 5 1\n1 5 1",
        ] {
            assert_eq!(map(wrong), Err(Errno::EINVAL), "{wrong:?}");
        }
        assert_eq!(map("0 0 4294967295").unwrap().extents(), [Extent::ALL]);
    }

    #[test]
    fn there_is_an_end_to_lines() {
        let lines = |count: usize| -> String {
            (0..count)
                .map(|id| format!("{id} {} 1\n", 1000 + id))
                .collect()
        };
        assert_eq!(
            map(&lines(EXTENTS_MAX)).unwrap().extents().len(),
            EXTENTS_MAX
        );
        assert_eq!(map(&lines(EXTENTS_MAX + 1)), Err(Errno::EINVAL));
    }

    /// Extents that do not overlap, on either side, in any order.
    fn extents() -> impl Strategy<Value = Vec<Extent>> {
        let parts = prop::collection::vec((0..50u32, 0..50u32, 1..60u32), 1..30);
        parts.prop_perturb(|parts, mut random| {
            let (mut first, mut lower) = (0, 100_000);
            let mut all: Vec<Extent> = Vec::new();
            for (gap, other, count) in parts {
                all.push(Extent {
                    first: first + gap,
                    lower: lower + other,
                    count,
                });
                first += gap + count;
                lower += other + count;
            }
            // What stands for what is shuffled among those of a length.
            for index in 0..all.len() {
                let other = random.random_range(0..all.len());
                if all[index].count == all[other].count {
                    let swapped = all[index].lower;
                    all[index].lower = all[other].lower;
                    all[other].lower = swapped;
                }
                let other = random.random_range(0..all.len());
                all.swap(index, other);
            }
            all
        })
    }

    fn text(extents: &[Extent]) -> String {
        let line = |one: &Extent| format!("{} {} {}\n", one.first, one.lower, one.count);
        extents.iter().map(line).collect()
    }

    proptest! {
        #[test]
        fn both_directions_agree(extents in extents(), ids in prop::collection::vec(0..4000u32, 50)) {
            let map = map(&text(&extents)).unwrap();
            for id in ids {
                let plain = extents.iter().find(|one| one.first <= id && id - one.first < one.count);
                let lower = plain.map(|one| one.lower + (id - one.first));
                prop_assert_eq!(map.lower(id), lower);
                prop_assert_eq!(lower.and_then(|lower| map.upper(lower)), lower.map(|_| id));
                let lower = id + 100_000;
                let back = map.upper(lower);
                let plain = extents.iter().find(|one| one.lower <= lower && lower - one.lower < one.count);
                prop_assert_eq!(back.is_some(), plain.is_some());
                prop_assert_eq!(back.and_then(|id| map.lower(id)), back.map(|_| lower));
            }
        }

        #[test]
        fn ranges_are_of_one_extent(extents in extents(), first in 0..3000u32, count in 1..80u32) {
            let map = map(&text(&extents)).unwrap();
            let plain = extents.iter().find(|one| {
                one.first <= first && u64::from(first) + u64::from(count) <= u64::from(one.first) + u64::from(one.count)
            });
            prop_assert_eq!(map.lower_range(first, count), plain.map(|one| one.lower + (first - one.first)));
        }

        #[test]
        fn whatever_is_written_is_refused_or_consistent(bytes in "[0-9 \\n\\t\\x00a-]{0,40}") {
            if let Ok(map) = map(&bytes) {
                prop_assert!(!map.extents().is_empty());
                for extent in map.extents() {
                    prop_assert_eq!(map.lower(extent.first), Some(extent.lower));
                    prop_assert_eq!(map.upper(extent.lower), Some(extent.first));
                }
            }
        }

        #[test]
        fn what_overlaps_is_refused(mut extents in extents(), at in 0..30usize, outside in any::<bool>()) {
            let one = extents[at % extents.len()];
            let again = match outside {
                true => Extent { first: 1_000_000, lower: one.lower + one.count - 1, count: 2 },
                false => Extent { first: one.first + one.count - 1, lower: 1_000_000, count: 2 },
            };
            extents.push(again);
            prop_assert_eq!(map(&text(&extents)), Err(Errno::EINVAL));
        }
    }
}
