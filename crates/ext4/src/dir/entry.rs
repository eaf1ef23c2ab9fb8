//! Entries of directories as they lie in a block.

use crate::bytes::{put_u16, put_u32};
use paddock_vfs::{Errno, FileKind, Result};

const HEADER: usize = 8;

/// The mark of the false entry that holds a block's checksum.
const TAIL_CODE: u8 = 0xde;
/// Its length.
pub const TAIL_LEN: usize = 12;

/// Entries' own numbers for kinds.
pub fn kind_code(kind: FileKind) -> u8 {
    match kind {
        FileKind::Regular => 1,
        FileKind::Directory => 2,
        FileKind::CharDevice => 3,
        FileKind::BlockDevice => 4,
        FileKind::Fifo => 5,
        FileKind::Socket => 6,
        FileKind::Symlink => 7,
    }
}

pub fn kind_of(code: u8) -> FileKind {
    match code {
        2 => FileKind::Directory,
        3 => FileKind::CharDevice,
        4 => FileKind::BlockDevice,
        5 => FileKind::Fifo,
        6 => FileKind::Socket,
        7 => FileKind::Symlink,
        _ => FileKind::Regular,
    }
}

/// The length of an entry with a name of `len` bytes.
pub const fn entry_len(len: usize) -> usize {
    (HEADER + len).next_multiple_of(4)
}

/// An entry to add.
#[derive(Clone, Copy)]
pub struct NewEntry<'a> {
    pub ino: u32,
    pub code: u8,
    pub name: &'a [u8],
}

impl NewEntry<'_> {
    /// Writes it as an entry of `len` bytes.
    pub fn write(&self, block: &mut [u8], at: usize, len: usize) {
        put_u32(block, at, self.ino);
        put_u16(block, at + 4, len as u16);
        block[at + 6] = self.name.len() as u8;
        block[at + 7] = self.code;
        block[at + HEADER..at + HEADER + self.name.len()].copy_from_slice(self.name);
    }

    /// Puts it into the room that `gap` has.
    pub fn write_into(&self, block: &mut [u8], gap: &Entry) {
        let kept = gap.len - gap.room();
        if kept > 0 {
            put_u16(block, gap.at + 4, kept as u16);
        }
        self.write(block, gap.at + kept, gap.len - kept);
    }
}

/// An entry's header as one number in a register: whoever looks for a name sees many.
/// `EUCLEAN` if it does not fit into the block.
#[inline(always)]
fn header(block: &[u8], at: usize) -> Result<u64> {
    let header = block.get(at..).and_then(<[u8]>::first_chunk::<HEADER>);
    Ok(u64::from_le_bytes(*header.ok_or(Errno::EUCLEAN)?))
}

/// The length that a header tells, with which the next entry begins.
#[inline(always)]
fn length_in(header: u64) -> usize {
    usize::from((header >> 32) as u16)
}

/// An entry in a block; `ino` is 0 for a gap.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub at: usize,
    pub len: usize,
    pub ino: u32,
    name_len: usize,
    pub code: u8,
}

impl Entry {
    /// The entry at `at`. `EUCLEAN` if it does not fit into the block.
    #[inline(always)]
    pub fn parse(block: &[u8], at: usize) -> Result<Entry> {
        let header = header(block, at)?;
        let entry = Entry {
            at,
            len: length_in(header),
            ino: header as u32,
            name_len: usize::from((header >> 48) as u8),
            code: (header >> 56) as u8,
        };
        let fits = entry.len >= entry_len(entry.name_len)
            && entry.len.is_multiple_of(4)
            && at + entry.len <= block.len();
        match fits {
            true => Ok(entry),
            false => Err(Errno::EUCLEAN),
        }
    }

    #[inline(always)]
    pub fn name<'a>(&self, block: &'a [u8]) -> &'a [u8] {
        &block[self.at + HEADER..self.at + HEADER + self.name_len]
    }

    /// The same entry, to be written elsewhere.
    pub fn to_new<'a>(self, block: &'a [u8]) -> NewEntry<'a> {
        NewEntry {
            ino: self.ino,
            code: self.code,
            name: self.name(block),
        }
    }

    /// The same entry in the bytes that it takes alone.
    pub fn at_front(self) -> Entry {
        Entry { at: 0, ..self }
    }

    /// Bytes that it needs.
    #[inline(always)]
    pub fn needed(&self) -> usize {
        entry_len(self.name_len)
    }

    /// Bytes that another entry could take.
    #[inline(always)]
    pub fn room(&self) -> usize {
        match self.ino {
            0 => self.len,
            _ => self.len - self.needed(),
        }
    }

    pub fn is_dots(&self, block: &[u8]) -> bool {
        matches!(self.name(block), b"." | b"..")
    }
}

/// The entries of a block, gaps and the tail's among them.
pub fn entries(block: &[u8]) -> impl Iterator<Item = Result<Entry>> {
    let mut at = 0;
    core::iter::from_fn(move || {
        if at + HEADER > block.len() {
            return None;
        }
        let entry = Entry::parse(block, at);
        at = entry.as_ref().map_or(block.len(), |entry| at + entry.len);
        Some(entry)
    })
}

/// What a block has of a name.
pub struct Scan {
    /// Its entry.
    pub named: Option<Entry>,
    /// Without that, the first entry with room for it.
    pub gap: Option<Entry>,
}

/// A name that is looked for. Names that are not the same mostly end in another way:
/// its last bytes are at hand as a number.
struct Wanted<'a> {
    name: &'a [u8],
    /// Up to four bytes, the last one highest, and which bits of the number they are.
    end: u32,
    mask: u32,
}

impl<'a> Wanted<'a> {
    fn new(name: &'a [u8]) -> Self {
        let end = &name[name.len().saturating_sub(4)..];
        let (mut number, mut mask) = (0, 0);
        for &byte in end {
            number = number >> 8 | u32::from(byte) << 24;
            mask = mask >> 8 | 0xff00_0000;
        }
        Wanted {
            name,
            end: number,
            mask,
        }
    }

    /// Whether an entry, whose name has the right length, has this one.
    #[inline(always)]
    fn is_in(&self, entry: &[u8]) -> bool {
        let behind = HEADER + self.name.len();
        let end = entry.get(behind - 4..behind);
        let Some(end) = end.and_then(<[u8]>::first_chunk::<4>) else {
            return false;
        };
        (u32::from_le_bytes(*end) ^ self.end) & self.mask == 0
            && entry.get(HEADER..behind) == Some(self.name)
    }
}

/// Looks for a name in a block, and for room for it in the first `usable` bytes.
pub fn scan(block: &[u8], usable: usize, name: &[u8]) -> Result<Scan> {
    let needed = entry_len(name.len());
    let wanted = Wanted::new(name);
    let (mut rest, mut at, mut gap) = (block, 0, None);
    // As in `Entry::parse`, with as little as possible for each entry.
    while let Some(header) = rest.first_chunk::<HEADER>() {
        let header = u64::from_le_bytes(*header);
        let len = length_in(header);
        let name_len = usize::from((header >> 48) as u8);
        // A multiple of four that has room for the name has it for what fills it up.
        if len < HEADER + name_len || !len.is_multiple_of(4) {
            return Err(Errno::EUCLEAN);
        }
        let (entry, behind) = rest.split_at_checked(len).ok_or(Errno::EUCLEAN)?;
        if name_len == name.len() && header as u32 != 0 && wanted.is_in(entry) {
            let named = Some(Entry::parse(block, at)?);
            return Ok(Scan { named, gap: None });
        }
        // Most have not one byte to spare.
        if len >= needed && gap.is_none() && at + len <= usable {
            let has_room = header as u32 == 0 || len - entry_len(name_len) >= needed;
            gap = has_room.then_some(at);
        }
        at += len;
        rest = behind;
    }
    let gap = gap.map(|at| Entry::parse(block, at)).transpose()?;
    Ok(Scan { named: None, gap })
}

/// The entry before the one at `at`, unless that is the first. `EUCLEAN`.
pub fn entry_before(block: &[u8], at: usize) -> Result<Option<Entry>> {
    let (mut here, mut before) = (0, None);
    while here < at {
        let len = length_in(header(block, here)?);
        if len == 0 {
            return Err(Errno::EUCLEAN);
        }
        before = Some(here);
        here += len;
    }
    match here == at {
        true => before.map(|at| Entry::parse(block, at)).transpose(),
        false => Err(Errno::EUCLEAN),
    }
}

/// Writes a block anew: entries of `source`, one after the other, and the tail.
pub fn pack(
    block: &mut [u8],
    usable: usize,
    source: &[u8],
    kept: impl ExactSizeIterator<Item = Entry>,
) {
    block.fill(0);
    init_tail(block, usable);
    let count = kept.len();
    let mut at = 0;
    for (index, entry) in kept.enumerate() {
        let len = match index + 1 == count {
            true => usable.saturating_sub(at),
            false => entry.needed(),
        };
        entry.to_new(source).write(block, at, len);
        at += len;
    }
    if count == 0 {
        put_u16(block, 4, usable as u16);
    }
}

/// Sets up the false entry that holds the checksum, if there is one.
pub fn init_tail(block: &mut [u8], usable: usize) {
    if usable + TAIL_LEN == block.len() {
        put_u16(block, usable + 4, TAIL_LEN as u16);
        block[usable + 7] = TAIL_CODE;
    }
}

/// Whether these bytes are the false entry that holds the checksum.
pub fn is_tail(bytes: &[u8]) -> bool {
    let sum_free = bytes.get(..8);
    sum_free == Some(&[0, 0, 0, 0, TAIL_LEN as u8, 0, 0, TAIL_CODE])
}
