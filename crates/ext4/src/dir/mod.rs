//! Directories: entries in blocks, searched from the start or by an index of
//! the names' hashes.

mod entry;
mod hash;
mod index;
mod names;

use crate::bytes::{put_u16, put_u32};
use crate::checksums::Seal;
use crate::extents::Extent;
use crate::raw_inode::{FLAG_INDEX, RawInode};
use crate::transaction::Core;
use entry::{Entry, NewEntry, Scan, entries, entry_before, init_tail, kind_code, kind_of, scan};
pub(crate) use entry::{TAIL_LEN, is_tail};
use index::write_dots;
pub(crate) use names::Searched;
use paddock_vfs::{DirEntry, EmitEntry, Errno, FileKind, Result};

#[cfg(test)]
pub(crate) use hash::Hasher;

/// Where an entry was found: the block on the disk, and in it.
#[derive(Clone, Copy)]
struct Found {
    block: u64,
    entry: Entry,
}

/// Room for a name: the block on the disk, and the entry that has it to spare.
#[derive(Clone, Copy)]
pub(crate) struct Room {
    block: u64,
    gap: Entry,
}

/// What a directory has of a name.
enum Search {
    Found(Found),
    /// It is not there; this is room for it, if some was seen.
    Absent(Option<Room>),
}

impl Search {
    fn found(self) -> Option<Found> {
        match self {
            Search::Found(found) => Some(found),
            Search::Absent(_) => None,
        }
    }

    /// What a scan of a block says.
    fn of(block: u64, scan: &Scan) -> Search {
        match scan.named {
            Some(entry) => Search::Found(Found { block, entry }),
            None => Search::Absent(scan.gap.map(|gap| Room { block, gap })),
        }
    }
}

impl Core {
    fn dir_blocks(&self, raw: &RawInode) -> u32 {
        (raw.size() / self.disk.block_size as u64).min(u64::from(u32::MAX)) as u32
    }

    /// Where a block of a directory lies. `EUCLEAN` for a hole.
    fn dir_block(&mut self, raw: &RawInode, logical: u32) -> Result<u64> {
        match self.map(raw, logical)? {
            Ok(extent) if !extent.unwritten => {
                Ok(extent.physical + u64::from(logical - extent.logical))
            }
            _ => Err(Errno::EUCLEAN),
        }
    }

    /// Looks for a name in a leaf, and for room for it. `EBADMSG`, `EUCLEAN`.
    fn search_leaf(&mut self, raw: &RawInode, block: u64, name: &[u8]) -> Result<Search> {
        let usable = self.geometry.dir_usable();
        let seal = |_: &[u8]| Seal::Directory(raw.owner());
        let (data, searched) = self.read_entries(block, seal)?;
        Ok(Search::of(block, &searched.search(data, usable, name)?))
    }

    /// A leaf of a directory: a block of entries. `EBADMSG`.
    fn leaf(&mut self, raw: &RawInode, block: u64) -> Result<&[u8]> {
        self.read_sealed(block, |_| Seal::Directory(raw.owner()))
    }

    /// A block of a directory that may be a leaf or part of the index, which looks like
    /// a leaf with nothing in it. `EBADMSG`.
    fn any_block(&mut self, raw: &RawInode, logical: u32, block: u64) -> Result<&[u8]> {
        let hashed = self.is_hashed(raw);
        self.read_sealed(block, |data| {
            match index::table_in(data, logical).filter(|_| hashed) {
                Some(table) => Seal::Index(raw.owner(), table),
                None => Seal::Directory(raw.owner()),
            }
        })
    }

    fn find(&mut self, raw: &RawInode, name: &[u8]) -> Result<Option<Found>> {
        Ok(self.search(raw, name)?.found())
    }

    fn search(&mut self, raw: &RawInode, name: &[u8]) -> Result<Search> {
        match name {
            // They are in the first block, whatever comes behind.
            b"." | b".." => {
                let first = self.dir_block(raw, 0)?;
                let scan = scan(self.any_block(raw, 0, first)?, 0, name)?;
                Ok(Search::of(first, &scan))
            }
            _ if self.is_hashed(raw) => self.search_hashed(raw, name),
            _ => self.search_linear(raw, name),
        }
    }

    fn search_linear(&mut self, raw: &RawInode, name: &[u8]) -> Result<Search> {
        let mut room = None;
        for logical in 0..self.dir_blocks(raw) {
            let block = self.dir_block(raw, logical)?;
            // There is no index: every block is a leaf.
            match self.search_leaf(raw, block, name)? {
                Search::Absent(here) => room = room.or(here),
                found => return Ok(found),
            }
        }
        Ok(Search::Absent(room))
    }

    /// Makes sure that a name is not there; room for it, if some was seen. `EEXIST`.
    pub fn find_room(&mut self, raw: &RawInode, name: &[u8]) -> Result<Option<Room>> {
        match self.search(raw, name)? {
            Search::Found(_) => Err(Errno::EEXIST),
            Search::Absent(room) => Ok(room),
        }
    }

    /// The inode number and kind of `name`. `ENOENT`.
    pub fn find_entry(&mut self, raw: &RawInode, name: &[u8]) -> Result<(u32, FileKind)> {
        let found = self.find(raw, name)?.ok_or(Errno::ENOENT)?;
        Ok((found.entry.ino, kind_of(found.entry.code)))
    }

    /// Whether the directory holds nothing but `.` and `..`.
    pub fn is_dir_empty(&mut self, raw: &RawInode) -> Result<bool> {
        for logical in 0..self.dir_blocks(raw) {
            let block = self.dir_block(raw, logical)?;
            let data = self.any_block(raw, logical, block)?;
            for entry in entries(data) {
                let entry = entry?;
                if entry.ino != 0 && !entry.is_dots(data) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Adds an entry for a name that is not there, where `room` for it was found last;
    /// `raw` is changed, and the caller writes it back. A directory that grows beyond its
    /// first block gets an index, if the disk has the feature. `ENOSPC`.
    pub fn add_entry(
        &mut self,
        raw: &mut RawInode,
        (name, room): (&[u8], Option<Room>),
        ino: u32,
        kind: FileKind,
    ) -> Result<()> {
        let code = kind_code(kind);
        let entry = NewEntry { ino, code, name };
        let is_hashed = self.is_hashed(raw);
        if !is_hashed {
            // Without the feature, an index that was left behind means nothing.
            raw.set_flags(raw.flags() & !FLAG_INDEX);
        }
        match room {
            Some(room) => self.add_to_room(raw, &room, &entry),
            None if is_hashed => self.add_hashed(raw, &entry),
            None => self.add_behind(raw, &entry),
        }
    }

    /// Adds an entry to a directory without an index and without room.
    fn add_behind(&mut self, raw: &mut RawInode, entry: &NewEntry<'_>) -> Result<()> {
        if self.geometry.dir_index && self.dir_blocks(raw) == 1 {
            self.make_index(raw)?;
            return self.add_hashed(raw, entry);
        }
        let usable = self.geometry.dir_usable();
        let (_, block) = self.grow_dir(raw)?;
        let seal = Seal::Directory(raw.owner());
        let data = self.modify(block, seal)?;
        entry.write(data, 0, usable);
        init_tail(data, usable);
        Ok(())
    }

    fn add_to_room(&mut self, raw: &RawInode, room: &Room, entry: &NewEntry<'_>) -> Result<()> {
        let seal = Seal::Directory(raw.owner());
        let Room { block, gap } = *room;
        let (bytes, searched) = self.modify_entries(block, seal, gap.at, gap.len)?;
        entry.write_into(bytes, &gap.at_front());
        searched.add(entry.name, gap.at + gap.len - gap.room());
        Ok(())
    }

    /// Adds a block of zeroes at the end of a directory: its number there, and
    /// where it lies.
    fn grow_dir(&mut self, raw: &mut RawInode) -> Result<(u32, u64)> {
        let logical = self.dir_blocks(raw);
        let goal = match logical.checked_sub(1) {
            Some(last) => self.dir_block(raw, last)? + 1,
            None => self.data_goal(raw.ino),
        };
        let (physical, _) = self.allocate_blocks(goal, 1)?;
        let extent = Extent {
            logical,
            len: 1,
            physical,
            unwritten: false,
        };
        self.insert_extent(raw, extent)?;
        raw.add_blocks(1, self.disk.block_size);
        raw.set_size(raw.size() + self.disk.block_size as u64);
        self.fresh(physical, Seal::None)?;
        Ok((logical, physical))
    }

    /// Gives a new directory its first block, with `.` and `..`.
    pub fn init_dir(&mut self, raw: &mut RawInode, parent: u32) -> Result<()> {
        let ino = raw.ino;
        let usable = self.geometry.dir_usable();
        let (_, block) = self.grow_dir(raw)?;
        let seal = Seal::Directory(raw.owner());
        let data = self.modify(block, seal)?;
        write_dots(data, usable, ino, parent);
        init_tail(data, usable);
        Ok(())
    }

    /// Takes an entry out: its space goes to the one before. `ENOENT`.
    pub fn remove_entry(&mut self, raw: &RawInode, name: &[u8]) -> Result<()> {
        let found = self.find(raw, name)?.ok_or(Errno::ENOENT)?;
        self.remove_found(raw, &found, name)
    }

    /// As [`remove_entry`](Self::remove_entry), of one that was found, if it is of no
    /// directory: its number. `ENOENT`, `EISDIR`.
    pub fn remove_file_entry(&mut self, raw: &RawInode, name: &[u8]) -> Result<u32> {
        let found = self.find(raw, name)?.ok_or(Errno::ENOENT)?;
        if kind_of(found.entry.code) == FileKind::Directory {
            return Err(Errno::EISDIR);
        }
        self.remove_found(raw, &found, name)?;
        Ok(found.entry.ino)
    }

    fn remove_found(&mut self, raw: &RawInode, found: &Found, name: &[u8]) -> Result<()> {
        let seal = Seal::Directory(raw.owner());
        let Found { block, entry } = *found;
        match entry_before(self.leaf(raw, block)?, entry.at)? {
            Some(before) => {
                let len = before.len + entry.len;
                let (bytes, searched) = self.modify_entries(block, seal, before.at + 4, 2)?;
                put_u16(bytes, 0, len as u16);
                searched.remove(name, entry.at, before.at);
            }
            None => {
                let (bytes, searched) = self.modify_entries(block, seal, entry.at, 4)?;
                put_u32(bytes, 0, 0);
                searched.remove(name, entry.at, entry.at);
            }
        }
        Ok(())
    }

    /// Makes an entry lead elsewhere. `ENOENT`.
    pub fn set_entry(
        &mut self,
        raw: &RawInode,
        name: &[u8],
        ino: u32,
        kind: FileKind,
    ) -> Result<()> {
        let found = self.find(raw, name)?.ok_or(Errno::ENOENT)?;
        let seal = match name {
            b"." | b".." if self.is_hashed(raw) => self.root_seal(raw)?,
            _ => Seal::Directory(raw.owner()),
        };
        let (header, _) = self.modify_entries(found.block, seal, found.entry.at, 8)?;
        put_u32(header, 0, ino);
        header[7] = kind_code(kind);
        Ok(())
    }

    /// Hands out the entries from `cursor` on; the cursor to go on from. With
    /// an index, and where there will be one, entries come in the order of
    /// their hashes, which a split of a block does not change; elsewhere they
    /// never move, and the cursor is the byte in the directory.
    pub fn read_dir(
        &mut self,
        raw: &RawInode,
        cursor: u64,
        emit: &mut EmitEntry<'_>,
    ) -> Result<u64> {
        if self.is_hashed(raw) {
            return self.read_hashed(raw, cursor, emit);
        }
        if self.geometry.dir_index && self.dir_blocks(raw) == 1 {
            return self.read_single(raw, cursor, emit);
        }
        self.read_linear(raw, cursor, emit)
    }

    fn read_linear(
        &mut self,
        raw: &RawInode,
        cursor: u64,
        emit: &mut EmitEntry<'_>,
    ) -> Result<u64> {
        let size = self.disk.block_size as u64;
        let mut at = cursor;
        while at < raw.size() {
            let start = at / size * size;
            let logical = (at / size) as u32;
            let block = self.dir_block(raw, logical)?;
            let data = self.any_block(raw, logical, block)?;
            for entry in entries(data) {
                let entry = entry?;
                let here = start + entry.at as u64;
                if here < at {
                    continue;
                }
                let next = here + entry.len as u64;
                if entry.ino != 0 && !entry.is_dots(data) {
                    let entry = DirEntry {
                        name: entry.name(data),
                        ino: u64::from(entry.ino),
                        kind: Some(kind_of(entry.code)),
                        next,
                    };
                    if !emit(&entry) {
                        return Ok(here);
                    }
                }
            }
            at = start + size;
        }
        Ok(at)
    }
}
