//! The map from a file's blocks to the disk's: a tree of extents, or, in files without
//! them, [numbers](crate::block_map).

use crate::bytes::{get_u16, get_u32, put_u16, put_u32};
use crate::checksums::Seal;
use crate::raw_inode::{FLAG_EXTENTS, I_BLOCK_LEN, RawInode};
use crate::transaction::Core;
use alloc::vec::Vec;
use core::ops::Range;
use paddock_vfs::{Errno, Result};

const MAGIC: u16 = 0xf30a;
const HEADER: usize = 12;
const ENTRY: usize = 12;
const MAX_DEPTH: u16 = 5;
/// The longest extent; longer numbers mean "allocated but not written".
const MAX_LEN: u32 = 32_768;
/// The longest extent that is not written.
pub const MOST_UNWRITTEN: u32 = MAX_LEN - 1;

/// Blocks of a file that are one run on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// The first block in the file.
    pub logical: u32,
    pub len: u32,
    /// The first block on the disk.
    pub physical: u64,
    /// Allocated, but holds nothing: reads as zeroes.
    pub unwritten: bool,
}

impl Extent {
    /// The block of the file behind it.
    pub fn end(&self) -> u32 {
        self.logical.saturating_add(self.len)
    }

    /// The part of it from one block of the file up to another.
    pub fn part(&self, from: u32, to: u32) -> Extent {
        Extent {
            logical: from,
            len: to - from,
            physical: self.physical + u64::from(from - self.logical),
            ..*self
        }
    }
}

/// What is at a block of a file: the extent that holds it, or the length of a hole there
/// (at least 1).
pub(crate) type Mapped = core::result::Result<Extent, u32>;

/// An entry of a node: an extent, or (with `len` 0) a child.
type Entry = Extent;

/// A node of the tree, unpacked.
struct Node {
    depth: u16,
    max: usize,
    entries: Vec<Entry>,
}

/// A half of a node that was split: a new child of its parent.
type Sibling = Option<Entry>;

fn capacity(bytes: usize) -> usize {
    (bytes - HEADER) / ENTRY
}

impl Node {
    fn parse(bytes: &[u8]) -> Result<Node> {
        let count = usize::from(get_u16(bytes, 2));
        let max = usize::from(get_u16(bytes, 4));
        let depth = get_u16(bytes, 6);
        let sane = count <= max && max <= capacity(bytes.len()) && depth <= MAX_DEPTH;
        if get_u16(bytes, 0) != MAGIC || !sane {
            return Err(Errno::EUCLEAN);
        }
        let mut entries = Vec::new();
        entries.try_reserve(count + 1).map_err(|_| Errno::ENOMEM)?;
        let records = bytes[HEADER..].chunks_exact(ENTRY).take(count);
        entries.extend(records.map(|record| parse_entry(record, depth)));
        match is_ordered(&entries, depth) {
            true => Ok(Node {
                depth,
                max,
                entries,
            }),
            false => Err(Errno::EUCLEAN),
        }
    }

    fn write(&self, bytes: &mut [u8]) {
        put_u16(bytes, 0, MAGIC);
        put_u16(bytes, 2, self.entries.len() as u16);
        put_u16(bytes, 4, self.max as u16);
        put_u16(bytes, 6, self.depth);
        bytes[HEADER..].fill(0);
        let records = bytes[HEADER..].chunks_exact_mut(ENTRY);
        for (record, entry) in records.zip(&self.entries) {
            write_entry(record, entry, self.depth);
        }
    }

    /// The entry that `logical` falls into, or the one before.
    fn find(&self, logical: u32) -> Option<usize> {
        let after = self.entries.partition_point(|e| e.logical <= logical);
        after.checked_sub(1)
    }
}

/// A node as it lies in its block.
struct View<'a> {
    depth: u16,
    records: &'a [[u8; ENTRY]],
}

/// What a node says of a block.
struct Lookup {
    depth: u16,
    /// The last entry that does not begin behind it.
    entry: Option<Entry>,
    /// Where the entry after that begins.
    next: Option<u32>,
}

impl View<'_> {
    /// Checks the header alone: who looks one block up reads few entries.
    fn parse(bytes: &[u8]) -> Result<View<'_>> {
        let (count, depth) = (usize::from(get_u16(bytes, 2)), get_u16(bytes, 6));
        let (records, _) = bytes.get(HEADER..).unwrap_or_default().as_chunks();
        match records.get(..count) {
            Some(records) if get_u16(bytes, 0) == MAGIC && depth <= MAX_DEPTH => {
                Ok(View { depth, records })
            }
            _ => Err(Errno::EUCLEAN),
        }
    }

    /// Whether it is that of a file without blocks.
    fn is_blank(&self) -> bool {
        self.depth == 0 && self.records.is_empty()
    }

    fn find(&self, logical: u32) -> Lookup {
        let after = self
            .records
            .partition_point(|record| get_u32(record, 0) <= logical);
        let entry = after.checked_sub(1).and_then(|at| self.records.get(at));
        Lookup {
            depth: self.depth,
            entry: entry.map(|record| parse_entry(record, self.depth)),
            next: self.records.get(after).map(|record| get_u32(record, 0)),
        }
    }
}

/// Whether entries follow one another without overlap.
fn is_ordered(entries: &[Entry], depth: u16) -> bool {
    let ends = |entry: &Entry| entry.logical.checked_add(entry.len);
    let whole = |entry: &Entry| depth > 0 || (entry.len > 0 && ends(entry).is_some());
    let follows =
        |a: &Entry, b: &Entry| a.logical < b.logical && ends(a).is_some_and(|end| end <= b.logical);
    entries.iter().all(whole) && entries.is_sorted_by(follows)
}

fn parse_entry(record: &[u8], depth: u16) -> Entry {
    let logical = get_u32(record, 0);
    if depth > 0 {
        return Entry {
            logical,
            len: 0,
            physical: u64::from(get_u32(record, 4)) | u64::from(get_u16(record, 8)) << 32,
            unwritten: false,
        };
    }
    let len = u32::from(get_u16(record, 4));
    let unwritten = len > MAX_LEN;
    Entry {
        logical,
        len: if unwritten { len - MAX_LEN } else { len },
        physical: u64::from(get_u32(record, 8)) | u64::from(get_u16(record, 6)) << 32,
        unwritten,
    }
}

fn write_entry(record: &mut [u8], entry: &Entry, depth: u16) {
    put_u32(record, 0, entry.logical);
    if depth > 0 {
        put_u32(record, 4, entry.physical as u32);
        put_u16(record, 8, (entry.physical >> 32) as u16);
        return;
    }
    let flag = if entry.unwritten { MAX_LEN } else { 0 };
    put_u16(record, 4, (entry.len + flag) as u16);
    put_u16(record, 6, (entry.physical >> 32) as u16);
    put_u32(record, 8, entry.physical as u32);
}

/// Whether `b` goes on where `a` ends, and both fit into one extent.
fn joins(a: &Extent, b: &Extent) -> bool {
    let max = if a.unwritten { MOST_UNWRITTEN } else { MAX_LEN };
    a.unwritten == b.unwritten
        && a.logical.checked_add(a.len) == Some(b.logical)
        && a.physical + u64::from(a.len) == b.physical
        && a.len + b.len <= max
}

impl RawInode {
    /// Makes the map empty, and one of extents.
    fn init_extents(&mut self) {
        let root = Node {
            depth: 0,
            max: capacity(I_BLOCK_LEN),
            entries: Vec::new(),
        };
        root.write(self.i_block_mut());
        self.set_flags(self.flags() | FLAG_EXTENTS);
    }

    /// Whether the map is one of extents.
    pub fn has_extents(&self) -> bool {
        self.flags() & FLAG_EXTENTS != 0
    }

    fn root_view(&self) -> Result<View<'_>> {
        View::parse(self.i_block())
    }

    fn root(&self) -> Result<Node> {
        Node::parse(self.i_block())
    }
}

impl Core {
    /// Makes a file's map empty, which has been all zeroes.
    pub fn init_map(&self, raw: &mut RawInode) {
        if self.geometry.extents {
            raw.init_extents();
        }
    }

    /// A block of a file's tree. `EBADMSG`, `EUCLEAN`.
    fn tree_block(&mut self, raw: &RawInode, block: u64) -> Result<&[u8]> {
        self.geometry.locate_block(block)?;
        self.read_sealed(block, |_| Seal::Extents(raw.owner()))
    }

    fn node(&mut self, raw: &RawInode, block: u64, parent_depth: u16) -> Result<Node> {
        let node = Node::parse(self.tree_block(raw, block)?)?;
        match node.depth + 1 == parent_depth {
            true => Ok(node),
            false => Err(Errno::EUCLEAN),
        }
    }

    /// What is at block `logical` of a file. `EBADMSG`, `EUCLEAN`, `EIO`.
    pub fn map(&mut self, raw: &RawInode, logical: u32) -> Result<Mapped> {
        if !raw.has_extents() {
            return self.map_numbers(raw, logical);
        }
        let mut found = raw.root_view()?.find(logical);
        let mut hole_end = u32::MAX;
        loop {
            hole_end = found.next.unwrap_or(hole_end);
            // A damaged node may be in no order.
            if hole_end <= logical || found.entry.is_some_and(|e| e.logical > logical) {
                return Err(Errno::EUCLEAN);
            }
            let Some(entry) = found.entry else {
                return Ok(Err(hole_end - logical));
            };
            if found.depth > 0 {
                let view = View::parse(self.tree_block(raw, entry.physical)?)?;
                if view.depth + 1 != found.depth {
                    return Err(Errno::EUCLEAN);
                }
                found = view.find(logical);
                continue;
            }
            if logical - entry.logical >= entry.len {
                return Ok(Err(hole_end - logical));
            }
            let last = entry.len - 1;
            entry.logical.checked_add(last).ok_or(Errno::EUCLEAN)?;
            self.geometry.locate_block(entry.physical)?;
            self.geometry
                .locate_block(entry.physical + u64::from(last))?;
            return Ok(Ok(entry));
        }
    }

    /// Adds an extent to the map, where there is a hole. The caller writes
    /// the inode back, and counts the blocks of the extent itself. `ENOSPC`.
    pub fn insert_extent(&mut self, raw: &mut RawInode, extent: Extent) -> Result<()> {
        if !raw.has_extents() {
            return self.insert_numbers(raw, extent);
        }
        let mut root = raw.root()?;
        if let Some(right) = self.insert_into(raw, &mut root, extent)? {
            // The root is full: both halves move below a new one.
            let left = self.add_node(raw, root.depth, core::mem::take(&mut root.entries))?;
            root.depth += 1;
            root.entries = alloc::vec![left, right];
        }
        root.write(raw.i_block_mut());
        Ok(())
    }

    fn insert_into(
        &mut self,
        raw: &mut RawInode,
        node: &mut Node,
        extent: Extent,
    ) -> Result<Sibling> {
        let at = match node.depth {
            0 => match insert_into_leaf(node, extent) {
                Some(at) => at,
                None => return Ok(None),
            },
            _ => match self.insert_into_child(raw, node, extent)? {
                Some(at) => at,
                None => return Ok(None),
            },
        };
        if node.entries.len() <= node.max {
            return Ok(None);
        }
        // A file that grows at its end fills its nodes.
        let middle = match at + 1 == node.entries.len() {
            true => at,
            false => node.entries.len() / 2,
        };
        let right = node.entries.split_off(middle);
        self.add_node(raw, node.depth, right).map(Some)
    }

    /// Where a new child was added to `node`, if one was.
    fn insert_into_child(
        &mut self,
        raw: &mut RawInode,
        node: &mut Node,
        extent: Extent,
    ) -> Result<Option<usize>> {
        let at = node.find(extent.logical).unwrap_or(0);
        let entry = node.entries.get_mut(at).ok_or(Errno::EUCLEAN)?;
        entry.logical = entry.logical.min(extent.logical);
        let block = entry.physical;
        let mut child = self.node(raw, block, node.depth)?;
        let sibling = self.insert_into(raw, &mut child, extent)?;
        let seal = Seal::Extents(raw.owner());
        child.write(self.modify(block, seal)?);
        Ok(sibling.map(|sibling| {
            node.entries.insert(at + 1, sibling);
            at + 1
        }))
    }

    /// A new block of the tree with these entries, as its parent's entry.
    fn add_node(&mut self, raw: &mut RawInode, depth: u16, entries: Vec<Entry>) -> Result<Entry> {
        let logical = entries.first().ok_or(Errno::EUCLEAN)?.logical;
        let goal = self.data_goal(raw.ino);
        let (physical, _) = self.allocate_blocks(goal, 1)?;
        let block_size = self.disk.block_size;
        let max = capacity(block_size);
        let node = Node {
            depth,
            max,
            entries,
        };
        let seal = Seal::Extents(raw.owner());
        node.write(self.fresh(physical, seal)?);
        raw.add_blocks(1, block_size);
        Ok(Entry {
            logical,
            len: 0,
            physical,
            unwritten: false,
        })
    }

    /// Takes everything from block `from` on out of the map and frees it. The
    /// caller writes the inode back.
    pub fn cut_extents(&mut self, raw: &mut RawInode, from: u32, metadata: bool) -> Result<()> {
        if !raw.has_extents() {
            return self.cut_numbers(raw, from, metadata);
        }
        if raw.root_view()?.is_blank() {
            return Ok(());
        }
        let mut root = raw.root()?;
        self.cut_node(raw, &mut root, from, metadata)?;
        if root.entries.is_empty() {
            root.depth = 0;
        }
        root.write(raw.i_block_mut());
        Ok(())
    }

    fn cut_node(
        &mut self,
        raw: &mut RawInode,
        node: &mut Node,
        from: u32,
        metadata: bool,
    ) -> Result<()> {
        while let Some(last) = node.entries.last_mut() {
            if node.depth == 0 {
                let kept = from.saturating_sub(last.logical).min(last.len);
                let gone = last.len - kept;
                let start = last.physical + u64::from(kept);
                last.len = kept;
                if kept == 0 {
                    node.entries.pop();
                }
                self.free_run(raw, start, gone, metadata)?;
                if kept > 0 {
                    return Ok(());
                }
                continue;
            }
            let (block, depth) = (last.physical, node.depth);
            let mut child = self.node(raw, block, depth)?;
            self.cut_node(raw, &mut child, from, metadata)?;
            if !child.entries.is_empty() {
                let seal = Seal::Extents(raw.owner());
                child.write(self.modify(block, seal)?);
                return Ok(());
            }
            node.entries.pop();
            self.free_run(raw, block, 1, true)?;
        }
        Ok(())
    }

    /// Frees blocks that were taken out of the map.
    pub fn free_run(
        &mut self,
        raw: &mut RawInode,
        start: u64,
        len: u32,
        metadata: bool,
    ) -> Result<()> {
        if len == 0 {
            return Ok(());
        }
        self.geometry.locate_block(start)?;
        self.geometry.locate_block(start + u64::from(len) - 1)?;
        match metadata {
            true => {
                (start..start + u64::from(len)).try_for_each(|block| self.free_metadata(block))?
            }
            false => self.free_data(start, u64::from(len))?,
        }
        raw.add_blocks(-i64::from(len), self.disk.block_size);
        Ok(())
    }

    /// Marks blocks as written, which are part of one unwritten extent.
    pub fn mark_written(&mut self, raw: &mut RawInode, range: Range<u32>) -> Result<()> {
        for mut extent in self.take_extents(raw, range)? {
            extent.unwritten = false;
            self.insert_extent(raw, extent)?;
        }
        Ok(())
    }

    /// Takes a range out of the map, without freeing it: what was there. The
    /// caller writes the inode back.
    pub fn take_extents(&mut self, raw: &mut RawInode, range: Range<u32>) -> Result<Vec<Extent>> {
        if !raw.has_extents() {
            return self.take_numbers(raw, range);
        }
        let mut taken = Taken::default();
        if range.is_empty() {
            return Ok(taken.extents);
        }
        let mut root = raw.root()?;
        self.take_from_node(raw, &mut root, &range, &mut taken)?;
        if root.entries.is_empty() {
            root.depth = 0;
        }
        self.pull_up(raw, &mut root)?;
        root.write(raw.i_block_mut());
        if let Some(rest) = taken.rest {
            self.insert_extent(raw, rest)?;
        }
        Ok(taken.extents)
    }

    /// Moves the entries of a root's only child into the root if they fit.
    fn pull_up(&mut self, raw: &mut RawInode, root: &mut Node) -> Result<()> {
        let [only] = root.entries[..] else {
            return Ok(());
        };
        if root.depth == 0 {
            return Ok(());
        }
        let child = self.node(raw, only.physical, root.depth)?;
        if child.entries.len() > root.max {
            return Ok(());
        }
        self.free_run(raw, only.physical, 1, true)?;
        root.depth -= 1;
        root.entries = child.entries;
        Ok(())
    }

    fn take_from_node(
        &mut self,
        raw: &mut RawInode,
        node: &mut Node,
        range: &Range<u32>,
        taken: &mut Taken,
    ) -> Result<()> {
        let mut at = node.find(range.start).unwrap_or(0);
        if node.depth == 0 {
            return take_from_leaf(node, at, range, taken);
        }
        while let Some(entry) = node.entries.get(at).filter(|e| e.logical < range.end) {
            let block = entry.physical;
            let mut child = self.node(raw, block, node.depth)?;
            let before = taken.extents.len();
            self.take_from_node(raw, &mut child, range, taken)?;
            if taken.extents.len() == before {
                at += 1;
                continue;
            }
            match child.entries.first() {
                Some(first) => {
                    node.entries[at].logical = first.logical;
                    let seal = Seal::Extents(raw.owner());
                    child.write(self.modify(block, seal)?);
                    at += 1;
                }
                None => {
                    node.entries.remove(at);
                    self.free_run(raw, block, 1, true)?;
                }
            }
        }
        Ok(())
    }
}

/// What was taken out of a map.
#[derive(Default)]
struct Taken {
    extents: Vec<Extent>,
    /// What was behind it in the same extent, and is to go back.
    rest: Option<Extent>,
}

fn take_from_leaf(
    leaf: &mut Node,
    mut at: usize,
    range: &Range<u32>,
    taken: &mut Taken,
) -> Result<()> {
    while let Some(entry) = leaf.entries.get_mut(at) {
        let whole = *entry;
        if whole.logical >= range.end {
            break;
        }
        let (from, to) = (whole.logical.max(range.start), whole.end().min(range.end));
        if from >= to {
            at += 1;
            continue;
        }
        taken.extents.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        taken.extents.push(whole.part(from, to));
        match (from > whole.logical, to < whole.end()) {
            (false, false) => {
                leaf.entries.remove(at);
                continue;
            }
            (false, true) => *entry = whole.part(to, whole.end()),
            (true, more) => {
                *entry = whole.part(whole.logical, from);
                taken.rest = more.then(|| whole.part(to, whole.end()));
            }
        }
        at += 1;
    }
    Ok(())
}

/// Where the extent was added as a new entry; `None` if it was joined to
/// another.
fn insert_into_leaf(node: &mut Node, extent: Extent) -> Option<usize> {
    let at = node
        .entries
        .partition_point(|e| e.logical <= extent.logical);
    if at > 0 && joins(&node.entries[at - 1], &extent) {
        node.entries[at - 1].len += extent.len;
        if at < node.entries.len() && joins(&node.entries[at - 1], &node.entries[at]) {
            node.entries[at - 1].len += node.entries[at].len;
            node.entries.remove(at);
        }
        return None;
    }
    if at < node.entries.len() && joins(&extent, &node.entries[at]) {
        let next = &mut node.entries[at];
        next.logical = extent.logical;
        next.physical = extent.physical;
        next.len += extent.len;
        return None;
    }
    node.entries.insert(at, extent);
    Some(at)
}
