//! [`InodeFile`]: the ordinary open file of an inode.

use crate::{
    DirEntry, EmitEntry, Errno, File, FileKind, Inode, Metadata, Result, SeekTo, SetMetadata,
};
use alloc::sync::Arc;
use core::any::Any;
use paddock_sync::{Pollable, Ready, WaitQueue};
use paddock_user_io::{UserReader, UserWriter};

/// Cursors 0 and 1 are `.` and `..`; those of the inode follow.
const OWN_ENTRIES: u64 = 2;

/// A regular file or directory, opened; always ready.
pub struct InodeFile {
    inode: Arc<dyn Inode>,
    parent_ino: u64,
}

impl InodeFile {
    /// Opens `inode`; `parent_ino` is what a directory shows as `..`.
    pub fn new(inode: Arc<dyn Inode>, parent_ino: u64) -> InodeFile {
        InodeFile { inode, parent_ino }
    }

    /// Emits `.` and `..`; false once `emit` has refused one.
    fn emit_dots(&self, pos: &mut u64, emit: &mut EmitEntry<'_>) -> bool {
        while *pos < OWN_ENTRIES {
            let (name, ino): (&[u8], u64) = match *pos {
                0 => (b".", self.inode.ino()),
                _ => (b"..", self.parent_ino),
            };
            let next = *pos + 1;
            let kind = Some(FileKind::Directory);
            let entry = DirEntry {
                name,
                ino,
                kind,
                next,
            };
            if !emit(&entry) {
                return false;
            }
            *pos = next;
        }
        true
    }
}

impl Pollable for InodeFile {
    fn ready(&self) -> Ready {
        Ready::IN | Ready::OUT
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        None
    }
}

impl File for InodeFile {
    fn seekable(&self) -> bool {
        true
    }

    fn read(&self, pos: &mut u64, to: &mut UserWriter<'_>) -> Result<usize> {
        let count = self.inode.read_at(*pos, to)?;
        *pos += count as u64;
        Ok(count)
    }

    fn write(&self, pos: &mut u64, from: &mut UserReader<'_>) -> Result<usize> {
        let count = self.inode.write_at(*pos, from)?;
        *pos += count as u64;
        Ok(count)
    }

    fn append(&self, pos: &mut u64, from: &mut UserReader<'_>) -> Result<usize> {
        let (end, count) = self.inode.append(from)?;
        *pos = end;
        Ok(count)
    }

    fn seek_end(&self) -> Result<u64> {
        Ok(self.inode.metadata()?.size)
    }

    fn seek_data(&self, offset: u64, to: SeekTo) -> Result<u64> {
        self.inode.seek_data(offset, to)
    }

    fn readdir(&self, pos: &mut u64, emit: &mut EmitEntry<'_>) -> Result<()> {
        if self.inode.kind() != FileKind::Directory {
            return Err(Errno::ENOTDIR);
        }
        if !self.emit_dots(pos, emit) {
            return Ok(());
        }
        let end = self.inode.readdir(*pos - OWN_ENTRIES, &mut |entry| {
            let next = entry.next.saturating_add(OWN_ENTRIES);
            emit(&DirEntry { next, ..*entry })
        })?;
        *pos = end.saturating_add(OWN_ENTRIES);
        Ok(())
    }

    fn metadata(&self) -> Result<Metadata> {
        self.inode.metadata()
    }

    fn truncate(&self, size: u64) -> Result<()> {
        let change = SetMetadata {
            size: Some(size),
            ..SetMetadata::default()
        };
        self.inode.set_metadata(&change)
    }

    fn sync(&self) -> Result<()> {
        self.inode.sync()
    }

    fn sync_data(&self) -> Result<()> {
        self.inode.sync_data()
    }

    fn inode(&self) -> Option<&Arc<dyn Inode>> {
        Some(&self.inode)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
