//! [`Ext4Inode`]: the vfs trait over one inode.

use crate::fs::Shared;
use crate::paths::Place;
use crate::raw_inode::{ATIME, CTIME, FLAGS_TOLD, MTIME, RawInode};
use crate::transaction::Core;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use paddock_sync::{Mutex, PreemptOff, SpinLock};
use paddock_user_io::{UserReader, UserWriter};
use paddock_vfs::cache::FilePages;
use paddock_vfs::{
    Allocation, Details, EmitEntry, Errno, FileKind, FsStats, Inode, Metadata, NewNode, PAGE_SIZE,
    PageRef, Result, SeekTo, SetMetadata, SetXattr, Timestamp, WriteCount, WriteErrors,
};

const PAGE: u64 = PAGE_SIZE as u64;

/// An inode in use. There is one object for a number at a time.
pub(crate) struct Ext4Inode {
    pub fs: Arc<Shared>,
    pub ino: u32,
    pub kind: FileKind,
    /// Of a regular file.
    pub pages: Option<Arc<FilePages>>,
    /// What stat(2) tells, as of the last operation that changed it.
    pub attributes: SpinLock<Attributes, PreemptOff>,
    /// Held by who writes or cuts the data, in what may be several operations.
    pub writing: Mutex<()>,
    /// The size on the disk; changes under the filesystem's lock.
    pub size: AtomicU64,
    /// The page after the one that was read last.
    pub read_next: AtomicU64,
    /// Pages that were read ahead last, for one who reads on.
    pub ahead: AtomicU64,
    /// The last name is gone: to be freed with this object.
    pub nameless: AtomicBool,
    pub write_count: WriteCount,
}

/// What of an inode stat(2) tells, but for what never changes.
#[derive(Clone, Copy)]
pub(crate) struct Attributes {
    mode: u32,
    links: u32,
    uid: u32,
    gid: u32,
    rdev: u64,
    size: u64,
    sectors: u64,
    atime: Timestamp,
    mtime: Timestamp,
    ctime: Timestamp,
}

impl Attributes {
    pub fn of(raw: &RawInode) -> Attributes {
        Attributes {
            mode: raw.mode(),
            links: raw.links(),
            uid: raw.uid(),
            gid: raw.gid(),
            rdev: raw.rdev(),
            size: raw.size(),
            sectors: raw.sectors(),
            atime: raw.time(ATIME),
            mtime: raw.time(MTIME),
            ctime: raw.time(CTIME),
        }
    }
}

impl Drop for Ext4Inode {
    fn drop(&mut self) {
        self.fs.forget(self);
    }
}

impl Ext4Inode {
    pub fn pages(&self) -> Result<&Arc<FilePages>> {
        self.pages.as_ref().ok_or(match self.kind {
            FileKind::Directory => Errno::EISDIR,
            _ => Errno::EINVAL,
        })
    }

    fn place<'a>(&self, name: &'a [u8]) -> Place<'a> {
        Place {
            dir: self.ino,
            name,
        }
    }

    /// Takes a name away by `remove`, which tells the inode if it has none now and is
    /// in use.
    fn take_away(
        &self,
        name: &[u8],
        remove: impl Fn(&mut Core, Place<'_>) -> Result<Option<u32>>,
    ) -> Result<()> {
        let place = self.place(name);
        let mut core = self.fs.core.lock();
        let mut nameless = self.fs.change(&mut core, |core| remove(core, place));
        // What cannot be freed loses its name all the same: it is not freed while it is
        // in use.
        let mut user = None;
        if let Err(Errno::EIO | Errno::EUCLEAN | Errno::EBADMSG) = nameless {
            let (ino, _) = core.look_up(place)?;
            user = Some(self.fs.inode(&mut core, ino)?);
            nameless = self.fs.change(&mut core, |core| remove(core, place));
        }
        if let Some(ino) = nameless? {
            self.fs.mark_nameless(ino);
        }
        drop(user);
        Ok(())
    }

    fn apply(&self, core: &mut Core, change: &SetMetadata) -> Result<()> {
        core.operation(|core| {
            let now = core.clock.now();
            core.change_inode(self.ino, |_, raw| {
                if let Some(mode) = change.mode {
                    raw.set_mode(mode);
                }
                let uid = change.uid.unwrap_or(raw.uid());
                raw.set_owner(uid, change.gid.unwrap_or(raw.gid()));
                if let Some(time) = change.atime {
                    raw.set_time(ATIME, time);
                }
                if let Some(time) = change.mtime {
                    raw.set_time(MTIME, time);
                }
                raw.set_time(CTIME, now);
                Ok(())
            })
        })
    }

    /// Tells this from now on. Never sleeps.
    pub fn show(&self, attributes: Attributes) {
        *self.attributes.lock() = attributes;
    }

    fn describe(&self, attributes: &Attributes) -> Metadata {
        let is_device = matches!(self.kind, FileKind::CharDevice | FileKind::BlockDevice);
        Metadata {
            device: self.fs.device_number,
            ino: u64::from(self.ino),
            kind: self.kind,
            mode: attributes.mode,
            links: attributes.links,
            uid: attributes.uid,
            gid: attributes.gid,
            rdev: if is_device { attributes.rdev } else { 0 },
            // What a read finds, to the byte.
            size: match self.kind {
                FileKind::Regular => self.size.load(Ordering::Acquire),
                _ => attributes.size,
            },
            blocks: attributes.sectors,
            block_size: self.fs.block_size,
            atime: attributes.atime,
            mtime: attributes.mtime,
            ctime: attributes.ctime,
        }
    }

    /// The same filesystem's inode behind a trait object. `EXDEV`.
    fn sibling<'a>(&self, inode: &'a Arc<dyn Inode>) -> Result<&'a Ext4Inode> {
        let inode = inode.as_any().downcast_ref::<Ext4Inode>();
        let same = inode.filter(|inode| Arc::ptr_eq(&inode.fs, &self.fs));
        same.ok_or(Errno::EXDEV)
    }

    fn make(&self, name: &[u8], node: &NewNode, target: &[u8]) -> Result<Arc<dyn Inode>> {
        let place = self.place(name);
        let mut core = self.fs.core.lock();
        // Its object belongs to the operation: without one there is no name.
        let inode = self.fs.change(&mut core, |core| {
            let ino = core.create(place, node, target)?;
            self.fs.inode(core, ino)
        })?;
        Ok(inode)
    }
}

impl Inode for Ext4Inode {
    fn ino(&self) -> u64 {
        u64::from(self.ino)
    }

    fn kind(&self) -> FileKind {
        self.kind
    }

    fn write_count(&self) -> Option<&WriteCount> {
        Some(&self.write_count)
    }

    fn write_errors(&self) -> Option<&WriteErrors> {
        self.pages.as_ref().map(|pages| pages.errors())
    }

    fn metadata(&self) -> Result<Metadata> {
        let attributes = *self.attributes.lock();
        Ok(self.describe(&attributes))
    }

    fn details(&self) -> Result<Details> {
        let raw = self.fs.core.lock().inode(self.ino)?;
        Ok(Details {
            born: raw.born(),
            attributes: u64::from(raw.flags() & FLAGS_TOLD),
            known: u64::from(FLAGS_TOLD),
        })
    }

    fn set_metadata(&self, change: &SetMetadata) -> Result<()> {
        let _one_at_a_time = change.size.map(|_| self.writing.lock());
        let mut core = self.fs.core.lock();
        self.fs.reap(&mut core);
        if let Some(size) = change.size {
            self.resize(&mut core, size)?;
        }
        let others = SetMetadata {
            size: None,
            ..*change
        };
        let nothing_else = others.mode.is_none()
            && others.uid.is_none()
            && others.gid.is_none()
            && others.atime.is_none()
            && others.mtime.is_none();
        match change.size.is_some() && nothing_else {
            true => Ok(()),
            false => self.apply(&mut core, &others),
        }
    }

    fn parent(&self) -> Result<Arc<dyn Inode>> {
        let mut core = self.fs.core.lock();
        if self.nameless.load(Ordering::Relaxed) {
            return Err(Errno::ESTALE);
        }
        let (ino, _) = core.look_up(self.place(b".."))?;
        Ok(self.fs.inode(&mut core, ino)?)
    }

    fn fs_stats(&self) -> Result<FsStats> {
        self.fs.stats()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn read_at(&self, offset: u64, to: &mut UserWriter<'_>) -> Result<usize> {
        self.read(offset, to)
    }

    fn write_at(&self, offset: u64, from: &mut UserReader<'_>) -> Result<usize> {
        self.write(Some(offset), from).map(|(_, count)| count)
    }

    fn append(&self, from: &mut UserReader<'_>) -> Result<(u64, usize)> {
        let (offset, count) = self.write(None, from)?;
        Ok((offset + count as u64, count))
    }

    fn page(&self, index: u64, write: bool) -> Result<PageRef> {
        let pages = self.pages.as_ref().ok_or(Errno::ENODEV)?;
        let size = self.size.load(Ordering::Acquire);
        if index >= size.div_ceil(PAGE) {
            return Err(Errno::EFAULT);
        }
        if !write {
            return self.mapped_page(pages, index);
        }
        let mut core = self.fs.core.lock();
        let size = self.size.load(Ordering::Acquire);
        if index >= size.div_ceil(PAGE) {
            return Err(Errno::EFAULT);
        }
        let page = self.load_page(&mut core, pages, index)?;
        let first = core.logical(index * PAGE)?;
        let last = core.logical(((index + 1) * PAGE).min(size) - 1)?;
        self.fs.change(&mut core, |core| {
            core.change_inode(self.ino, |core, raw| core.ensure_blocks(raw, first, last))
        })?;
        let page = pages.insert(index, page);
        pages.set_mapped_writable(index);
        core.note_dirty(self.ino, pages);
        Ok(page)
    }

    fn sync(&self) -> Result<()> {
        self.fs.sync()
    }

    fn sync_data(&self) -> Result<()> {
        self.fs.sync_data(self.ino)
    }

    fn allocate(&self, what: Allocation, offset: u64, len: u64) -> Result<()> {
        self.allocate_range(what, offset, len)
    }

    fn seek_data(&self, offset: u64, to: SeekTo) -> Result<u64> {
        self.seek_data_or_hole(offset, to)
    }

    fn get_xattr(&self, name: &[u8]) -> Result<Vec<u8>> {
        self.fs.core.lock().get_xattr(self.ino, name)
    }

    fn set_xattr(&self, name: &[u8], value: Option<&[u8]>, mode: SetXattr) -> Result<()> {
        let mut core = self.fs.core.lock();
        self.fs.change(&mut core, |core| {
            core.set_xattr(self.ino, name, value, mode)
        })
    }

    fn list_xattrs(&self) -> Result<Vec<u8>> {
        self.fs.core.lock().list_xattrs(self.ino)
    }

    fn readlink(&self) -> Result<Vec<u8>> {
        if self.kind != FileKind::Symlink {
            return Err(Errno::EINVAL);
        }
        let mut core = self.fs.core.lock();
        let raw = core.inode(self.ino)?;
        core.read_target(&raw)
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        let mut core = self.fs.core.lock();
        let (ino, _) = core.look_up(self.place(name))?;
        let inode = self.fs.inode(&mut core, ino)?;
        core.trim();
        Ok(inode)
    }

    fn readdir(&self, cursor: u64, emit: &mut EmitEntry<'_>) -> Result<u64> {
        if self.kind != FileKind::Directory {
            return Err(Errno::ENOTDIR);
        }
        let mut core = self.fs.core.lock();
        let raw = core.inode(self.ino)?;
        core.read_dir(&raw, cursor, emit)
    }

    fn create(&self, name: &[u8], node: &NewNode) -> Result<Arc<dyn Inode>> {
        self.make(name, node, b"")
    }

    fn symlink(&self, name: &[u8], target: &[u8], node: &NewNode) -> Result<Arc<dyn Inode>> {
        let node = NewNode {
            kind: FileKind::Symlink,
            ..*node
        };
        self.make(name, &node, target)
    }

    fn create_unnamed(&self, node: &NewNode) -> Result<Arc<dyn Inode>> {
        let mut core = self.fs.core.lock();
        let inode = self.fs.change(&mut core, |core| {
            let ino = core.create_unnamed(self.ino, node)?;
            self.fs.inode(core, ino)
        })?;
        inode.nameless.store(true, Ordering::Relaxed);
        Ok(inode)
    }

    fn link(&self, name: &[u8], target: &Arc<dyn Inode>) -> Result<()> {
        let target = self.sibling(target)?;
        let mut core = self.fs.core.lock();
        self.fs
            .change(&mut core, |core| core.link(self.place(name), target.ino))?;
        target.nameless.store(false, Ordering::Relaxed);
        Ok(())
    }

    fn unlink(&self, name: &[u8]) -> Result<()> {
        self.take_away(name, Core::unlink)
    }

    fn rmdir(&self, name: &[u8]) -> Result<()> {
        self.take_away(name, Core::rmdir)
    }

    fn rename(&self, old: &[u8], new_dir: &Arc<dyn Inode>, new: &[u8], flags: u32) -> Result<()> {
        let new = self.sibling(new_dir)?.place(new);
        let old = self.place(old);
        let mut core = self.fs.core.lock();
        let nameless = self
            .fs
            .change(&mut core, |core| core.rename(old, new, flags))?;
        if let Some(ino) = nameless {
            self.fs.mark_nameless(ino);
        }
        Ok(())
    }
}
