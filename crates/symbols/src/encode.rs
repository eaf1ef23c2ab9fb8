//! Making the table.

use crate::dictionary::{self, Coded};
use crate::{MAGIC, SHORT_CODES};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// Bytes of a name that are kept.
const LONGEST: usize = 200;

/// The table of these functions: each with its offset from the start of the
/// code. Of several at one offset the shortest name is kept. `None` if it is
/// too large for its own numbers.
pub fn encode(functions: &[(u32, &str)]) -> Option<Vec<u8>> {
    let mut sorted: Vec<_> = functions
        .iter()
        .map(|(offset, name)| (*offset, &name[..name.floor_char_boundary(LONGEST)]))
        .collect();
    sorted.sort_by_key(|(offset, name)| (*offset, name.len(), *name));
    sorted.dedup_by_key(|(offset, _)| *offset);
    let distinct: BTreeSet<_> = sorted.iter().map(|(_, name)| *name).collect();
    let distinct: Vec<_> = distinct.into_iter().collect();
    let Coded { pieces, names } = dictionary::code(&distinct)?;
    let mut text = Vec::new();
    let mut places = BTreeMap::new();
    for (name, codes) in distinct.iter().zip(&names) {
        places.insert(*name, u32::try_from(text.len()).ok()?);
        append(&mut text, codes)?;
    }
    let mut ends = Vec::new();
    let mut dictionary = Vec::new();
    for piece in &pieces {
        dictionary.extend_from_slice(piece.as_bytes());
        ends.push(u32::try_from(dictionary.len()).ok()?);
    }
    let mut table = Vec::new();
    let mut put = |word: u32| table.extend_from_slice(&word.to_le_bytes());
    put(MAGIC);
    for length in [sorted.len(), pieces.len(), dictionary.len(), text.len()] {
        put(u32::try_from(length).ok()?);
    }
    sorted.iter().for_each(|(offset, _)| put(*offset));
    sorted.iter().for_each(|(_, name)| put(places[name]));
    ends.into_iter().for_each(put);
    table.extend_from_slice(&dictionary);
    table.extend_from_slice(&text);
    Some(table)
}

/// Writes a name: the number of its codes, and the codes.
fn append(text: &mut Vec<u8>, codes: &[u16]) -> Option<()> {
    text.push(u8::try_from(codes.len()).ok()?);
    for &code in codes {
        match usize::from(code).checked_sub(SHORT_CODES) {
            None => text.push(code as u8),
            Some(rest) => text.extend([(SHORT_CODES + (rest >> 8)) as u8, rest as u8]),
        }
    }
    Some(())
}
