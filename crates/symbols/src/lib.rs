//! A table of function names: the host writes it into the linked kernel
//! ([`encode`]), and back-traces look addresses up in it ([`Symbols`])
//! without locks and without memory.
//!
//! The table, in little-endian words of 32 bits: [`MAGIC`], the number of
//! functions, the number of bytes of names; then the functions' addresses as
//! rising offsets from the start of the code; then where each one's name
//! begins. A name is its length (16 bits) and that many bytes of UTF-8.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod encode;

pub use encode::encode;

/// The table's first word.
pub const MAGIC: u32 = u32::from_le_bytes(*b"PSYM");

const HEADER: usize = 12;
const WORD: usize = 4;

/// The table, as it is found in the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Symbols<'a> {
    offsets: &'a [u8],
    places: &'a [u8],
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
        let count = word(bytes, 1)? as usize;
        let names = word(bytes, 2)? as usize;
        let (offsets, rest) = bytes.get(HEADER..)?.split_at_checked(count * WORD)?;
        let (places, rest) = rest.split_at_checked(count * WORD)?;
        Some(Symbols {
            offsets,
            places,
            names: rest.get(..names)?,
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
    pub fn find(&self, offset: u32) -> Option<(&'a str, u32)> {
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

    fn name(&self, index: usize) -> Option<&'a str> {
        let at = word(self.places, index)? as usize;
        let (length, rest) = self.names.get(at..)?.split_first_chunk()?;
        let bytes = rest.get(..usize::from(u16::from_le_bytes(*length)))?;
        core::str::from_utf8(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Vec<u8> {
        encode(&[(0x40, "b::two"), (0, "a::one"), (0x100, "a::one")]).unwrap()
    }

    #[test]
    fn an_address_belongs_to_the_function_before_it() {
        let bytes = table();
        let symbols = Symbols::new(&bytes).unwrap();
        assert_eq!(symbols.len(), 3);
        assert_eq!(symbols.find(0), Some(("a::one", 0)));
        assert_eq!(symbols.find(0x3f), Some(("a::one", 0x3f)));
        assert_eq!(symbols.find(0x40), Some(("b::two", 0)));
        assert_eq!(symbols.find(0xff), Some(("b::two", 0xbf)));
        assert_eq!(symbols.find(u32::MAX), Some(("a::one", u32::MAX - 0x100)));
    }

    #[test]
    fn nothing_is_found_before_the_first_function() {
        let bytes = encode(&[(8, "late")]).unwrap();
        assert_eq!(Symbols::new(&bytes).unwrap().find(7), None);
        let empty = encode(&[]).unwrap();
        let empty = Symbols::new(&empty).unwrap();
        assert!(empty.is_empty());
        assert_eq!(empty.find(7), None);
    }

    #[test]
    fn a_name_is_kept_once() {
        assert_eq!(table().len(), HEADER + 2 * 3 * WORD + 2 * (2 + 6));
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
                let _ = symbols.find(0x50);
            }
        }
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] = 0xff;
            if let Some(symbols) = Symbols::new(&bytes) {
                let _ = (symbols.find(0), symbols.find(0x50), symbols.find(u32::MAX));
            }
        }
    }
}
