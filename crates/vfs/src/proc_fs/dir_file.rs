//! Generated directories, opened.

use super::node::ProcInode;
use crate::{EmitEntry, Errno, File, Inode, InodeFile, Metadata, Result};
use alloc::sync::Arc;
use core::any::Any;
use core::sync::atomic::{AtomicU64, Ordering};
use paddock_abi::fcntl::{SEEK_CUR, SEEK_SET};
use paddock_sync::{Pollable, Ready, WaitQueue};
use paddock_user_io::UserWriter;

/// An open generated directory. It keeps its offset itself, so that no lock
/// is held while the entries are listed: the source takes locks of any rank.
pub(super) struct GeneratedDir {
    ordinary: InodeFile,
    pos: AtomicU64,
}

impl GeneratedDir {
    pub fn open(inode: Arc<ProcInode>) -> Result<Arc<dyn File>> {
        let own = inode.ino();
        Ok(paddock_sync::try_arc(GeneratedDir {
            ordinary: InodeFile::new(inode, own),
            pos: AtomicU64::new(0),
        })?)
    }
}

impl Pollable for GeneratedDir {
    fn ready(&self) -> Ready {
        Ready::IN | Ready::OUT
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        None
    }
}

impl File for GeneratedDir {
    fn read(&self, _: &mut u64, _: &mut UserWriter<'_>) -> Result<usize> {
        Err(Errno::EISDIR)
    }

    fn seek(&self, offset: i64, whence: u32) -> Result<u64> {
        let base = match whence {
            SEEK_SET => 0,
            SEEK_CUR => self.pos.load(Ordering::Relaxed),
            _ => return Err(Errno::EINVAL),
        };
        let target = base.checked_add_signed(offset).ok_or(Errno::EINVAL)?;
        self.pos.store(target, Ordering::Relaxed);
        Ok(target)
    }

    fn readdir(&self, _: &mut u64, emit: &mut EmitEntry<'_>) -> Result<()> {
        let mut pos = self.pos.load(Ordering::Relaxed);
        self.ordinary.readdir(&mut pos, emit)?;
        self.pos.store(pos, Ordering::Relaxed);
        Ok(())
    }

    fn metadata(&self) -> Result<Metadata> {
        self.ordinary.metadata()
    }

    fn inode(&self) -> Option<&Arc<dyn Inode>> {
        self.ordinary.inode()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
