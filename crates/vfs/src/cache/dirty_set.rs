//! [`DirtySet`]: which pages of a file are to be written.

use alloc::collections::BTreeMap;

/// Pages that one word stands for.
const WORD: u64 = u64::BITS as u64;

/// A set of page numbers. All it does costs what there is of dirty pages near by, however
/// many clean ones the file has.
#[derive(Debug, Default)]
pub(super) struct DirtySet {
    /// A bit for each page; never a word without bits.
    words: BTreeMap<u64, u64>,
}

impl DirtySet {
    pub const fn new() -> DirtySet {
        DirtySet {
            words: BTreeMap::new(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    pub fn contains(&self, page: u64) -> bool {
        let word = self.words.get(&(page / WORD));
        word.is_some_and(|word| word >> (page % WORD) & 1 != 0)
    }

    /// Whether it was not there before.
    pub fn insert(&mut self, page: u64) -> bool {
        let word = self.words.entry(page / WORD).or_default();
        let before = core::mem::replace(word, *word | 1 << (page % WORD));
        before != *word
    }

    /// Whether it was there.
    pub fn remove(&mut self, page: u64) -> bool {
        let Some(word) = self.words.get_mut(&(page / WORD)) else {
            return false;
        };
        let before = core::mem::replace(word, *word & !(1 << (page % WORD)));
        let was_there = before != *word;
        if *word == 0 {
            self.words.remove(&(page / WORD));
        }
        was_there
    }

    /// The first page from `from` on.
    pub fn next(&self, from: u64) -> Option<u64> {
        let first = from / WORD;
        self.words.range(first..).find_map(|(&at, &word)| {
            let skipped = if at == first { from % WORD } else { 0 };
            let left = word >> skipped << skipped;
            (left != 0).then(|| at * WORD + u64::from(left.trailing_zeros()))
        })
    }

    /// Takes all pages from `first` on out; how many there were.
    pub fn cut(&mut self, first: u64) -> usize {
        let mut gone = self.words.split_off(&(first / WORD));
        if let Some(word) = gone.get_mut(&(first / WORD)) {
            let kept = *word & ((1 << (first % WORD)) - 1);
            *word &= !kept;
            if kept != 0 {
                *self.words.entry(first / WORD).or_default() = kept;
            }
        }
        gone.values().map(|word| word.count_ones() as usize).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use proptest::prelude::*;

    proptest! {
        /// It does what a set of numbers does.
        #[test]
        fn is_a_set(steps in proptest::collection::vec((0u8..5, 0u64..400), 1..200)) {
            let (mut set, mut model) = (DirtySet::new(), BTreeSet::new());
            for (what, page) in steps {
                match what {
                    0 | 1 => prop_assert_eq!(set.insert(page), model.insert(page)),
                    2 => prop_assert_eq!(set.remove(page), model.remove(&page)),
                    3 => prop_assert_eq!(set.next(page), model.range(page..).next().copied()),
                    _ if page % 4 == 0 => {
                        prop_assert_eq!(set.cut(page), model.split_off(&page).len());
                    }
                    _ => prop_assert_eq!(set.contains(page), model.contains(&page)),
                }
                prop_assert_eq!(set.is_empty(), model.is_empty());
                prop_assert!(set.words.values().all(|word| *word != 0));
            }
        }
    }
}
