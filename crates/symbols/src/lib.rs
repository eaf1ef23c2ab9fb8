//! A table of function names: the host writes it into the linked kernel
//! ([`encode`]), and back-traces look addresses up in it ([`Symbols`])
//! without locks and without memory.
//!
//! Names are written in codes for what they have in common, as kallsyms of
//! Linux does: a code stands for a piece of text of the table's dictionary.
//!
//! The table, in little-endian words of 32 bits: [`MAGIC`], the number of
//! functions, of codes, of the dictionary's bytes, and of the names' bytes;
//! then the functions' addresses as rising offsets from the start of the code;
//! where each one's name begins; where each code's piece ends; then the
//! dictionary and the names. A name is the number of its codes (one byte) and
//! the codes; those below [`SHORT_CODES`] take a byte, the others two.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

#[allow(clippy::disallowed_methods, reason = "runs on the host alone")]
mod dictionary;
#[allow(clippy::disallowed_methods, reason = "runs on the host alone")]
mod encode;

pub use encode::encode;

use core::fmt;

/// The table's first word.
pub const MAGIC: u32 = u32::from_le_bytes(*b"PSYM");

const HEADER: usize = 20;
const WORD: usize = 4;
/// Codes that take one byte.
const SHORT_CODES: usize = 192;
/// A code takes two bytes at most, of which the first tells that it does.
const CODES: usize = SHORT_CODES + (256 - SHORT_CODES) * 256;

/// The table, as it is found in the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Symbols<'a> {
    offsets: &'a [u8],
    places: &'a [u8],
    ends: &'a [u8],
    dictionary: &'a [u8],
    names: &'a [u8],
}

fn word(bytes: &[u8], index: usize) -> Option<u32> {
    let bytes = bytes.get(index * WORD..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

impl<'a> Symbols<'a> {
    /// Finds the table in `bytes`; `None` if nobody has written one. What it
    /// holds is not trusted any further: a damaged table finds nothing.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        if word(bytes, 0)? != MAGIC {
            return None;
        }
        let number = |index| word(bytes, index).map(|number| number as usize);
        let (count, codes) = (number(1)?, number(2)?);
        let (offsets, rest) = bytes.get(HEADER..)?.split_at_checked(count * WORD)?;
        let (places, rest) = rest.split_at_checked(count * WORD)?;
        let (ends, rest) = rest.split_at_checked(codes * WORD)?;
        let (dictionary, rest) = rest.split_at_checked(number(3)?)?;
        Some(Symbols {
            offsets,
            places,
            ends,
            dictionary,
            names: rest.get(..number(4)?)?,
        })
    }

    /// How many functions it knows.
    pub fn len(&self) -> usize {
        self.offsets.len() / WORD
    }

    /// Whether it knows none.
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// The function that the code at `offset` (from the start of the code)
    /// belongs to, and how far into it that is.
    pub fn find(&self, offset: u32) -> Option<(Name<'a>, u32)> {
        let after = self.first_after(offset);
        let index = after.checked_sub(1)?;
        let start = word(self.offsets, index)?;
        Some((self.name(index)?, offset - start))
    }

    /// The first function that begins after `offset`.
    fn first_after(&self, offset: u32) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match word(self.offsets, middle) {
                Some(start) if start <= offset => low = middle + 1,
                _ => high = middle,
            }
        }
        low
    }

    fn name(&self, index: usize) -> Option<Name<'a>> {
        let at = word(self.places, index)? as usize;
        let (&count, codes) = self.names.get(at..)?.split_first()?;
        Some(Name {
            table: *self,
            count,
            codes,
        })
    }

    /// The text that a code stands for.
    fn piece(&self, code: usize) -> Option<&'a str> {
        let start = match code.checked_sub(1) {
            Some(before) => word(self.ends, before)?,
            None => 0,
        };
        let end = word(self.ends, code)?;
        let bytes = self.dictionary.get(start as usize..end as usize)?;
        core::str::from_utf8(bytes).ok()
    }
}

/// The name of a function; its text is put together where it is shown.
#[derive(Clone, Copy, Debug)]
pub struct Name<'a> {
    table: Symbols<'a>,
    count: u8,
    /// Its codes, and what is behind them.
    codes: &'a [u8],
}

impl<'a> Name<'a> {
    /// The pieces of its text. A damaged one ends early.
    fn pieces(self) -> impl Iterator<Item = &'a str> {
        let mut codes = self.codes.iter().map(|&byte| usize::from(byte));
        (0..self.count).map_while(move |_| {
            let first = codes.next()?;
            let code = match first.checked_sub(SHORT_CODES) {
                None => first,
                Some(high) => SHORT_CODES + (high << 8 | codes.next()?),
            };
            self.table.piece(code)
        })
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces().try_for_each(|piece| f.write_str(piece))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn table() -> Vec<u8> {
        encode(&[(0x40, "b::two"), (0, "a::one"), (0x100, "a::one")]).unwrap()
    }

    fn found(symbols: &Symbols<'_>, offset: u32) -> Option<(String, u32)> {
        let (name, far) = symbols.find(offset)?;
        Some((name.to_string(), far))
    }

    #[test]
    fn an_address_belongs_to_the_function_before_it() {
        let bytes = table();
        let symbols = Symbols::new(&bytes).unwrap();
        assert_eq!(symbols.len(), 3);
        let find = |offset| found(&symbols, offset);
        assert_eq!(find(0), Some(("a::one".into(), 0)));
        assert_eq!(find(0x3f), Some(("a::one".into(), 0x3f)));
        assert_eq!(find(0x40), Some(("b::two".into(), 0)));
        assert_eq!(find(0xff), Some(("b::two".into(), 0xbf)));
        assert_eq!(find(u32::MAX), Some(("a::one".into(), u32::MAX - 0x100)));
    }

    #[test]
    fn nothing_is_found_before_the_first_function() {
        let bytes = encode(&[(8, "late")]).unwrap();
        assert!(Symbols::new(&bytes).unwrap().find(7).is_none());
        let empty = encode(&[]).unwrap();
        let empty = Symbols::new(&empty).unwrap();
        assert!(empty.is_empty());
        assert!(empty.find(7).is_none());
    }

    #[test]
    fn a_name_is_kept_once() {
        let twice = [(0, "a::one"), (0x40, "b::two"), (0x100, "a::one")];
        let one_more = encode(&twice).unwrap().len() - encode(&twice[..2]).unwrap().len();
        assert_eq!(one_more, 2 * WORD);
    }

    #[test]
    fn names_that_are_alike_take_little() {
        let names: Vec<_> = (0..400)
            .map(|index| format!("core::ops::function::FnOnce::call_{index}"))
            .collect();
        let functions: Vec<_> = (0..).zip(names.iter().map(String::as_str)).collect();
        let bytes = encode(&functions).unwrap();
        let symbols = Symbols::new(&bytes).unwrap();
        for (offset, name) in functions {
            assert_eq!(found(&symbols, offset), Some((name.to_owned(), 0)));
        }
        assert!(symbols.names.len() < 400 * 6, "{}", symbols.names.len());
    }

    proptest! {
        #[test]
        fn what_is_written_is_found(names in vec("[a-d<>: é]{1,12}", 0..300)) {
            let functions: Vec<_> = (0..).step_by(4).zip(names.iter().map(String::as_str)).collect();
            let bytes = encode(&functions).unwrap();
            let symbols = Symbols::new(&bytes).unwrap();
            for (offset, name) in functions {
                prop_assert_eq!(found(&symbols, offset + 3), Some((name.to_owned(), 3)));
            }
        }
    }

    #[test]
    fn an_unwritten_table_is_none() {
        assert!(Symbols::new(&[0; 4096]).is_none());
        assert!(Symbols::new(&[]).is_none());
    }

    #[test]
    fn a_damaged_table_finds_nothing_and_does_not_panic() {
        let whole = table();
        for length in 0..whole.len() {
            if let Some(symbols) = Symbols::new(&whole[..length]) {
                let _ = found(&symbols, 0x50);
            }
        }
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] = 0xff;
            if let Some(symbols) = Symbols::new(&bytes) {
                let _ = [0, 0x50, u32::MAX].map(|offset| found(&symbols, offset));
            }
        }
    }
}
