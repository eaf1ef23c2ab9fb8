//! One file, directory or other node.

use super::Shared;
use super::data::FileData;
use super::dir::Entries;
use super::xattrs::Xattrs;
use crate::{
    Allocation, Details, EmitEntry, Errno, FileKind, FsStats, Inode, Metadata, NewNode, PAGE_SIZE,
    PageRef, Result, Seals, SeekTo, SetMetadata, SetXattr, Timestamp, WriteCount,
};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::{AtomicBool, Ordering};
use paddock_abi::stat::{STATX_ATTR_APPEND, STATX_ATTR_IMMUTABLE, STATX_ATTR_NODUMP};
use paddock_charge::Charge;
use paddock_sync::{Mutex, MutexGuard, Rank, may_allocate, try_copy};
use paddock_user_io::{UserReader, UserWriter};

pub(super) enum Content {
    File(FileData),
    Dir(Entries),
    Link(Vec<u8>),
    Special,
}

pub(super) struct State {
    mode: u32,
    uid: u32,
    gid: u32,
    pub links: u32,
    atime: Timestamp,
    mtime: Timestamp,
    ctime: Timestamp,
    pub content: Content,
    /// Of a directory, the one that it is in.
    pub parent: Weak<Node>,
    /// A page is counted for them once there are any.
    xattrs: Xattrs,
}

impl State {
    /// The data, if it is a regular file.
    pub fn file(&mut self) -> Result<&mut FileData> {
        match &mut self.content {
            Content::File(data) => Ok(data),
            Content::Dir(_) => Err(Errno::EISDIR),
            _ => Err(Errno::EINVAL),
        }
    }

    /// The entries, if it is a directory.
    pub fn entries(&mut self) -> Result<&mut Entries> {
        match &mut self.content {
            Content::Dir(entries) => Ok(entries),
            _ => Err(Errno::ENOTDIR),
        }
    }

    pub fn modified(&mut self, now: Timestamp) {
        self.mtime = now;
        self.ctime = now;
    }

    fn size_and_pages(&self) -> (u64, u64) {
        match &self.content {
            Content::File(data) => (data.size(), data.pages()),
            Content::Dir(entries) => (entries.len() as u64 * 32, 0),
            Content::Link(target) => (target.len() as u64, 0),
            Content::Special => (0, 0),
        }
    }
}

pub(super) struct Node {
    /// Itself: a second name needs an owner from a mere reference.
    me: Weak<Node>,
    pub shared: Arc<Shared>,
    pub ino: u64,
    pub kind: FileKind,
    rdev: u64,
    /// When it was made.
    born: Timestamp,
    state: Mutex<State>,
    /// Held by who writes or cuts the data, in what may be several steps.
    pub writing: Mutex<()>,
    write_count: WriteCount,
    pub seals: Seals,
    /// Programs may know its handle.
    pub has_handle: AtomicBool,
    _charge: Option<Charge>,
}

impl Node {
    /// A node without links; a symbolic link has a `target`. `ENOSPC`,
    /// `ENOMEM`.
    #[allow(
        clippy::disallowed_methods,
        reason = "small: a caller has asked may_allocate, and the heap keeps a reserve for such"
    )]
    pub fn new(shared: &Arc<Shared>, new: &NewNode, target: Option<&[u8]>) -> Result<Arc<Node>> {
        let content = match (new.kind, target) {
            (FileKind::Symlink, Some(target)) => Content::Link(try_copy(target)?),
            (FileKind::Symlink, None) => return Err(Errno::EINVAL),
            (FileKind::Regular, _) => Content::File(FileData::default()),
            (FileKind::Directory, _) => Content::Dir(Entries::default()),
            _ => Content::Special,
        };
        may_allocate()?;
        let charge = shared.charge_node()?;
        let now = shared.clock.now();
        let state = State {
            mode: new.mode,
            uid: new.uid,
            gid: new.gid,
            links: 0,
            atime: now,
            mtime: now,
            ctime: now,
            content,
            parent: Weak::new(),
            xattrs: Xattrs::default(),
        };
        // From here on the node's `Drop` gives the charge back.
        Ok(Arc::new_cyclic(|me| Node {
            me: me.clone(),
            _charge: charge,
            shared: shared.clone(),
            ino: shared.next_ino.fetch_add(1, Ordering::Relaxed),
            kind: new.kind,
            rdev: new.rdev,
            born: now,
            state: Mutex::new(Rank::Inode, state),
            writing: Mutex::new(Rank::FileWrite, ()),
            write_count: WriteCount::new(),
            seals: Seals::new(),
            has_handle: AtomicBool::new(false),
        }))
    }

    pub fn own_arc(&self) -> Result<Arc<Node>> {
        self.me.upgrade().ok_or(Errno::ENOENT)
    }

    /// Itself, for who keeps it no longer than it lives.
    pub fn me(&self) -> Weak<Node> {
        self.me.clone()
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    pub fn add_link(&self) {
        let now = self.shared.clock.now();
        let mut state = self.state.lock();
        state.links += 1;
        state.ctime = now;
    }

    pub fn drop_link(&self) {
        let now = self.shared.clock.now();
        let mut state = self.state.lock();
        state.links = state.links.saturating_sub(1);
        state.ctime = now;
    }

    /// Records a change of its entries.
    pub fn touch(&self) {
        let now = self.shared.clock.now();
        self.state.lock().modified(now);
    }

    /// Takes out what must be dropped after the node.
    fn take_children(&mut self) -> Vec<Arc<Node>> {
        match &mut self.state.get_mut().content {
            Content::Dir(entries) => entries.take_all(),
            _ => Vec::new(),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if *self.has_handle.get_mut() {
            self.shared.forget_handle(self.ino);
        }
        if let Content::File(data) = &self.state.get_mut().content {
            self.shared.refund_pages(data.pages());
        }
        if !self.state.get_mut().xattrs.is_empty() {
            self.shared.refund_pages(1);
        }
        self.shared.refund_node();
        // One by one: recursion would need a stack as deep as the tree.
        let mut dropped = self.take_children();
        while let Some(child) = dropped.pop() {
            if let Some(mut node) = Arc::into_inner(child) {
                dropped.append(&mut node.take_children());
            }
        }
    }
}

impl Inode for Node {
    fn ino(&self) -> u64 {
        self.ino
    }

    fn kind(&self) -> FileKind {
        self.kind
    }

    fn write_count(&self) -> Option<&WriteCount> {
        Some(&self.write_count)
    }

    fn seals(&self) -> Option<&Seals> {
        (self.kind == FileKind::Regular).then_some(&self.seals)
    }

    fn add_seals(&self, seals: u32) -> Result<()> {
        let _between_writes = self.writing.lock();
        self.seals().ok_or(Errno::EINVAL)?.add(seals)
    }

    fn metadata(&self) -> Result<Metadata> {
        let state = self.state.lock();
        let (size, pages) = state.size_and_pages();
        Ok(Metadata {
            device: self.shared.device,
            ino: self.ino,
            kind: self.kind,
            mode: state.mode,
            links: state.links,
            uid: state.uid,
            gid: state.gid,
            rdev: self.rdev,
            size,
            blocks: pages * (PAGE_SIZE as u64 / 512),
            block_size: PAGE_SIZE as u32,
            atime: state.atime,
            mtime: state.mtime,
            ctime: state.ctime,
        })
    }

    fn details(&self) -> Result<Details> {
        Ok(Details {
            born: Some(self.born),
            attributes: 0,
            known: STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND | STATX_ATTR_NODUMP,
        })
    }

    fn set_metadata(&self, change: &SetMetadata) -> Result<()> {
        let _one_at_a_time = change.size.map(|_| self.writing.lock());
        let now = self.shared.clock.now();
        let mut state = self.state.lock();
        if let Some(size) = change.size {
            let data = state.file()?;
            self.seals.check_resize(data.size(), size)?;
            let before = data.size();
            data.resize(size, &self.shared)?;
            if size < before {
                self.write_count.note_cut(size);
            }
            state.mtime = now;
        }
        state.mode = change.mode.unwrap_or(state.mode);
        state.uid = change.uid.unwrap_or(state.uid);
        state.gid = change.gid.unwrap_or(state.gid);
        state.atime = change.atime.unwrap_or(state.atime);
        state.mtime = change.mtime.unwrap_or(state.mtime);
        state.ctime = now;
        Ok(())
    }

    fn fs_stats(&self) -> Result<FsStats> {
        Ok(self.shared.stats())
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

    fn page(&self, index: u64, _write: bool) -> Result<PageRef> {
        let mut state = self.state.lock();
        let data = state.file().map_err(|_| Errno::ENODEV)?;
        data.page(index, &self.shared)
    }

    fn allocate(&self, what: Allocation, offset: u64, len: u64) -> Result<()> {
        let _one_at_a_time = self.writing.lock();
        let now = self.shared.clock.now();
        let mut state = self.state.lock();
        let data = state.file()?;
        let end = offset.checked_add(len).ok_or(Errno::EFBIG)?;
        match what {
            Allocation::Reserve { keep_size } => {
                let size = if keep_size { 0 } else { end };
                self.seals
                    .check_resize(data.size(), data.size().max(size))?;
                data.allocate(offset..end, size, &self.shared)?;
            }
            Allocation::Punch => {
                self.seals.check_write(data.size(), data.size())?;
                data.punch(offset..end, &self.shared);
            }
            Allocation::Zero { .. } => return Err(Errno::EOPNOTSUPP),
        }
        state.modified(now);
        Ok(())
    }

    fn seek_data(&self, offset: u64, to: SeekTo) -> Result<u64> {
        self.state.lock().file()?.seek(offset, to)
    }

    fn get_xattr(&self, name: &[u8]) -> Result<Vec<u8>> {
        self.state.lock().xattrs.get(name)
    }

    fn set_xattr(&self, name: &[u8], value: Option<&[u8]>, mode: SetXattr) -> Result<()> {
        may_allocate()?;
        let now = self.shared.clock.now();
        let mut state = self.state.lock();
        let was_empty = state.xattrs.is_empty();
        if was_empty {
            self.shared.charge_page()?;
        }
        let result = state.xattrs.set(name, value, mode);
        if state.xattrs.is_empty() {
            self.shared.refund_pages(1);
        }
        result?;
        state.ctime = now;
        Ok(())
    }

    fn list_xattrs(&self) -> Result<Vec<u8>> {
        self.state.lock().xattrs.list()
    }

    fn readlink(&self) -> Result<Vec<u8>> {
        match &self.state.lock().content {
            Content::Link(target) => try_copy(target),
            _ => Err(Errno::EINVAL),
        }
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        Ok(self.find(name)?)
    }

    fn parent(&self) -> Result<Arc<dyn Inode>> {
        let state = self.state.lock();
        match (state.links, state.parent.upgrade()) {
            (1.., Some(parent)) => Ok(parent),
            _ => Err(Errno::ESTALE),
        }
    }

    fn readdir(&self, cursor: u64, emit: &mut EmitEntry<'_>) -> Result<u64> {
        Ok(self.state.lock().entries()?.read(cursor, emit))
    }

    fn create(&self, name: &[u8], node: &NewNode) -> Result<Arc<dyn Inode>> {
        Ok(self.make(name, node, None)?)
    }

    fn symlink(&self, name: &[u8], target: &[u8], node: &NewNode) -> Result<Arc<dyn Inode>> {
        let node = NewNode {
            kind: FileKind::Symlink,
            ..*node
        };
        Ok(self.make(name, &node, Some(target))?)
    }

    fn create_unnamed(&self, node: &NewNode) -> Result<Arc<dyn Inode>> {
        Ok(Node::new(&self.shared, node, None)?)
    }

    fn link(&self, name: &[u8], target: &Arc<dyn Inode>) -> Result<()> {
        self.add_name(name, target)
    }

    fn unlink(&self, name: &[u8]) -> Result<()> {
        self.remove_name(name, false)
    }

    fn rmdir(&self, name: &[u8]) -> Result<()> {
        self.remove_name(name, true)
    }

    fn rename(&self, old: &[u8], new_dir: &Arc<dyn Inode>, new: &[u8], flags: u32) -> Result<()> {
        self.move_name(old, new_dir, new, flags)
    }
}
