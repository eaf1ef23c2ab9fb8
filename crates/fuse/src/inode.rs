//! [`FuseInode`]: a file of the program's.

use crate::answers::{Attr, Entry};
use crate::handle::Handle;
use crate::message::Message;
use crate::opcode::Opcode;
use crate::request::Expect;
use crate::shared::Shared;
use crate::turn::Turn;
use crate::{directory, extended, file::FuseFile};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use paddock_abi::{Errno, Result};
use paddock_charge::Charge;
use paddock_cred::{Access, FileRights};
use paddock_sync::{OnceCell, PreemptOff, Rank, SpinLock, try_arc};
use paddock_user_io::{UserReader, UserWriter};
use paddock_vfs::cache::FilePages;
use paddock_vfs::{
    Allocation, Created, File, FileKind, FsStats, Inode, Metadata, NewNode, OpenFlags, PageRef,
    SeekTo, SetMetadata, SetXattr, WriteCount,
};

/// What an inode costs whoever first comes upon it, in bytes.
const COST: usize = 1024;

/// The longest target of a symbolic link.
const LINK_MAX: usize = 4095;

/// What is known of a file, and until when.
#[derive(Clone, Copy)]
pub(crate) struct Learned {
    pub attr: Attr,
    pub until: u64,
}

/// A file of the program's, by its node.
pub(crate) struct FuseInode {
    pub node: u64,
    generation: u64,
    kind: FileKind,
    pub shared: Arc<Shared>,
    /// For itself, which files refer to.
    own: Weak<FuseInode>,
    /// How often the program has counted it for us.
    counted: AtomicU64,
    pub learned: SpinLock<Learned, PreemptOff>,
    /// It was found to be something else: nobody can use it any more.
    is_bad: AtomicBool,
    pub write_count: WriteCount,
    /// Its open files, through which pages are read.
    pub handles: SpinLock<Vec<Weak<Handle>>, PreemptOff>,
    pub pages: OnceCell<Arc<FilePages>>,
    /// One write at a time.
    pub writing: Turn,
    _charge: Charge,
}

impl FuseInode {
    /// One that was not counted yet. `ENOMEM`.
    #[allow(
        clippy::disallowed_methods,
        reason = "the memory was asked for: it is about as large"
    )]
    pub fn new(
        shared: &Arc<Shared>,
        node: u64,
        generation: u64,
        attr: &Attr,
    ) -> Result<Arc<FuseInode>> {
        const { assert!(size_of::<FuseInode>() + 16 <= paddock_sync::SMALL) };
        paddock_sync::may_allocate()?;
        let charge = Charge::new(shared.host().account().user(), COST)?;
        let learned = Learned {
            attr: shared.with_own_ids(attr),
            until: 0,
        };
        Ok(Arc::new_cyclic(|own| FuseInode {
            node,
            generation,
            kind: attr.kind,
            shared: shared.clone(),
            own: own.clone(),
            counted: AtomicU64::new(0),
            learned: SpinLock::new(Rank::Leaf, learned),
            is_bad: AtomicBool::new(false),
            write_count: WriteCount::new(),
            handles: SpinLock::new(Rank::Leaf, Vec::new()),
            pages: OnceCell::new(),
            writing: Turn::new(),
            _charge: charge,
        }))
    }

    /// The program has counted it once more, if it is what it was. `EIO`.
    pub fn count(&self, entry: &Entry) -> Result<()> {
        if self.kind != entry.attr.kind || self.generation != entry.generation {
            self.is_bad.store(true, Ordering::Relaxed);
        }
        self.check()?;
        self.counted.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// `EIO` once it was found to be something else.
    pub fn check(&self) -> Result<()> {
        match self.is_bad.load(Ordering::Relaxed) {
            true => Err(Errno::EIO),
            false => Ok(()),
        }
    }

    /// The running thread may use the mount, and this. `EACCES`, `EIO`.
    pub fn check_caller(&self) -> Result<()> {
        self.shared.caller()?;
        self.check()
    }

    pub fn message(&self, opcode: Opcode) -> Message {
        Message::new(opcode, self.node)
    }

    /// Asks about it. Errors as of [`Connection::ask`](crate::Connection).
    pub fn ask(&self, message: Message, expect: Expect) -> Result<Vec<u8>> {
        self.shared.connection.ask(message, expect)
    }

    /// Itself, as files and pages refer to it. `EIO` where it is about to go.
    pub fn own(&self) -> Result<Arc<FuseInode>> {
        self.own.upgrade().ok_or(Errno::EIO)
    }
}

impl Drop for FuseInode {
    fn drop(&mut self) {
        self.shared.ended(self.node);
        let counted = *self.counted.get_mut();
        if counted > 0 {
            self.shared.connection.forget(self.node, counted);
        }
    }
}

impl Inode for FuseInode {
    fn ino(&self) -> u64 {
        self.node
    }

    fn kind(&self) -> FileKind {
        self.kind
    }

    fn metadata(&self) -> Result<Metadata> {
        self.attributes()
    }

    fn rights(&self) -> Result<FileRights> {
        self.file_rights()
    }

    fn check_access(&self, access: Access) -> Result<()> {
        self.ask_access(access)
    }

    fn maps_writable(&self) -> bool {
        false
    }

    fn set_metadata(&self, change: &SetMetadata) -> Result<()> {
        self.change(change, None)
    }

    fn fs_stats(&self) -> Result<FsStats> {
        crate::fs::stats(&self.shared)
    }

    fn write_count(&self) -> Option<&WriteCount> {
        Some(&self.write_count)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn open(self: Arc<Self>, flags: OpenFlags) -> Result<Option<Arc<dyn File>>> {
        match self.kind {
            FileKind::Regular | FileKind::Directory => {
                self.check_caller()?;
                let handle = Handle::open(&self, flags)?;
                Ok(Some(try_arc(FuseFile::new(handle, flags))?))
            }
            // A device is what its number says only to the machine's own.
            FileKind::CharDevice | FileKind::BlockDevice if !self.shared.owner().is_initial() => {
                Err(Errno::EACCES)
            }
            _ => Ok(None),
        }
    }

    fn read_at(&self, offset: u64, to: &mut UserWriter<'_>) -> Result<usize> {
        if self.kind != FileKind::Regular {
            return Err(self.not_data());
        }
        self.check_caller()?;
        self.handle(false)?.read(offset, to, 0)
    }

    fn write_at(&self, offset: u64, from: &mut UserReader<'_>) -> Result<usize> {
        if self.kind != FileKind::Regular {
            return Err(self.not_data());
        }
        self.check_caller()?;
        self.handle(true)?
            .write(offset, from, OpenFlags::WRONLY.bits())
    }

    fn page(&self, index: u64, write: bool) -> Result<PageRef> {
        match write || self.kind != FileKind::Regular {
            true => Err(Errno::ENODEV),
            false => self.mapped_page(index),
        }
    }

    fn allocate(&self, what: Allocation, offset: u64, len: u64) -> Result<()> {
        self.check_caller()?;
        self.handle(true)?.allocate(what, offset, len)
    }

    fn seek_data(&self, offset: u64, to: SeekTo) -> Result<u64> {
        self.handle(false)?.seek_data(offset, to)
    }

    fn get_xattr(&self, name: &[u8]) -> Result<Vec<u8>> {
        extended::get(self, name)
    }

    fn set_xattr(&self, name: &[u8], value: Option<&[u8]>, mode: SetXattr) -> Result<()> {
        extended::set(self, name, value, mode)
    }

    fn list_xattrs(&self) -> Result<Vec<u8>> {
        extended::list(self)
    }

    fn readlink(&self) -> Result<Vec<u8>> {
        if self.kind != FileKind::Symlink {
            return Err(Errno::EINVAL);
        }
        self.check_caller()?;
        let mut target = self.ask(self.message(Opcode::Readlink), Expect::UpTo(LINK_MAX))?;
        let end = target.iter().position(|byte| *byte == 0);
        target.truncate(end.unwrap_or(target.len()));
        Ok(target)
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        Ok(directory::lookup(self, name)?)
    }

    /// The program is asked again, but for as long as it says not to.
    fn cacheable(&self) -> bool {
        false
    }

    fn takes_names(&self) -> bool {
        true
    }

    fn create(&self, name: &[u8], node: &NewNode) -> Result<Arc<dyn Inode>> {
        Ok(directory::make(self, name, node)?)
    }

    fn create_open(&self, name: &[u8], node: &NewNode, flags: OpenFlags) -> Result<Created> {
        directory::create(self, name, node, flags)
    }

    fn symlink(&self, name: &[u8], target: &[u8], _: &NewNode) -> Result<Arc<dyn Inode>> {
        Ok(directory::symlink(self, name, target)?)
    }

    fn link(&self, name: &[u8], target: &Arc<dyn Inode>) -> Result<()> {
        directory::link(self, name, target)
    }

    fn unlink(&self, name: &[u8]) -> Result<()> {
        directory::remove(self, Opcode::Unlink, name)
    }

    fn rmdir(&self, name: &[u8]) -> Result<()> {
        directory::remove(self, Opcode::Rmdir, name)
    }

    fn rename(&self, old: &[u8], new_dir: &Arc<dyn Inode>, new: &[u8], flags: u32) -> Result<()> {
        directory::rename(self, old, new_dir, new, flags)
    }
}
