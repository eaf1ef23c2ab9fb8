//! Making the table.

use crate::MAGIC;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Bytes of a name that are kept.
const LONGEST: usize = 200;

/// The table of these functions: each with its offset from the start of the
/// code. Of several at one offset the shortest name is kept. `None` if it is
/// too large for its own numbers.
pub fn encode(functions: &[(u32, &str)]) -> Option<Vec<u8>> {
    let mut sorted: Vec<_> = functions.to_vec();
    sorted.sort_by_key(|(offset, name)| (*offset, name.len(), *name));
    sorted.dedup_by_key(|(offset, _)| *offset);
    let mut names = Vec::new();
    let mut known = BTreeMap::new();
    let mut places = Vec::new();
    for (_, name) in &sorted {
        let name = &name[..name.floor_char_boundary(LONGEST)];
        let place = *known
            .entry(name)
            .or_insert_with(|| append(&mut names, name));
        places.push(u32::try_from(place).ok()?);
    }
    let mut table = Vec::new();
    let mut put = |word: u32| table.extend_from_slice(&word.to_le_bytes());
    put(MAGIC);
    put(u32::try_from(sorted.len()).ok()?);
    put(u32::try_from(names.len()).ok()?);
    sorted.iter().for_each(|(offset, _)| put(*offset));
    places.into_iter().for_each(put);
    table.extend_from_slice(&names);
    Some(table)
}

fn append(names: &mut Vec<u8>, name: &str) -> usize {
    let place = names.len();
    names.extend_from_slice(&(name.len() as u16).to_le_bytes());
    names.extend_from_slice(name.as_bytes());
    place
}
