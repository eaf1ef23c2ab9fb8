//! Metadata in memory: buffers, operations that are undone when they fail,
//! and transactions.

mod ahead;
mod commit;
mod undo;
mod verify;

use crate::allocation::FreeCounts;
use crate::buffers::{BlockHasher, BlockMap, BlockSet};
use crate::bytes::{get_u16, put_u16};
use crate::checksums::Seal;
use crate::dir::Searched;
use crate::disk::{Disk, zeroed};
use crate::errors::Health;
use crate::inode::Attributes;
use crate::journal::Journal;
use crate::layout::{Geometry, STATE_ERRORS};
use crate::raw_inode::RawInode;
use crate::table::InodeTable;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;
use paddock_sync::{try_box, try_copy};
use paddock_vfs::cache::{FilePages, PageCache};
use paddock_vfs::{Clock, Errno, Result, Timestamp};
use undo::{Before, Known, Undo};

struct Buffer {
    data: Vec<u8>,
    /// The checksum that it needs.
    seal: Seal,
    /// Changed in the running transaction: [`Core::dirty`] has it then.
    dirty: bool,
    /// The operation that changed it last.
    changed_by: u64,
    /// When it was used last.
    used: u64,
    /// Which of its parts have been found to have their checksums since it came from the
    /// disk: a bit for each inode of a table, bit 0 for a block that has one.
    checked: u64,
    /// Which inodes of a table's block have been changed since they got their checksums: a
    /// bit for each.
    unsealed: u64,
    /// Of a block of a directory's entries: it goes with any change but theirs.
    searched: Searched,
}

impl Buffer {
    /// The operation `serial` changes it, and it needs that checksum. Whether it was clean.
    fn change(&mut self, serial: u64, seal: Seal) -> bool {
        self.used = serial;
        self.seal = seal;
        !core::mem::replace(&mut self.dirty, true)
    }
}

/// Blocks of metadata that a transaction has at most without a journal.
const MOST_DIRTY: usize = 1024;

/// How a transaction gets to the disk.
pub(crate) enum Log {
    /// It does not: nothing is ever written.
    Closed,
    /// Straight to the places of its blocks: there is no journal.
    InPlace,
    /// By way of the journal.
    Journal(Journal),
}

/// The state of a mounted filesystem, guarded by its one lock.
pub(crate) struct Core {
    pub disk: Disk,
    pub geometry: Geometry,
    pub clock: Arc<dyn Clock>,
    /// Whom to tell that there is something to write.
    cache: Arc<PageCache>,
    buffers: BlockMap<Box<Buffer>>,
    /// Those of them that are dirty.
    dirty: BlockSet,
    /// Blocks whose last committed content the log has and their place on the disk has
    /// not: their buffers stay in memory.
    logged: BlockSet,
    /// So many of them there may be after a commit.
    most_logged: usize,
    /// Clean buffers that are kept.
    kept: usize,
    undo: Vec<Undo>,
    /// What its steps of bytes have in common.
    undo_bytes: Vec<u8>,
    /// Inodes that the running operation has changed, and what is so of them now.
    changed: Vec<(u32, Attributes)>,
    table: Arc<InodeTable>,
    /// The group whose inodes were looked for last, and where they begin.
    pub last_group: Option<(u32, u64)>,
    /// Which one comes before an orphan in their list, as far as it is known.
    pub orphans_before: BlockMap<u32>,
    /// Inodes that had no name at the end of an operation of the running transaction,
    /// and are not in that list: some have one again.
    pub unlisted: BlockSet,
    /// What is free, if it has been asked for: the superblock gets it at the commit.
    pub free: Option<FreeCounts>,
    /// The same as the running operation began.
    free_before: Option<FreeCounts>,
    /// Counts uses of buffers.
    serial: u64,
    /// The running operation, by the count at which it began.
    operation: u64,
    /// Runs of blocks freed by the running transaction. They stay taken until
    /// it commits: whoever got them before could destroy what a power cut
    /// brings back.
    freed: Vec<Range<u64>>,
    /// Metadata blocks among them, which a replay must leave alone.
    revoked: Vec<u64>,
    pub log: Log,
    /// Files with pages to write.
    pub dirty_files: BTreeMap<u64, Arc<FilePages>>,
    /// The running transaction has more than times of inodes.
    matters: bool,
    /// The oldest change that is not on the disk.
    pub dirty_since: Option<Timestamp>,
    pub health: Arc<Health>,
    /// How many times all buffers were looked at to forget some.
    #[cfg(test)]
    pub evictions: u64,
}

/// Notes whether a number belongs to a set: there is room for it.
#[allow(
    clippy::disallowed_methods,
    reason = "small: a caller has asked may_allocate, and the heap keeps a reserve for such"
)]
pub(crate) fn note(set: &mut BlockSet, number: u64, belongs: bool) {
    match belongs {
        true => set.insert(number),
        false => set.remove(&number),
    };
}

/// Room for one element more. `ENOMEM`.
fn reserve_one<T>(list: &mut Vec<T>) -> Result<()> {
    list.try_reserve(1).map_err(|_| Errno::ENOMEM)
}

impl Core {
    pub fn new(
        disk: Disk,
        geometry: Geometry,
        clock: Arc<dyn Clock>,
        cache: Arc<PageCache>,
        table: Arc<InodeTable>,
        health: Arc<Health>,
    ) -> Core {
        Core {
            disk,
            geometry,
            clock,
            cache,
            buffers: BlockMap::with_hasher(BlockHasher),
            dirty: BlockSet::with_hasher(BlockHasher),
            logged: BlockSet::with_hasher(BlockHasher),
            most_logged: 0,
            kept: 0,
            undo: Vec::new(),
            undo_bytes: Vec::new(),
            changed: Vec::new(),
            table,
            last_group: None,
            orphans_before: BlockMap::with_hasher(BlockHasher),
            unlisted: BlockSet::with_hasher(BlockHasher),
            free: None,
            free_before: None,
            serial: 0,
            operation: 0,
            freed: Vec::new(),
            revoked: Vec::new(),
            log: Log::Closed,
            dirty_files: BTreeMap::new(),
            matters: true,
            dirty_since: None,
            health,
            #[cfg(test)]
            evictions: 0,
        }
    }

    /// How many times a block was looked at.
    #[cfg(test)]
    pub fn uses(&self) -> u64 {
        self.serial
    }

    /// Sets how many bytes of clean metadata are kept.
    pub fn keep_bytes(&mut self, bytes: usize) {
        self.kept = (bytes / self.disk.block_size).max(32);
        self.most_logged = self.kept / 2;
    }

    /// `EROFS` if nothing may be changed (any more).
    pub fn check_writable(&self) -> Result<()> {
        match self.is_closed() || self.is_stopped() {
            true => Err(Errno::EROFS),
            false => Ok(()),
        }
    }

    /// Whether no more changes are taken.
    pub fn is_stopped(&self) -> bool {
        self.health.is_stopped()
    }

    /// Whether nothing is ever written.
    pub fn is_closed(&self) -> bool {
        matches!(self.log, Log::Closed)
    }

    /// Puts the mark for errors into the superblock's buffer, if there is one,
    /// so that the next transaction does not take it away.
    pub fn note_errors_in_memory(&mut self, block: u64, at: usize) {
        if let Some(buffer) = self.buffers.get_mut(&block) {
            let state = get_u16(&buffer.data, at);
            put_u16(&mut buffer.data, at, state | STATE_ERRORS);
        }
    }

    /// The block's content. `EIO`, `EUCLEAN`.
    pub fn read(&mut self, block: u64) -> Result<&[u8]> {
        self.load(block)?;
        self.serial += 1;
        let serial = self.serial;
        let buffer = self.buffers.get_mut(&block).ok_or(Errno::EIO)?;
        buffer.used = serial;
        Ok(&buffer.data)
    }

    fn load(&mut self, block: u64) -> Result<()> {
        if self.buffers.contains_key(&block) {
            return Ok(());
        }
        let mut data = zeroed(self.disk.block_size)?;
        if let Err(error) = self.disk.read(block, &mut data) {
            self.found_bad("metadata cannot be read", error);
            return Err(error);
        }
        self.put_clean(block, data)
    }

    /// Keeps what has been read of a block that is not in memory. `ENOMEM`.
    #[allow(
        clippy::disallowed_methods,
        reason = "small: a caller has asked may_allocate, and the heap keeps a reserve for such"
    )]
    fn put_clean(&mut self, block: u64, data: Vec<u8>) -> Result<()> {
        let buffer = Buffer {
            data,
            seal: Seal::None,
            dirty: false,
            changed_by: 0,
            used: self.serial,
            checked: 0,
            unsealed: 0,
            searched: Searched::default(),
        };
        let buffer = try_box(buffer)?;
        self.reserve_buffer()?;
        self.buffers.insert(block, buffer);
        Ok(())
    }

    /// The block's content, to change within [`operation`](Self::operation);
    /// `seal` is the checksum that it needs.
    pub fn modify(&mut self, block: u64, seal: Seal) -> Result<&mut [u8]> {
        self.load(block)?;
        reserve_one(&mut self.undo)?;
        let serial = self.operation;
        let buffer = self.buffers.get_mut(&block).ok_or(Errno::EIO)?;
        if buffer.changed_by != serial {
            let before = try_box(Buffer {
                data: try_copy(&buffer.data)?,
                searched: Searched::default(),
                ..**buffer
            })?;
            self.undo.push(Undo {
                block,
                before: Before::Buffer(Some(before)),
            });
            buffer.changed_by = serial;
        }
        buffer.searched = Searched::default();
        if buffer.change(serial, seal) {
            note(&mut self.dirty, block, true);
        }
        Ok(&mut buffer.data)
    }

    /// As [`modify`](Self::modify), of some bytes alone: others need not be kept to undo
    /// it. `EUCLEAN` if the block has no such bytes.
    pub fn modify_bytes(
        &mut self,
        block: u64,
        seal: Seal,
        at: usize,
        len: usize,
    ) -> Result<&mut [u8]> {
        let (bytes, searched) = self.modify_entries(block, seal, at, len)?;
        *searched = Searched::default();
        Ok(bytes)
    }

    /// As [`modify_bytes`](Self::modify_bytes), of a block of a directory's entries: the
    /// caller says what becomes of their names.
    pub fn modify_entries(
        &mut self,
        block: u64,
        seal: Seal,
        at: usize,
        len: usize,
    ) -> Result<(&mut [u8], &mut Searched)> {
        self.load(block)?;
        reserve_one(&mut self.undo)?;
        let serial = self.operation;
        let buffer = self.buffers.get_mut(&block).ok_or(Errno::EIO)?;
        let end = at.checked_add(len).ok_or(Errno::EUCLEAN)?;
        let bytes = buffer.data.get(at..end).ok_or(Errno::EUCLEAN)?;
        // With the whole buffer kept already there is nothing to add.
        if buffer.changed_by != serial {
            let known = Known {
                seal: buffer.seal,
                dirty: buffer.dirty,
            };
            self.undo_bytes
                .try_reserve(len)
                .map_err(|_| Errno::ENOMEM)?;
            self.undo_bytes.extend_from_slice(bytes);
            self.undo.push(Undo {
                block,
                before: Before::Bytes(at, len, known),
            });
        }
        if let Seal::Inodes(_) = seal {
            buffer.unsealed |= 1 << (at / self.geometry.inode_size);
        }
        if buffer.change(serial, seal) {
            note(&mut self.dirty, block, true);
        }
        Ok((&mut buffer.data[at..end], &mut buffer.searched))
    }

    /// Room for one buffer more: those that an operation has taken out find theirs when
    /// they are put back. `ENOMEM`.
    fn reserve_buffer(&mut self) -> Result<()> {
        // Each may become dirty.
        let room = self.buffers.len() + 1 - self.dirty.len();
        self.dirty.try_reserve(room).map_err(|_| Errno::ENOMEM)?;
        self.buffers.try_reserve(1).map_err(|_| Errno::ENOMEM)
    }

    /// Puts a buffer in, or takes it out; what was there before.
    #[allow(
        clippy::disallowed_methods,
        reason = "small: a caller has asked may_allocate, and the heap keeps a reserve for such"
    )]
    fn put_buffer(&mut self, block: u64, buffer: Option<Box<Buffer>>) -> Option<Box<Buffer>> {
        let is_dirty = |buffer: &Option<Box<Buffer>>| buffer.as_ref().is_some_and(|b| b.dirty);
        note(&mut self.dirty, block, is_dirty(&buffer));
        match buffer {
            Some(buffer) => self.buffers.insert(block, buffer),
            None => self.buffers.remove(&block),
        }
    }

    /// A block that was just allocated, all zeroes.
    pub fn fresh(&mut self, block: u64, seal: Seal) -> Result<&mut [u8]> {
        reserve_one(&mut self.undo)?;
        let serial = self.operation;
        let buffer = Buffer {
            data: zeroed(self.disk.block_size)?,
            seal,
            dirty: true,
            changed_by: serial,
            used: serial,
            checked: !0,
            unsealed: 0,
            searched: Searched::default(),
        };
        let buffer = try_box(buffer)?;
        self.reserve_buffer()?;
        let before = self.put_buffer(block, Some(buffer));
        self.undo.push(Undo {
            block,
            before: Before::Buffer(before),
        });
        let buffer = self.buffers.get_mut(&block).ok_or(Errno::EIO)?;
        Ok(&mut buffer.data)
    }

    /// Frees a run of blocks of file data when the transaction commits.
    pub fn free_data(&mut self, start: u64, count: u64) -> Result<()> {
        reserve_one(&mut self.freed)?;
        self.freed.push(start..start + count);
        Ok(())
    }

    /// Frees a metadata block when the transaction commits.
    pub fn free_metadata(&mut self, block: u64) -> Result<()> {
        reserve_one(&mut self.undo)?;
        reserve_one(&mut self.freed)?;
        reserve_one(&mut self.revoked)?;
        let before = self.put_buffer(block, None);
        self.undo.push(Undo {
            block,
            before: Before::Buffer(before),
        });
        self.freed.push(block..block + 1);
        self.revoked.push(block);
        Ok(())
    }

    /// Blocks that will be free when the transaction commits.
    pub fn freed_blocks(&self) -> u64 {
        self.freed.iter().map(|run| run.end - run.start).sum()
    }

    /// Makes changes that are undone if `change` fails. Commits first if the
    /// running transaction has become large. `EROFS`.
    pub fn operation<T>(&mut self, change: impl FnOnce(&mut Core) -> Result<T>) -> Result<T> {
        self.check_writable()?;
        if self.is_transaction_large() {
            self.commit()?;
        }
        self.begin();
        self.note_change();
        let (freed, revoked) = (self.freed.len(), self.revoked.len());
        let result = change(self);
        if let Err(error) = result {
            self.roll_back();
            // What cannot be read has been told already.
            if error == Errno::EUCLEAN {
                self.found_bad("metadata is damaged", error);
            }
            self.freed.truncate(freed);
            self.revoked.truncate(revoked);
        } else {
            self.matters = self.matters || !self.changes_times_alone();
            self.show_changed();
        }
        self.forget_undo();
        result
    }

    fn begin(&mut self) {
        self.serial += 1;
        self.operation = self.serial;
        self.forget_undo();
        self.changed.clear();
        self.free_before = self.free;
    }

    /// Notes that the running operation changes an inode, to this. `ENOMEM`.
    pub fn note_inode(&mut self, raw: &RawInode) -> Result<()> {
        let now = Attributes::of(raw);
        if let Some((_, known)) = self.changed.iter_mut().find(|(ino, _)| *ino == raw.ino) {
            *known = now;
            return Ok(());
        }
        reserve_one(&mut self.changed)?;
        self.changed.push((raw.ino, now));
        Ok(())
    }

    /// Whether an inode has an object.
    pub fn is_in_use(&self, ino: u32) -> bool {
        self.table.get(ino).is_some()
    }

    /// The object of an inode tells what is so now, whatever the operation has changed.
    pub fn is_shown(&mut self, ino: u32) {
        self.changed.retain(|(changed, _)| *changed != ino);
    }

    /// Has the objects of the changed inodes tell what is so now.
    fn show_changed(&mut self) {
        while let Some((ino, now)) = self.changed.pop() {
            if let Some(inode) = self.table.get(ino) {
                inode.show(now);
            }
        }
    }

    /// There is something to write from now on.
    pub fn note_change(&mut self) {
        if self.dirty_since.is_none() {
            self.dirty_since = Some(self.clock.now());
            self.cache.announce_change();
        }
    }

    fn is_transaction_large(&self) -> bool {
        let limit = match &self.log {
            Log::Closed => 0,
            Log::InPlace => MOST_DIRTY,
            Log::Journal(journal) => journal.transaction_limit(),
        };
        self.dirty.len() + self.freed.len() / 64 > limit
    }

    /// How many buffers there are at least that can be forgotten.
    fn clean(&self) -> usize {
        let kept = self.dirty.len() + self.logged.len();
        self.buffers.len().saturating_sub(kept)
    }

    /// Forgets clean buffers that were not used lately, if there are many.
    fn evict(&mut self) {
        let kept = self.kept;
        if self.clean() <= kept {
            return;
        }
        #[cfg(test)]
        (self.evictions += 1);
        let logged = &self.logged;
        let is_needed = |block: &u64, buffer: &Buffer| buffer.dirty || logged.contains(block);
        let clean = self
            .buffers
            .iter()
            .filter(|(block, buffer)| !is_needed(block, buffer));
        let mut ages: Vec<u64> = clean.map(|(_, buffer)| buffer.used).collect();
        let middle = ages.len() - kept / 2;
        let (_, oldest_kept, _) = ages.select_nth_unstable(middle);
        let oldest_kept = *oldest_kept;
        self.buffers
            .retain(|block, buffer| is_needed(block, buffer) || buffer.used >= oldest_kept);
    }

    /// As [`evict`](Self::evict), for those who only read.
    pub fn trim(&mut self) {
        if self.clean() > 2 * self.kept {
            self.evict();
        }
    }

    /// Forgets all clean buffers.
    pub fn drop_clean(&mut self) {
        let logged = &self.logged;
        self.buffers
            .retain(|block, buffer| buffer.dirty || logged.contains(block));
    }

    /// Forgets all buffers: what they hold is on the disk, or out of date.
    pub fn forget_buffers(&mut self) {
        self.buffers.clear();
        self.last_group = None;
        self.free = None;
        self.dirty.clear();
        self.logged.clear();
    }
}
