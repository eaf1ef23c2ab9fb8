//! [`FuseFile`]: an open file or directory.

use crate::answers::OpenedAs;
use crate::connection::NOTHING;
use crate::dirents;
use crate::handle::Handle;
use crate::message::Sender;
use crate::opcode::Opcode;
use alloc::sync::Arc;
use core::any::Any;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use paddock_abi::{Errno, Result};
use paddock_sync::{Pollable, Ready, WaitQueue};
use paddock_user_io::{UserReader, UserWriter};
use paddock_vfs::{
    DirEntry, EmitEntry, File, FileKind, Inode, Metadata, OpenFlags, PAGE_SIZE, SeekTo, SetMetadata,
};

/// An open file or directory.
pub(crate) struct FuseFile {
    handle: Arc<Handle>,
    inode: Arc<dyn Inode>,
    flags: AtomicU32,
    /// Where it stands, if it cannot be sought.
    pos: AtomicU64,
    /// The program has heard that a descriptor was closed.
    is_flushed: AtomicBool,
}

impl FuseFile {
    pub fn new(handle: Arc<Handle>, flags: OpenFlags) -> FuseFile {
        if !handle.opened_as.contains(OpenedAs::KEEP_CACHE) {
            handle.inode.drop_pages(0, 0);
        }
        FuseFile {
            inode: handle.inode.clone(),
            handle,
            flags: AtomicU32::new(crate::handle::told(flags)),
            pos: AtomicU64::new(0),
            is_flushed: AtomicBool::new(false),
        }
    }

    fn flags(&self) -> u32 {
        self.flags.load(Ordering::Relaxed)
    }

    /// Does something at the place where it stands, and moves that by how much it was.
    fn at(&self, pos: &mut u64, act: impl FnOnce(u64) -> Result<usize>) -> Result<usize> {
        match self.seekable() {
            true => {
                let count = act(*pos)?;
                *pos += count as u64;
                Ok(count)
            }
            false => {
                let count = act(self.pos.load(Ordering::Relaxed))?;
                self.pos.fetch_add(count as u64, Ordering::Relaxed);
                Ok(count)
            }
        }
    }

    fn write_in_turn(
        &self,
        offset: Option<u64>,
        from: &mut UserReader<'_>,
    ) -> Result<(u64, usize)> {
        let inode = &self.handle.inode;
        let _one = inode.writing.take(inode.shared.host())?;
        let offset = match offset {
            Some(offset) => offset,
            None => inode.size()?,
        };
        let count = self.handle.write(offset, from, self.flags())?;
        Ok((offset, count))
    }
}

impl Drop for FuseFile {
    /// Whose process has ended closes it without waiting for the program.
    fn drop(&mut self) {
        if !*self.is_flushed.get_mut()
            && let Some(message) = self.handle.flush(0)
        {
            let connection = &self.handle.inode.shared.connection;
            let sender = connection
                .caller()
                .map_or(Sender::default(), |(_, sender)| sender);
            let _ = connection.tell(message, NOTHING, sender);
        }
    }
}

impl Pollable for FuseFile {
    fn ready(&self) -> Ready {
        Ready::IN | Ready::OUT
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        None
    }
}

impl File for FuseFile {
    fn seekable(&self) -> bool {
        let without = OpenedAs::NONSEEKABLE | OpenedAs::STREAM;
        !self.handle.opened_as.intersects(without)
    }

    fn read(&self, pos: &mut u64, to: &mut UserWriter<'_>) -> Result<usize> {
        if self.inode.kind() == FileKind::Directory {
            return Err(Errno::EISDIR);
        }
        self.at(pos, |offset| self.handle.read(offset, to, self.flags()))
    }

    fn write(&self, pos: &mut u64, from: &mut UserReader<'_>) -> Result<usize> {
        self.at(pos, |offset| {
            let (_, count) = self.write_in_turn(Some(offset), from)?;
            Ok(count)
        })
    }

    fn append(&self, pos: &mut u64, from: &mut UserReader<'_>) -> Result<usize> {
        let (offset, count) = self.write_in_turn(None, from)?;
        *pos = offset + count as u64;
        Ok(count)
    }

    fn seek_end(&self) -> Result<u64> {
        self.handle.inode.size()
    }

    fn seek_data(&self, offset: u64, to: SeekTo) -> Result<u64> {
        match self.inode.kind() {
            FileKind::Regular => self.handle.seek_data(offset, to),
            _ => Err(Errno::EINVAL),
        }
    }

    fn readdir(&self, pos: &mut u64, emit: &mut EmitEntry<'_>) -> Result<()> {
        if self.inode.kind() != FileKind::Directory {
            return Err(Errno::ENOTDIR);
        }
        let mut has_some = false;
        loop {
            let read = self
                .handle
                .read_some(Opcode::Readdir, *pos, PAGE_SIZE, self.flags());
            let entries = match read {
                Ok(entries) => entries,
                // Whoever asks again hears of it.
                Err(_) if has_some => return Ok(()),
                Err(error) => return Err(error),
            };
            let mut rest = &entries[..];
            let before = rest.len();
            while let Some(entry) = dirents::next(&mut rest)? {
                let taken = emit(&DirEntry {
                    name: entry.name,
                    ino: entry.ino,
                    kind: entry.kind,
                    next: entry.next,
                });
                if !taken {
                    return Ok(());
                }
                (*pos, has_some) = (entry.next, true);
            }
            if rest.len() == before {
                return Ok(());
            }
        }
    }

    fn metadata(&self) -> Result<Metadata> {
        self.inode.metadata()
    }

    fn truncate(&self, size: u64) -> Result<()> {
        let change = SetMetadata {
            size: Some(size),
            ..SetMetadata::default()
        };
        self.handle.inode.change(&change, Some(self.handle.number))
    }

    fn sync(&self) -> Result<()> {
        self.handle.sync(false)
    }

    fn sync_data(&self) -> Result<()> {
        self.handle.sync(true)
    }

    fn set_flags(&self, flags: OpenFlags) {
        self.flags
            .store(crate::handle::told(flags), Ordering::Relaxed);
    }

    fn inode(&self) -> Option<&Arc<dyn Inode>> {
        Some(&self.inode)
    }

    fn descriptor_closed(&self, process: u32) -> Result<()> {
        let Some(message) = self.handle.flush(u64::from(process)) else {
            return Ok(());
        };
        self.is_flushed.store(true, Ordering::Relaxed);
        let shared = &self.handle.inode.shared;
        let (caller, sender) = shared.connection.caller()?;
        match caller.is_ending {
            true => shared.connection.tell(message, NOTHING, sender),
            false => shared.ask_if_known(message, NOTHING).map(drop),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
