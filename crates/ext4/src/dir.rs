//! Directories: entries in blocks, searched from the start.

use crate::bytes::{get_u16, get_u32, put_u16, put_u32};
use crate::extents::Extent;
use crate::raw_inode::{FLAG_INDEX, RawInode};
use crate::transaction::Core;
use paddock_vfs::{DirEntry, EmitEntry, Errno, FileKind, Result};

const HEADER: usize = 8;

/// Entries' own numbers for kinds.
pub(crate) fn kind_code(kind: FileKind) -> u8 {
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

fn kind_of(code: u8) -> FileKind {
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
const fn entry_len(len: usize) -> usize {
    (HEADER + len).next_multiple_of(4)
}

/// An entry in a block; `ino` is 0 for a gap.
#[derive(Clone, Copy, Debug)]
struct Entry {
    at: usize,
    len: usize,
    ino: u32,
    name_len: usize,
    code: u8,
}

impl Entry {
    /// The entry at `at`. `EUCLEAN` if it does not fit into the block.
    fn parse(block: &[u8], at: usize) -> Result<Entry> {
        let entry = Entry {
            at,
            len: usize::from(get_u16(block, at + 4)),
            ino: get_u32(block, at),
            name_len: block.get(at + 6).map_or(0, |&len| usize::from(len)),
            code: block.get(at + 7).map_or(0, |&code| code),
        };
        let fits = entry.len >= entry_len(entry.name_len)
            && entry.len.is_multiple_of(4)
            && at + entry.len <= block.len();
        match fits {
            true => Ok(entry),
            false => Err(Errno::EUCLEAN),
        }
    }

    fn name<'a>(&self, block: &'a [u8]) -> &'a [u8] {
        &block[self.at + HEADER..self.at + HEADER + self.name_len]
    }

    /// Bytes that another entry could take.
    fn room(&self) -> usize {
        match self.ino {
            0 => self.len,
            _ => self.len - entry_len(self.name_len),
        }
    }

    fn is_dots(&self, block: &[u8]) -> bool {
        matches!(self.name(block), b"." | b"..")
    }
}

fn entries(block: &[u8]) -> impl Iterator<Item = Result<Entry>> {
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

fn write_entry(block: &mut [u8], at: usize, len: usize, ino: u32, code: u8, name: &[u8]) {
    put_u32(block, at, ino);
    put_u16(block, at + 4, len as u16);
    block[at + 6] = name.len() as u8;
    block[at + 7] = code;
    block[at + HEADER..at + HEADER + name.len()].copy_from_slice(name);
}

/// Where an entry was found: the block on the disk, and in it.
#[derive(Clone, Copy)]
struct Found {
    block: u64,
    entry: Entry,
    /// The entry before it in the block.
    before: Option<Entry>,
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

    fn find(&mut self, raw: &RawInode, name: &[u8]) -> Result<Option<Found>> {
        for logical in 0..self.dir_blocks(raw) {
            let block = self.dir_block(raw, logical)?;
            let data = self.read(block)?;
            let mut before = None;
            for entry in entries(data) {
                let entry = entry?;
                if entry.ino != 0 && entry.name(data) == name {
                    return Ok(Some(Found {
                        block,
                        entry,
                        before,
                    }));
                }
                before = Some(entry);
            }
        }
        Ok(None)
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
            let data = self.read(block)?;
            for entry in entries(data) {
                let entry = entry?;
                if entry.ino != 0 && !entry.is_dots(data) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Adds an entry for a name that is not there; `raw` is changed, and the
    /// caller writes it back. `ENOSPC`.
    pub fn add_entry(
        &mut self,
        raw: &mut RawInode,
        name: &[u8],
        ino: u32,
        kind: FileKind,
    ) -> Result<()> {
        let needed = entry_len(name.len());
        let code = kind_code(kind);
        // A hashed directory is searched from the start from now on.
        raw.set_flags(raw.flags() & !FLAG_INDEX);
        for logical in 0..self.dir_blocks(raw) {
            let block = self.dir_block(raw, logical)?;
            let data = self.read(block)?;
            let mut found = None;
            for entry in entries(data) {
                let entry = entry?;
                if entry.room() >= needed {
                    found = Some(entry);
                    break;
                }
            }
            if let Some(entry) = found {
                let data = self.modify(block)?;
                let (at, len) = match entry.ino {
                    0 => (entry.at, entry.len),
                    _ => {
                        let kept = entry_len(entry.name_len);
                        put_u16(data, entry.at + 4, kept as u16);
                        (entry.at + kept, entry.len - kept)
                    }
                };
                write_entry(data, at, len, ino, code, name);
                return Ok(());
            }
        }
        let size = self.disk.block_size;
        let data = self.grow_dir(raw)?;
        write_entry(data, 0, size, ino, code, name);
        Ok(())
    }

    /// Adds a block of zeroes at the end of a directory.
    fn grow_dir(&mut self, raw: &mut RawInode) -> Result<&mut [u8]> {
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
        self.fresh(physical)
    }

    /// Gives a new directory its first block, with `.` and `..`.
    pub fn init_dir(&mut self, raw: &mut RawInode, parent: u32) -> Result<()> {
        let ino = raw.ino;
        let size = self.disk.block_size;
        let code = kind_code(FileKind::Directory);
        let data = self.grow_dir(raw)?;
        let dot = entry_len(1);
        write_entry(data, 0, dot, ino, code, b".");
        write_entry(data, dot, size - dot, parent, code, b"..");
        Ok(())
    }

    /// Takes an entry out: its space goes to the one before. `ENOENT`.
    pub fn remove_entry(&mut self, raw: &RawInode, name: &[u8]) -> Result<()> {
        let found = self.find(raw, name)?.ok_or(Errno::ENOENT)?;
        let data = self.modify(found.block)?;
        match found.before {
            Some(before) => {
                let len = before.len + found.entry.len;
                put_u16(data, before.at + 4, len as u16);
            }
            None => put_u32(data, found.entry.at, 0),
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
        let data = self.modify(found.block)?;
        put_u32(data, found.entry.at, ino);
        data[found.entry.at + 7] = kind_code(kind);
        Ok(())
    }

    /// Hands out the entries from byte `cursor` of the directory on; the byte
    /// to go on from. Entries never move, so a cursor stays good.
    pub fn read_dir(
        &mut self,
        raw: &RawInode,
        cursor: u64,
        emit: &mut EmitEntry<'_>,
    ) -> Result<u64> {
        let size = self.disk.block_size as u64;
        let mut at = cursor;
        while at < raw.size() {
            let start = at / size * size;
            let block = self.dir_block(raw, (at / size) as u32)?;
            let data = self.read(block)?;
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
                        kind: kind_of(entry.code),
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
