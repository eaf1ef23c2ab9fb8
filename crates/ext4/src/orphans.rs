//! Inodes without a name that are still open: a list on the disk, from which
//! a mount after a loss of power frees them. It is made as a transaction commits, as most
//! that lose their name are free by then.

use crate::bytes::{get_u32, put_u32};
use crate::checksums::Seal;
use crate::layout::{RO_COMPAT_ORPHAN_PRESENT, SB_LAST_ORPHAN, SB_RO_COMPAT};
use crate::raw_inode::RawInode;
use crate::transaction::{Core, note};
use alloc::vec::Vec;
use hashbrown::hash_map::Entry;
use paddock_vfs::{Errno, FileKind, Result};

/// Where the count of users is in a block of extended attributes.
const ATTRIBUTE_USERS: usize = 4;

/// Bytes at the end of a block of the file of orphans: a mark and a checksum.
const ORPHAN_TAIL: usize = 8;

impl Core {
    fn first_orphan(&mut self) -> Result<u32> {
        Ok(get_u32(self.superblock()?, SB_LAST_ORPHAN))
    }

    fn set_first_orphan(&mut self, ino: u32) -> Result<()> {
        self.set_in_superblock(SB_LAST_ORPHAN, ino)
    }

    /// An inode has no name from now on: the commit of the running transaction lists it,
    /// if it is not free or named by then. `ENOMEM`.
    pub fn note_nameless(&mut self, ino: u32) -> Result<()> {
        self.unlisted.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        note(&mut self.unlisted, u64::from(ino), true);
        Ok(())
    }

    /// Puts those into the list that are without a name and not yet there: the body of an
    /// operation. The caller forgets [`unlisted`](Core::unlisted) when it is done.
    pub fn list_orphans(&mut self) -> Result<()> {
        let mut unlisted = Vec::new();
        let count = self.unlisted.len();
        unlisted
            .try_reserve_exact(count)
            .map_err(|_| Errno::ENOMEM)?;
        unlisted.extend(self.unlisted.iter().copied());
        unlisted.sort_unstable();
        unlisted
            .into_iter()
            .try_for_each(|ino| self.list_orphan(ino as u32))
    }

    /// Puts an inode at the head of the list, if it has neither a name nor been freed.
    fn list_orphan(&mut self, ino: u32) -> Result<()> {
        let mut raw = self.inode(ino)?;
        if raw.links() > 0 || raw.dtime() != 0 {
            return Ok(());
        }
        let next = self.first_orphan()?;
        raw.set_dtime(next);
        self.set_first_orphan(ino)?;
        self.note_orphan_before(next, ino);
        self.put_inode(&raw)
    }

    /// Notes which one comes before `ino` in the list, where that is another one. It can
    /// be found without.
    fn note_orphan_before(&mut self, ino: u32, before: u32) {
        let key = u64::from(ino);
        if before == 0 || ino == 0 {
            self.orphans_before.remove(&key);
        } else if let Entry::Occupied(mut known) = self.orphans_before.entry(key) {
            known.insert(before);
        } else if self.orphans_before.try_reserve(1).is_ok() {
            self.orphans_before.entry(key).or_insert(before);
        }
    }

    /// The one before `ino` in the list, which is not its head. `None` if it is not there.
    fn orphan_before(&mut self, ino: u32) -> Result<Option<u32>> {
        if let Some(&before) = self.orphans_before.get(&u64::from(ino)) {
            return Ok(Some(before));
        }
        let mut at = self.first_orphan()?;
        // Bounded: a damaged list could be a circle.
        for _ in 0..self.geometry.inodes {
            if at == 0 {
                return Ok(None);
            }
            let after = self.inode(at)?.dtime();
            if after == ino {
                return Ok(Some(at));
            }
            at = after;
        }
        Err(Errno::EUCLEAN)
    }

    /// Takes an inode out of the list, if it is there.
    pub fn remove_orphan(&mut self, ino: u32) -> Result<()> {
        if self.unlisted.contains(&u64::from(ino)) {
            return Ok(());
        }
        let next = self.inode(ino)?.dtime();
        match self.unlist_orphan(ino, next)? {
            true => self.change_inode(ino, |_, raw| {
                raw.set_dtime(0);
                Ok(())
            }),
            false => Ok(()),
        }
    }

    /// The same, but for what the inode itself says: that is the caller's business.
    /// Whether it was there.
    fn unlist_orphan(&mut self, ino: u32, next: u32) -> Result<bool> {
        let before = match self.first_orphan()? {
            head if head == ino => {
                self.set_first_orphan(next)?;
                0
            }
            _ => {
                let Some(before) = self.orphan_before(ino)? else {
                    return Ok(false);
                };
                self.change_inode(before, |_, raw| {
                    raw.set_dtime(next);
                    Ok(())
                })?;
                before
            }
        };
        self.note_orphan_before(ino, 0);
        self.note_orphan_before(next, before);
        Ok(true)
    }

    /// Frees an inode that has no name, and all that it holds: the body of an
    /// operation.
    pub fn free_inode(&mut self, ino: u32) -> Result<()> {
        let raw = self.inode(ino)?;
        if !self.unlisted.contains(&u64::from(ino)) {
            self.unlist_orphan(ino, raw.dtime())?;
        }
        self.free_unlisted(raw)
    }

    /// As [`free_inode`](Self::free_inode), of one that is not in the list.
    pub fn free_unlisted(&mut self, mut raw: RawInode) -> Result<()> {
        let ino = raw.ino;
        let kind = raw.kind()?;
        if raw.has_map()? {
            self.cut_extents(&mut raw, 0, kind != FileKind::Regular)?;
        }
        self.drop_attributes(raw.attribute_block())?;
        raw.set_attribute_block(0);
        raw.set_size(0);
        raw.add_blocks(-(raw.sectors() as i64), 512);
        let now = self.clock.now().seconds as u32;
        raw.set_dtime(now.max(1));
        self.put_inode(&raw)?;
        self.release_inode(ino, kind == FileKind::Directory)?;
        // Nothing fails from here on.
        self.dirty_files.remove(&u64::from(ino));
        self.unlisted.remove(&u64::from(ino));
        Ok(())
    }

    /// Takes one user of a block of extended attributes away.
    pub fn drop_attributes(&mut self, block: u64) -> Result<()> {
        if block == 0 {
            return Ok(());
        }
        let users = self.attribute_users(block)?;
        if users > 1 {
            put_u32(
                self.modify(block, Seal::Attributes)?,
                ATTRIBUTE_USERS,
                users - 1,
            );
        } else {
            self.free_metadata(block)?;
        }
        Ok(())
    }

    /// Frees everything in the list, at mount and unmount. `EUCLEAN` if it is
    /// damaged.
    pub fn free_orphans(&mut self) -> Result<()> {
        for _ in 0..self.geometry.inodes {
            let ino = self.first_orphan()?;
            if ino == 0 {
                return Ok(());
            }
            self.operation(|core| match core.inode(ino)?.links() {
                0 => core.free_inode(ino),
                _ => core.cut_orphan(ino),
            })?;
        }
        Err(Errno::EUCLEAN)
    }

    /// Frees what the file of orphans names, which another system left there.
    /// Paddock's own are in the list.
    pub fn free_orphan_file(&mut self) -> Result<()> {
        let flags = get_u32(self.superblock()?, SB_RO_COMPAT);
        if flags & RO_COMPAT_ORPHAN_PRESENT == 0 || self.geometry.orphan_file == 0 {
            return Ok(());
        }
        let raw = self.inode(self.geometry.orphan_file)?;
        let seal = Seal::Orphans(raw.owner());
        let blocks = raw.size() / self.disk.block_size as u64;
        for logical in 0..u32::try_from(blocks).map_err(|_| Errno::EUCLEAN)? {
            let extent = self.map(&raw, logical)?.map_err(|_| Errno::EUCLEAN)?;
            let block = extent.physical + u64::from(logical - extent.logical);
            self.free_orphan_block(block, seal)?;
        }
        self.operation(|core| {
            let sb = core.superblock_mut()?;
            put_u32(sb, SB_RO_COMPAT, flags & !RO_COMPAT_ORPHAN_PRESENT);
            Ok(())
        })
    }

    fn free_orphan_block(&mut self, block: u64, seal: Seal) -> Result<()> {
        for at in (0..self.disk.block_size - ORPHAN_TAIL).step_by(4) {
            let ino = get_u32(self.read_sealed(block, |_| seal)?, at);
            if ino == 0 {
                continue;
            }
            self.operation(|core| {
                match core.inode(ino)?.links() {
                    0 => core.free_inode(ino)?,
                    _ => core.cut_orphan(ino)?,
                }
                put_u32(core.modify(block, seal)?, at, 0);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Finishes cutting a file that has a name.
    fn cut_orphan(&mut self, ino: u32) -> Result<()> {
        self.remove_orphan(ino)?;
        let block_size = self.disk.block_size as u64;
        self.change_inode(ino, |core, raw| {
            let from = raw.size().div_ceil(block_size);
            let from = u32::try_from(from).map_err(|_| Errno::EUCLEAN)?;
            match raw.has_map()? {
                true => core.cut_extents(raw, from, false),
                false => Ok(()),
            }
        })
    }
}
