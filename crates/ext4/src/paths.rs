//! Changes of names: each function is the body of one operation.

use crate::checksums::Seal;
use crate::dir::Room;
use crate::extents::Extent;
use crate::raw_inode::{CTIME, I_BLOCK_LEN, RawInode};
use crate::transaction::Core;
use alloc::vec::Vec;
use paddock_abi::fcntl::{RENAME_EXCHANGE, RENAME_NOREPLACE};
use paddock_vfs::{Errno, FileKind, NewNode, Result};

/// Names that one inode may have.
const MAX_LINKS: u32 = 65_000;

/// A name in a directory.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub dir: u32,
    pub name: &'a [u8],
}

impl Core {
    /// Changes one inode and writes it back.
    pub fn change_inode<T>(
        &mut self,
        ino: u32,
        change: impl FnOnce(&mut Core, &mut RawInode) -> Result<T>,
    ) -> Result<T> {
        let mut raw = self.inode(ino)?;
        let value = change(self, &mut raw)?;
        self.put_inode(&raw)?;
        Ok(value)
    }

    /// The inode number and kind behind a name. `ENOENT`, `ENOTDIR`.
    pub fn look_up(&mut self, place: Place<'_>) -> Result<(u32, FileKind)> {
        let raw = self.directory(place.dir)?;
        self.find_entry(&raw, place.name)
    }

    fn directory(&mut self, ino: u32) -> Result<RawInode> {
        let raw = self.inode(ino)?;
        match raw.kind()? {
            FileKind::Directory => Ok(raw),
            _ => Err(Errno::ENOTDIR),
        }
    }

    fn look_up_optional(&mut self, place: Place<'_>) -> Result<Option<(u32, FileKind)>> {
        match self.look_up(place) {
            Ok(found) => Ok(Some(found)),
            Err(Errno::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes sure that a name is not there; the directory, and room for it, if some was
    /// seen. `EEXIST`; `ENOENT` in a directory that was removed.
    fn check_absent(&mut self, place: Place<'_>) -> Result<(RawInode, Option<Room>)> {
        let raw = self.directory(place.dir)?;
        let room = self.find_room(&raw, place.name)?;
        match raw.links() {
            0 => Err(Errno::ENOENT),
            _ => Ok((raw, room)),
        }
    }

    /// Makes an inode and its name; its number.
    pub fn create(&mut self, at: Place<'_>, node: &NewNode, target: &[u8]) -> Result<u32> {
        let (mut dir, room) = self.check_absent(at)?;
        let is_dir = node.kind == FileKind::Directory;
        let ino = self.allocate_inode(at.dir, is_dir)?;
        let mut raw = self.new_inode(ino, node)?;
        match node.kind {
            FileKind::Directory => {
                self.init_dir(&mut raw, at.dir)?;
                raw.set_links(2);
                self.add_dir_link(&mut dir, 1)?;
            }
            FileKind::Symlink => self.write_target(&mut raw, target)?,
            _ => {}
        }
        self.put_inode(&raw)?;
        self.enlist(dir, (at.name, room), ino, node.kind)?;
        Ok(ino)
    }

    /// Makes a regular file without a name; its number.
    pub fn create_unnamed(&mut self, near: u32, node: &NewNode) -> Result<u32> {
        let ino = self.allocate_inode(near, false)?;
        let mut raw = self.new_inode(ino, node)?;
        raw.set_links(0);
        self.put_inode(&raw)?;
        self.note_nameless(ino)?;
        Ok(ino)
    }

    /// Adds the entry alone, where room was found last, and writes the changed directory
    /// back.
    fn enlist(
        &mut self,
        mut dir: RawInode,
        at: (&[u8], Option<Room>),
        ino: u32,
        kind: FileKind,
    ) -> Result<()> {
        self.add_entry(&mut dir, at, ino, kind)?;
        dir.modified(self.clock.now());
        self.put_inode(&dir)
    }

    /// Removes the entry alone, and records the change of the directory.
    fn delist(&mut self, at: Place<'_>) -> Result<()> {
        let now = self.clock.now();
        self.change_inode(at.dir, |core, dir| {
            core.remove_entry(dir, at.name)?;
            dir.modified(now);
            Ok(())
        })
    }

    /// Counts a subdirectory more or fewer; the caller writes it back. A count of 1
    /// stands for more than can be counted, and stays. `EMLINK`.
    fn add_dir_link(&mut self, raw: &mut RawInode, change: i32) -> Result<()> {
        let uncounted = self.geometry.dir_nlink && self.is_hashed(raw);
        let links = match raw.links() {
            1 => 1,
            links if change < 0 => links.saturating_add_signed(change).max(2),
            MAX_LINKS.. if uncounted => 1,
            MAX_LINKS.. => return Err(Errno::EMLINK),
            links => links.saturating_add_signed(change),
        };
        raw.set_links(links);
        Ok(())
    }

    /// As [`add_dir_link`](Self::add_dir_link), of one by its number.
    fn change_dir_links(&mut self, dir: u32, change: i32) -> Result<()> {
        self.change_inode(dir, |core, raw| core.add_dir_link(raw, change))
    }

    /// Stores the target of a new link: in the inode if it fits.
    fn write_target(&mut self, raw: &mut RawInode, target: &[u8]) -> Result<()> {
        if target.len() >= self.disk.block_size {
            return Err(Errno::ENAMETOOLONG);
        }
        raw.set_size(target.len() as u64);
        if target.len() < I_BLOCK_LEN {
            raw.i_block_mut()[..target.len()].copy_from_slice(target);
            return Ok(());
        }
        self.init_map(raw);
        let (physical, _) = self.allocate_blocks(self.data_goal(raw.ino), 1)?;
        let extent = Extent {
            logical: 0,
            len: 1,
            physical,
            unwritten: false,
        };
        self.insert_extent(raw, extent)?;
        raw.add_blocks(1, self.disk.block_size);
        self.fresh(physical, Seal::None)?[..target.len()].copy_from_slice(target);
        Ok(())
    }

    /// The target of a symbolic link.
    pub fn read_target(&mut self, raw: &RawInode) -> Result<Vec<u8>> {
        let len = usize::try_from(raw.size()).map_err(|_| Errno::EUCLEAN)?;
        let stored = if raw.has_short_target() {
            raw.i_block()
        } else {
            let extent = self.map(raw, 0)?.map_err(|_| Errno::EUCLEAN)?;
            self.read(extent.physical)?
        };
        stored.get(..len).map(Vec::from).ok_or(Errno::EUCLEAN)
    }

    /// Gives an inode another name.
    pub fn link(&mut self, at: Place<'_>, ino: u32) -> Result<()> {
        let (dir, room) = self.check_absent(at)?;
        let kind = self.inode(ino)?.kind()?;
        if kind == FileKind::Directory {
            return Err(Errno::EPERM);
        }
        if self.inode(ino)?.links() == 0 {
            self.remove_orphan(ino)?;
        }
        let now = self.clock.now();
        self.change_inode(ino, |_, raw| {
            if raw.links() >= MAX_LINKS {
                return Err(Errno::EMLINK);
            }
            raw.set_links(raw.links() + 1);
            raw.set_time(CTIME, now);
            Ok(())
        })?;
        self.enlist(dir, (at.name, room), ino, kind)
    }

    /// Takes a name away; its inode, if that was the last one and somebody uses it.
    pub fn unlink(&mut self, at: Place<'_>) -> Result<Option<u32>> {
        let mut dir = self.directory(at.dir)?;
        let ino = self.remove_file_entry(&dir, at.name)?;
        dir.modified(self.clock.now());
        self.put_inode(&dir)?;
        self.drop_name(ino)
    }

    /// One name of `ino` is gone; `ino`, if it now has none and is in use.
    fn drop_name(&mut self, ino: u32) -> Result<Option<u32>> {
        let mut raw = self.inode(ino)?;
        if raw.links() < 2 {
            return self.lose(raw);
        }
        raw.set_links(raw.links() - 1);
        raw.set_time(CTIME, self.clock.now());
        self.put_inode(&raw)?;
        Ok(None)
    }

    /// The last name of an inode is gone: frees it, or tells its number if it is in
    /// use, to be freed with its object.
    fn lose(&mut self, mut raw: RawInode) -> Result<Option<u32>> {
        let ino = raw.ino;
        raw.set_links(0);
        raw.set_time(CTIME, self.clock.now());
        // An object would be made under the filesystem's lock: there is none to come.
        if !self.is_in_use(ino) {
            self.free_unlisted(raw)?;
            return Ok(None);
        }
        raw.set_dtime(0);
        self.put_inode(&raw)?;
        self.note_nameless(ino)?;
        Ok(Some(ino))
    }

    /// Removes an empty directory; its inode, if somebody uses it.
    pub fn rmdir(&mut self, at: Place<'_>) -> Result<Option<u32>> {
        let (ino, kind) = self.look_up(at)?;
        if kind != FileKind::Directory {
            return Err(Errno::ENOTDIR);
        }
        self.check_empty(ino)?;
        self.delist(at)?;
        self.drop_directory(at.dir, ino)
    }

    fn check_empty(&mut self, ino: u32) -> Result<()> {
        let raw = self.inode(ino)?;
        match self.is_dir_empty(&raw)? {
            true => Ok(()),
            false => Err(Errno::ENOTEMPTY),
        }
    }

    fn drop_directory(&mut self, parent: u32, ino: u32) -> Result<Option<u32>> {
        self.change_dir_links(parent, -1)?;
        let raw = self.inode(ino)?;
        self.lose(raw)
    }

    /// Moves a name; the inode that had the new one, if it has none now and is in use.
    pub fn rename(&mut self, old: Place<'_>, new: Place<'_>, flags: u32) -> Result<Option<u32>> {
        let (ino, kind) = self.look_up(old)?;
        let target = self.look_up_optional(new)?;
        if flags & RENAME_EXCHANGE != 0 {
            let target = target.ok_or(Errno::ENOENT)?;
            self.exchange((old, ino, kind), (new, target.0, target.1))?;
            return Ok(None);
        }
        let mut nameless = None;
        match target {
            Some(_) if flags & RENAME_NOREPLACE != 0 => return Err(Errno::EEXIST),
            Some((target, _)) if target == ino => return Ok(None),
            Some((target, target_kind)) => {
                self.check_replace(kind, target, target_kind)?;
                let now = self.clock.now();
                self.change_inode(new.dir, |core, dir| {
                    core.set_entry(dir, new.name, ino, kind)?;
                    dir.modified(now);
                    Ok(())
                })?;
                nameless = match target_kind {
                    FileKind::Directory => self.drop_directory(new.dir, target)?,
                    _ => self.drop_name(target)?,
                };
            }
            None => {
                let (dir, room) = self.check_absent(new)?;
                self.enlist(dir, (new.name, room), ino, kind)?;
            }
        }
        self.delist(old)?;
        self.moved(ino, kind, old.dir, new.dir)?;
        Ok(nameless)
    }

    /// May something of `kind` take the place of `target`?
    fn check_replace(&mut self, kind: FileKind, target: u32, target_kind: FileKind) -> Result<()> {
        let is_dir = |kind| kind == FileKind::Directory;
        match (is_dir(kind), is_dir(target_kind)) {
            (true, false) => Err(Errno::ENOTDIR),
            (false, true) => Err(Errno::EISDIR),
            (true, true) => self.check_empty(target),
            (false, false) => Ok(()),
        }
    }

    /// Records that an inode has moved: a directory's `..`, and the counts of
    /// its parents.
    fn moved(&mut self, ino: u32, kind: FileKind, from: u32, to: u32) -> Result<()> {
        let now = self.clock.now();
        self.change_inode(ino, |core, raw| {
            raw.set_time(CTIME, now);
            match kind == FileKind::Directory && from != to {
                true => core.set_entry(raw, b"..", to, kind),
                false => Ok(()),
            }
        })?;
        if kind == FileKind::Directory && from != to {
            self.change_dir_links(from, -1)?;
            self.change_dir_links(to, 1)?;
        }
        Ok(())
    }

    fn exchange(
        &mut self,
        (old, ino, kind): (Place<'_>, u32, FileKind),
        (new, target, target_kind): (Place<'_>, u32, FileKind),
    ) -> Result<()> {
        let now = self.clock.now();
        for (place, ino, kind) in [(old, target, target_kind), (new, ino, kind)] {
            self.change_inode(place.dir, |core, dir| {
                core.set_entry(dir, place.name, ino, kind)?;
                dir.modified(now);
                Ok(())
            })?;
        }
        self.moved(ino, kind, old.dir, new.dir)?;
        self.moved(target, target_kind, new.dir, old.dir)
    }
}
