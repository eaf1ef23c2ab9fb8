//! The index of a hashed directory: a tree of tables of hashes, the root of
//! which is in the directory's first block, behind `.` and `..`. Below its
//! last level are the leaves: ordinary blocks of entries, each of which holds
//! the names from its own hash up to the next one's.

use super::Search;
use super::entry::{Entry, NewEntry, entries, entry_len, kind_code, pack};
use super::hash::{CURSOR_END, Hasher, major_of};
use crate::bytes::{get_u16, get_u32, put_u16, put_u32};
use crate::checksums::Seal;
use crate::raw_inode::{FLAG_INDEX, RawInode};
use crate::transaction::Core;
use alloc::vec::Vec;
use paddock_sync::try_copy;
use paddock_vfs::{DirEntry, EmitEntry, Errno, FileKind, Result};

// Offsets in the root, from `INFO` on.
const INFO: usize = 24;
const INFO_VERSION: usize = INFO + 4;
const INFO_LENGTH: usize = INFO + 5;
const INFO_LEVELS: usize = INFO + 6;
const INFO_SIZE: usize = 8;

/// Where the table of a block that is not the root begins.
const NODE_TABLE: usize = 8;
/// Bytes of a table's entry: a hash and a block of the directory.
const SLOT: usize = 8;
/// Blocks of a directory that an index can name.
const BLOCK_MASK: u32 = 0x0fff_ffff;
/// Tables from the root to a leaf, with the feature `large_dir`.
const MOST_TABLES: usize = 3;
/// Splits that one new name can cause: each table, and the leaves.
const MOST_SPLITS: usize = 12;

/// A table in a block: the first entry, whose hash counts as 0, holds limit
/// and count in its place.
#[derive(Clone, Copy)]
struct Table {
    at: usize,
    count: usize,
    limit: usize,
}

impl Table {
    /// The table at `at`, behind whose limit `tail` bytes are kept. `EUCLEAN`.
    fn parse(block: &[u8], at: usize, tail: usize) -> Result<Table> {
        let table = Table {
            at,
            limit: usize::from(get_u16(block, at)),
            count: usize::from(get_u16(block, at + 2)),
        };
        let most = block.len().saturating_sub(at + tail) / SLOT;
        match (1..=table.limit).contains(&table.count) && table.limit <= most {
            true => Ok(table),
            false => Err(Errno::EUCLEAN),
        }
    }

    fn hash(&self, block: &[u8], index: usize) -> u32 {
        match index {
            0 => 0,
            _ => get_u32(block, self.at + index * SLOT),
        }
    }

    fn child(&self, block: &[u8], index: usize) -> u32 {
        get_u32(block, self.at + index * SLOT + 4) & BLOCK_MASK
    }

    /// The last entry whose hash is not above `hash`.
    fn find(&self, block: &[u8], hash: u32) -> usize {
        let (mut low, mut high) = (0, self.count);
        while high - low > 1 {
            let middle = low.midpoint(high);
            match self.hash(block, middle) <= hash {
                true => low = middle,
                false => high = middle,
            }
        }
        low
    }

    fn set_count(&self, block: &mut [u8], count: usize) {
        put_u16(block, self.at + 2, count as u16);
    }

    /// Adds an entry behind `index`; there is room for it.
    fn insert(&self, block: &mut [u8], index: usize, hash: u32, child: u32) {
        let at = self.at + (index + 1) * SLOT;
        let end = self.at + self.count * SLOT;
        block.copy_within(at..end, at + SLOT);
        put_u32(block, at, hash);
        put_u32(block, at + 4, child);
        self.set_count(block, self.count + 1);
    }
}

/// A table on the way to a leaf.
#[derive(Clone, Copy, Default)]
struct Step {
    /// On the disk.
    block: u64,
    /// Where its table begins.
    at: usize,
    /// The entry that was taken.
    index: usize,
    seal: Seal,
}

/// Where the table begins in a block of a hashed directory, if it is one of the index:
/// its first one is, and those that look as if they were free.
pub(super) fn table_in(block: &[u8], logical: u32) -> Option<usize> {
    match logical {
        0 => Some(INFO + usize::from(block[INFO_LENGTH])),
        _ => (usize::from(get_u16(block, 4)) == block.len()).then_some(NODE_TABLE),
    }
}

/// The way from the root to a leaf.
#[derive(Clone, Copy, Default)]
struct Path {
    steps: [Step; MOST_TABLES],
    depth: usize,
    /// The leaf, as a block of the directory.
    leaf: u32,
}

/// What the root says of the index.
struct Root {
    hasher: Hasher,
    tables: usize,
    at: usize,
}

impl Core {
    /// Whether the directory has an index, and one that can be used.
    pub(crate) fn is_hashed(&self, raw: &RawInode) -> bool {
        self.geometry.dir_index && raw.flags() & FLAG_INDEX != 0
    }

    fn index_root(&mut self, raw: &RawInode) -> Result<Root> {
        let block = self.dir_block(raw, 0)?;
        let data = self.any_block(raw, 0, block)?;
        let tables = usize::from(data[INFO_LEVELS]) + 1;
        let (version, at) = (data[INFO_VERSION], INFO + usize::from(data[INFO_LENGTH]));
        if tables > self.geometry.index_tables {
            return Err(Errno::EUCLEAN);
        }
        let hasher = Hasher::new(&self.geometry, version)?;
        Ok(Root { hasher, tables, at })
    }

    /// The checksum of a hashed directory's first block.
    pub(super) fn root_seal(&mut self, raw: &RawInode) -> Result<Seal> {
        let table = self.index_root(raw)?.at;
        Ok(Seal::Index(raw.owner(), table))
    }

    /// The table that begins at `at` of a block, and what is in that.
    fn table(&mut self, raw: &RawInode, block: u64, at: usize) -> Result<(Table, &[u8])> {
        let tail = self.geometry.index_tail();
        let seal = |_: &[u8]| Seal::Index(raw.owner(), at);
        let data = self.read_sealed(block, seal)?;
        Ok((Table::parse(data, at, tail)?, data))
    }

    /// The way to the leaf for `hash`.
    fn walk(&mut self, raw: &RawInode, root: &Root, hash: u32) -> Result<Path> {
        let mut path = Path::default();
        let mut at = root.at;
        for _ in 0..root.tables {
            let block = self.dir_block(raw, path.leaf)?;
            let (table, data) = self.table(raw, block, at)?;
            let index = table.find(data, hash);
            path.leaf = table.child(data, index);
            let seal = Seal::Index(raw.owner(), at);
            path.steps[path.depth] = Step {
                block,
                at,
                index,
                seal,
            };
            path.depth += 1;
            at = NODE_TABLE;
        }
        Ok(path)
    }

    /// Goes on to the next leaf; the hash that it begins with, whose lowest
    /// bit says that it goes on with the hash that the leaf before ends with.
    fn next_leaf(&mut self, raw: &RawInode, path: &mut Path) -> Result<Option<u32>> {
        for level in (0..path.depth).rev() {
            let step = path.steps[level];
            let (table, data) = self.table(raw, step.block, step.at)?;
            if step.index + 1 >= table.count {
                continue;
            }
            let hash = table.hash(data, step.index + 1);
            path.leaf = table.child(data, step.index + 1);
            path.steps[level].index += 1;
            self.descend(raw, path, level + 1)?;
            return Ok(Some(hash));
        }
        Ok(None)
    }

    /// Takes the first entry of each table from `level` on.
    fn descend(&mut self, raw: &RawInode, path: &mut Path, level: usize) -> Result<()> {
        for level in level..path.depth {
            let block = self.dir_block(raw, path.leaf)?;
            let (table, data) = self.table(raw, block, NODE_TABLE)?;
            path.leaf = table.child(data, 0);
            path.steps[level] = Step {
                block,
                at: NODE_TABLE,
                index: 0,
                seal: Seal::Index(raw.owner(), NODE_TABLE),
            };
        }
        Ok(())
    }

    /// Looks a name up, which is neither `.` nor `..`. Room for it is in the first leaf
    /// that could have it.
    pub(super) fn search_hashed(&mut self, raw: &RawInode, name: &[u8]) -> Result<Search> {
        let root = self.index_root(raw)?;
        let hash = root.hasher.hash(name).major;
        let mut path = self.walk(raw, &root, hash)?;
        let mut absent = None;
        // Bounded: a damaged index could go on for ever.
        for _ in 0..self.dir_blocks(raw) {
            let block = self.dir_block(raw, path.leaf)?;
            match self.search_leaf(raw, block, name)? {
                found @ Search::Found(_) => return Ok(found),
                here => absent = absent.or(Some(here)),
            }
            match self.next_leaf(raw, &mut path)? {
                Some(next) if next & !1 == hash => {}
                _ => break,
            }
        }
        Ok(absent.unwrap_or(Search::Absent(None)))
    }

    /// Adds an entry: to its leaf, which is split if it is full.
    pub(super) fn add_hashed(&mut self, raw: &mut RawInode, entry: &NewEntry<'_>) -> Result<()> {
        let hash = self.index_root(raw)?.hasher.hash(entry.name).major;
        for _ in 0..MOST_SPLITS {
            let root = self.index_root(raw)?;
            let path = self.walk(raw, &root, hash)?;
            let leaf = self.dir_block(raw, path.leaf)?;
            if let Search::Absent(Some(room)) = self.search_leaf(raw, leaf, entry.name)? {
                return self.add_to_room(raw, &room, entry);
            }
            if !self.split_full_table(raw, &path)? {
                self.split_leaf(raw, &root.hasher, &path)?;
            }
        }
        Err(Errno::EUCLEAN)
    }

    /// Splits the lowest table on the way if it is full, or the one that has
    /// to be split before it; whether one was. `ENOSPC` if the index is full.
    fn split_full_table(&mut self, raw: &mut RawInode, path: &Path) -> Result<bool> {
        let mut full = None;
        for level in (0..path.depth).rev() {
            let step = path.steps[level];
            let (table, _) = self.table(raw, step.block, step.at)?;
            if table.count < table.limit {
                break;
            }
            full = Some(level);
        }
        match full {
            None => return Ok(false),
            Some(0) => self.add_level(raw, path)?,
            Some(level) => self.split_table(raw, path, level)?,
        }
        Ok(true)
    }

    /// A new block for a table, with room in it: its number in the directory,
    /// and where it lies.
    fn add_table(&mut self, raw: &mut RawInode) -> Result<(u32, u64)> {
        let (logical, block) = self.grow_dir(raw)?;
        let size = self.disk.block_size;
        let limit = (size - NODE_TABLE - self.geometry.index_tail()) / SLOT;
        let seal = Seal::Index(raw.owner(), NODE_TABLE);
        let data = self.modify(block, seal)?;
        put_u16(data, 4, size as u16);
        put_u16(data, NODE_TABLE, limit as u16);
        Ok((logical, block))
    }

    /// Moves what the root's table holds into a new one below it. `ENOSPC`
    /// if there are as many levels as there may be.
    fn add_level(&mut self, raw: &mut RawInode, path: &Path) -> Result<()> {
        if path.depth >= self.geometry.index_tables {
            return Err(Errno::ENOSPC);
        }
        let step = path.steps[0];
        let (logical, block) = self.add_table(raw)?;
        self.move_slots(raw, step, 0, block)?;
        let data = self.modify(step.block, step.seal)?;
        put_u32(data, step.at + 4, logical);
        put_u16(data, step.at + 2, 1);
        data[INFO_LEVELS] += 1;
        Ok(())
    }

    /// Moves the upper half of a table into a new one beside it.
    fn split_table(&mut self, raw: &mut RawInode, path: &Path, level: usize) -> Result<()> {
        let step = path.steps[level];
        let (table, data) = self.table(raw, step.block, step.at)?;
        let middle = table.count / 2;
        if middle == 0 {
            return Err(Errno::EUCLEAN);
        }
        let hash = table.hash(data, middle);
        let (logical, block) = self.add_table(raw)?;
        self.move_slots(raw, step, middle, block)?;
        table.set_count(self.modify(step.block, step.seal)?, middle);
        self.insert_slot(raw, path.steps[level - 1], hash, logical)
    }

    /// Copies the entries of a table from `first` on to the new table in
    /// `block`.
    fn move_slots(&mut self, raw: &RawInode, step: Step, first: usize, block: u64) -> Result<()> {
        let (table, data) = self.table(raw, step.block, step.at)?;
        let from = step.at + first * SLOT..step.at + table.count * SLOT;
        let slots = try_copy(&data[from])?;
        let seal = Seal::Index(raw.owner(), NODE_TABLE);
        let data = self.modify(block, seal)?;
        // The first one's hash is the parent's business.
        data[NODE_TABLE + 4..NODE_TABLE + slots.len()].copy_from_slice(&slots[4..]);
        put_u16(data, NODE_TABLE + 2, (table.count - first) as u16);
        Ok(())
    }

    fn insert_slot(&mut self, raw: &RawInode, step: Step, hash: u32, child: u32) -> Result<()> {
        let (table, _) = self.table(raw, step.block, step.at)?;
        if table.count >= table.limit {
            return Err(Errno::EUCLEAN);
        }
        table.insert(self.modify(step.block, step.seal)?, step.index, hash, child);
        Ok(())
    }

    /// Moves the names with the upper half of the hashes into a new leaf.
    fn split_leaf(&mut self, raw: &mut RawInode, hasher: &Hasher, path: &Path) -> Result<()> {
        let usable = self.geometry.dir_usable();
        let old = self.dir_block(raw, path.leaf)?;
        let source = try_copy(self.leaf(raw, old)?)?;
        let sorted = by_hash(&source, hasher)?;
        let split = split_point(&sorted, usable).ok_or(Errno::EUCLEAN)?;
        let (lower, upper) = sorted.split_at(split);
        let hash = upper[0].0;
        let continued = u32::from(lower[split - 1].0 == hash);
        let (logical, new) = self.grow_dir(raw)?;
        let entries = |part: &[(u32, Entry)]| part.iter().map(|(_, entry)| *entry).collect();
        let (lower, upper): (Vec<Entry>, Vec<Entry>) = (entries(lower), entries(upper));
        let seal = Seal::Directory(raw.owner());
        pack(self.modify(new, seal)?, usable, &source, upper.into_iter());
        pack(self.modify(old, seal)?, usable, &source, lower.into_iter());
        let parent = path.steps[path.depth - 1];
        self.insert_slot(raw, parent, hash | continued, logical)
    }

    /// Gives a directory of one block an index: its entries move into a leaf.
    pub(super) fn make_index(&mut self, raw: &mut RawInode) -> Result<()> {
        let usable = self.geometry.dir_usable();
        let size = self.disk.block_size;
        let first = self.dir_block(raw, 0)?;
        let source = try_copy(self.leaf(raw, first)?)?;
        let mut parent = None;
        let mut kept = Vec::new();
        for entry in entries(&source) {
            let entry = entry?;
            match entry.name(&source) {
                b"." => {}
                b".." => parent = Some(entry.ino),
                _ if entry.ino == 0 => {}
                _ => {
                    kept.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                    kept.push(entry);
                }
            }
        }
        let parent = parent.ok_or(Errno::EUCLEAN)?;
        let (leaf, block) = self.grow_dir(raw)?;
        let seal = Seal::Directory(raw.owner());
        pack(self.modify(block, seal)?, usable, &source, kept.into_iter());
        let limit = (size - INFO - INFO_SIZE - self.geometry.index_tail()) / SLOT;
        let version = self.geometry.hash_version;
        let ino = raw.ino;
        let seal = Seal::Index(raw.owner(), INFO + INFO_SIZE);
        let data = self.modify(first, seal)?;
        data.fill(0);
        write_dots(data, size, ino, parent);
        data[INFO_VERSION] = version;
        data[INFO_LENGTH] = INFO_SIZE as u8;
        let table = INFO + INFO_SIZE;
        put_u16(data, table, limit as u16);
        put_u16(data, table + 2, 1);
        put_u32(data, table + 4, leaf);
        raw.set_flags(raw.flags() | FLAG_INDEX);
        Ok(())
    }

    /// Hands out entries by their hashes, from `cursor` on; see
    /// [`read_dir`](Self::read_dir).
    pub(super) fn read_hashed(
        &mut self,
        raw: &RawInode,
        cursor: u64,
        emit: &mut EmitEntry<'_>,
    ) -> Result<u64> {
        if cursor >= CURSOR_END {
            return Ok(CURSOR_END);
        }
        let root = self.index_root(raw)?;
        let mut path = self.walk(raw, &root, major_of(cursor))?;
        let mut left = self.dir_blocks(raw);
        loop {
            let mut batch = Vec::new();
            let more = loop {
                left = left.checked_sub(1).ok_or(Errno::EUCLEAN)?;
                let block = self.dir_block(raw, path.leaf)?;
                self.collect(raw, block, &root.hasher, cursor, &mut batch)?;
                let next = self.next_leaf(raw, &mut path)?;
                // Names of one hash are ordered together.
                if next.is_none_or(|hash| hash & 1 == 0) {
                    break next.is_some();
                }
            };
            if let Some(refused) = self.emit_batch(batch, emit)? {
                return Ok(refused);
            }
            if !more {
                return Ok(CURSOR_END);
            }
        }
    }

    /// As [`read_hashed`](Self::read_hashed), for a directory of one block: it
    /// is listed as it will be once it has grown.
    pub(super) fn read_single(
        &mut self,
        raw: &RawInode,
        cursor: u64,
        emit: &mut EmitEntry<'_>,
    ) -> Result<u64> {
        if cursor >= CURSOR_END {
            return Ok(CURSOR_END);
        }
        let hasher = Hasher::new(&self.geometry, self.geometry.hash_version)?;
        let block = self.dir_block(raw, 0)?;
        let mut batch = Vec::new();
        self.collect(raw, block, &hasher, cursor, &mut batch)?;
        let refused = self.emit_batch(batch, emit)?;
        Ok(refused.unwrap_or(CURSOR_END))
    }

    /// Adds a block's entries from `cursor` on to `batch`, as (cursor, block, offset).
    fn collect(
        &mut self,
        raw: &RawInode,
        block: u64,
        hasher: &Hasher,
        cursor: u64,
        batch: &mut Vec<(u64, u64, Entry)>,
    ) -> Result<()> {
        let data = self.leaf(raw, block)?;
        for entry in entries(data) {
            let entry = entry?;
            if entry.ino == 0 || entry.is_dots(data) {
                continue;
            }
            let place = hasher.hash(entry.name(data)).cursor();
            if place >= cursor {
                batch.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                batch.push((place, block, entry));
            }
        }
        Ok(())
    }

    /// Hands out entries in order; the cursor of the first that was refused.
    fn emit_batch(
        &mut self,
        mut batch: Vec<(u64, u64, Entry)>,
        emit: &mut EmitEntry<'_>,
    ) -> Result<Option<u64>> {
        batch.sort_unstable_by_key(|&(place, block, entry)| (place, block, entry.at));
        // Most have all entries in one block, which is looked for once.
        for same in batch.chunk_by(|&(_, one, _), &(_, other, _)| one == other) {
            let Some(&(_, block, _)) = same.first() else {
                continue;
            };
            let data = self.read(block)?;
            for &(place, _, entry) in same {
                let entry = DirEntry {
                    name: entry.name(data),
                    ino: u64::from(entry.ino),
                    kind: Some(super::entry::kind_of(entry.code)),
                    next: place + 1,
                };
                if !emit(&entry) {
                    return Ok(Some(place));
                }
            }
        }
        Ok(None)
    }
}

/// Writes `.` and `..`, the second of which takes what is left of `usable` bytes.
pub(super) fn write_dots(block: &mut [u8], usable: usize, ino: u32, parent: u32) {
    let code = kind_code(FileKind::Directory);
    let dots: [(u32, &[u8]); 2] = [(ino, b"."), (parent, b"..")];
    let first = entry_len(1);
    let places = [(0, first), (first, usable - first)];
    for ((ino, name), (at, len)) in dots.into_iter().zip(places) {
        NewEntry { ino, code, name }.write(block, at, len);
    }
}

/// A block's entries with their hashes, in the order of these.
fn by_hash(block: &[u8], hasher: &Hasher) -> Result<Vec<(u32, Entry)>> {
    let mut sorted = Vec::new();
    for entry in entries(block) {
        let entry = entry?;
        if entry.ino != 0 {
            sorted.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            sorted.push((hasher.hash(entry.name(block)).major, entry));
        }
    }
    sorted.sort_unstable_by_key(|&(hash, entry)| (hash, entry.at));
    Ok(sorted)
}

/// Where to divide entries so that both parts are about half a block; `None` for fewer
/// than two.
fn split_point(sorted: &[(u32, Entry)], usable: usize) -> Option<usize> {
    let mut bytes = 0;
    let upper = sorted.iter().rev().take_while(|(_, entry)| {
        bytes += entry.needed();
        bytes <= usable / 2
    });
    let last = sorted.len().checked_sub(1).filter(|&last| last > 0)?;
    Some((sorted.len() - upper.count()).clamp(1, last))
}
