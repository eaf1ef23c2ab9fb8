//! [`LeafNames`]: where the names of a block of entries are, for one that is searched
//! again and again.

use super::entry::{Entry, Scan, entries, entry_len};
use alloc::boxed::Box;
use paddock_sync::try_box;
use paddock_vfs::{Errno, Result};

/// Places of the table. The largest block has 341 entries.
const SLOTS: usize = 512;
/// How many may be taken, or have been, before it is of no use.
const MOST_TAKEN: usize = SLOTS / 4 * 3;
/// How often a block is searched before it is worth a table.
const SEARCHES: u8 = 3;

/// A place that was never taken; one whose entry is gone. All others are four bytes'
/// number in the block, and 2.
const EMPTY: u16 = 0;
const GONE: u16 = 1;

/// A table of one block's names, by a hash of their own. What it says is looked up in the
/// block: it has every name there, in the order of the entries.
pub(crate) struct LeafNames {
    slots: [u16; SLOTS],
    /// How many are not empty.
    taken: usize,
    /// An entry that had room to spare.
    gap: usize,
    /// No entry has room for so many bytes.
    too_much: usize,
}

/// What is known of a block of entries besides its content.
#[derive(Default)]
pub(crate) struct Searched {
    count: u8,
    names: Option<Box<LeafNames>>,
}

impl Searched {
    /// As [`scan`](super::scan), with a table if there is one or it is time for one.
    pub fn search(&mut self, block: &[u8], usable: usize, name: &[u8]) -> Result<Scan> {
        match &mut self.names {
            Some(names) => {
                let found = names.search(block, usable, name)?;
                #[cfg(test)]
                check_against_scan(block, usable, name, &found);
                Ok(found)
            }
            None => {
                self.count += 1;
                if self.count == SEARCHES {
                    self.count = 0;
                    // Without memory or with a damaged block there is none.
                    self.names = LeafNames::of(block).ok();
                }
                super::scan(block, usable, name)
            }
        }
    }

    /// The entry at `at` has that name from now on, and the room that is left.
    pub fn add(&mut self, name: &[u8], at: usize) {
        if self
            .names
            .as_mut()
            .is_some_and(|names| !names.add(name, at))
        {
            self.names = None;
        }
    }

    /// The entry at `at` has lost its name, and its room is the entry's at `gap`.
    pub fn remove(&mut self, name: &[u8], at: usize, gap: usize) {
        if let Some(names) = &mut self.names {
            names.remove(name, at, gap);
        }
    }
}

impl LeafNames {
    /// `EUCLEAN`, `ENOMEM`.
    fn of(block: &[u8]) -> Result<Box<LeafNames>> {
        let mut names = try_box(LeafNames {
            slots: [EMPTY; SLOTS],
            taken: 0,
            gap: 0,
            too_much: usize::MAX,
        })?;
        for entry in entries(block) {
            let entry = entry?;
            if entry.ino != 0 && !names.add(entry.name(block), entry.at) {
                return Err(Errno::EUCLEAN);
            }
        }
        Ok(names)
    }

    /// Whether there was room.
    fn add(&mut self, name: &[u8], at: usize) -> bool {
        if self.taken >= MOST_TAKEN {
            return false;
        }
        let mut slot = hash(name);
        while self.slots[slot] != EMPTY {
            slot = (slot + 1) % SLOTS;
        }
        self.slots[slot] = number(at);
        self.taken += 1;
        self.gap = at;
        true
    }

    fn remove(&mut self, name: &[u8], at: usize, gap: usize) {
        let mut slot = hash(name);
        while self.slots[slot] != EMPTY {
            if self.slots[slot] == number(at) {
                self.slots[slot] = GONE;
                break;
            }
            slot = (slot + 1) % SLOTS;
        }
        self.gap = gap;
        self.too_much = usize::MAX;
    }

    fn search(&mut self, block: &[u8], usable: usize, name: &[u8]) -> Result<Scan> {
        if let Some(entry) = self.find(block, name)? {
            return Ok(Scan {
                named: Some(entry),
                gap: None,
            });
        }
        Ok(Scan {
            named: None,
            gap: self.room(block, usable, entry_len(name.len()))?,
        })
    }

    fn find(&self, block: &[u8], name: &[u8]) -> Result<Option<Entry>> {
        let mut slot = hash(name);
        loop {
            match self.slots[slot] {
                EMPTY => return Ok(None),
                GONE => {}
                number => {
                    let entry = Entry::parse(block, usize::from(number - 2) * 4)?;
                    if entry.name(block) == name {
                        return Ok(Some(entry));
                    }
                }
            }
            slot = (slot + 1) % SLOTS;
        }
    }

    /// An entry in the first `usable` bytes that has `needed` bytes to spare.
    fn room(&mut self, block: &[u8], usable: usize, needed: usize) -> Result<Option<Entry>> {
        if needed >= self.too_much {
            return Ok(None);
        }
        let fits = |entry: &Entry| entry.at + entry.len <= usable;
        let has_room = |entry: &Entry| fits(entry) && entry.room() >= needed;
        let here = Entry::parse(block, self.gap)?;
        if has_room(&here) {
            return Ok(Some(here));
        }
        for entry in entries(block) {
            let entry = entry?;
            if has_room(&entry) {
                self.gap = entry.at;
                return Ok(Some(entry));
            }
        }
        self.too_much = needed;
        Ok(None)
    }
}

/// How an entry's place is kept.
fn number(at: usize) -> u16 {
    (at / 4) as u16 + 2
}

/// Where a name's places begin. Whoever chooses names can have them collide, which costs
/// what a search without a table does.
fn hash(name: &[u8]) -> usize {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let (words, rest) = name.as_chunks::<8>();
    let mix = |sum: u64, word: u64| (sum ^ word).wrapping_mul(FACTOR).rotate_left(29);
    let sum = words.iter().fold(name.len() as u64, |sum, word| {
        mix(sum, u64::from_le_bytes(*word))
    });
    let last = rest
        .iter()
        .fold(0, |word, byte| word << 8 | u64::from(*byte));
    (mix(sum, last).wrapping_mul(FACTOR) >> (u64::BITS - SLOTS.ilog2())) as usize
}

/// A table says what looking at all entries says.
#[cfg(test)]
fn check_against_scan(block: &[u8], usable: usize, name: &[u8], found: &Scan) {
    let Ok(scan) = super::scan(block, usable, name) else {
        return;
    };
    let at = |entry: &Option<Entry>| entry.map(|entry| entry.at);
    assert_eq!(at(&found.named), at(&scan.named));
    assert_eq!(found.gap.is_some(), scan.gap.is_some());
}

#[cfg(test)]
mod tests {
    use super::super::entry::{NewEntry, entry_before, init_tail};
    use super::*;
    use crate::bytes::{put_u16, put_u32};
    use proptest::prelude::*;

    const BLOCK: usize = 1024;
    const USABLE: usize = BLOCK - super::super::TAIL_LEN;

    /// Takes an entry out as a directory does.
    fn remove(block: &mut [u8], searched: &mut Searched, name: &[u8], entry: Entry) {
        match entry_before(block, entry.at).unwrap() {
            Some(before) => {
                put_u16(block, before.at + 4, (before.len + entry.len) as u16);
                searched.remove(name, entry.at, before.at);
            }
            None => {
                put_u32(block, entry.at, 0);
                searched.remove(name, entry.at, entry.at);
            }
        }
    }

    proptest! {
        /// Names come and go, and each search says what a scan says, which `search`
        /// itself checks.
        #[test]
        fn says_what_a_scan_says(
            steps in proptest::collection::vec((any::<bool>(), 0u32..60, 1usize..40), 1..300),
        ) {
            let mut block = vec![0; BLOCK];
            put_u16(&mut block, 4, USABLE as u16);
            init_tail(&mut block, USABLE);
            let mut searched = Searched::default();
            for (adds, number, padding) in steps {
                let name = format!("{number:0padding$}").into_bytes();
                let scan = searched.search(&block, USABLE, &name).unwrap();
                match (scan.named, scan.gap) {
                    (Some(entry), _) if !adds => remove(&mut block, &mut searched, &name, entry),
                    (None, Some(gap)) if adds => {
                        let entry = NewEntry { ino: number + 1, code: 1, name: &name };
                        entry.write_into(&mut block, &gap);
                        searched.add(&name, gap.at + gap.len - gap.room());
                    }
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn a_damaged_block_has_no_table() {
        let mut searched = Searched::default();
        let block = [0; BLOCK];
        for _ in 0..2 * SEARCHES {
            let scan = searched.search(&block, USABLE, b"name");
            assert!(scan.is_err());
        }
        assert!(searched.names.is_none());
    }
}
