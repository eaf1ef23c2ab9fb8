//! [`Handle`]: an open file of the program's.

use crate::answers::{self, OPEN_OUT, OpenedAs};
use crate::connection::NOTHING;
use crate::inode::FuseInode;
use crate::message::{IN_HEADER, Message};
use crate::opcode::Opcode;
use crate::request::Expect;
use crate::terms::MOST_DATA;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use paddock_abi::fcntl::{
    FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE, SEEK_DATA, SEEK_HOLE,
};
use paddock_abi::{Errno, Result};
use paddock_sync::try_arc;
use paddock_user_io::{UserReader, UserWriter};
use paddock_vfs::{Allocation, FileKind, Inode, OpenFlags, PAGE_SIZE, SeekTo};

/// Flags of an opening that only the kernel acts upon.
const KERNEL: OpenFlags = OpenFlags::CREAT
    .union(OpenFlags::EXCL)
    .union(OpenFlags::NOCTTY)
    .union(OpenFlags::TRUNC)
    .union(OpenFlags::CLOEXEC);

/// Where the length of a write is in its question.
const WRITE_LENGTH: usize = IN_HEADER + 16;

/// The largest offset.
const MOST_OFFSET: u64 = i64::MAX as u64;

/// The flags of an opening that the program is told.
pub fn told(flags: OpenFlags) -> u32 {
    flags.difference(KERNEL).bits()
}

/// An open file of the program's, which hears when nobody uses it any more.
pub struct Handle {
    pub inode: Arc<FuseInode>,
    pub number: u64,
    /// As the program was told them.
    flags: u32,
    pub opened_as: OpenedAs,
    /// The program knows of it.
    is_told: bool,
}

impl Handle {
    /// One that the program has made. It is released if there is no memory for it.
    pub fn new(
        inode: &Arc<FuseInode>,
        number: u64,
        flags: u32,
        opened_as: OpenedAs,
    ) -> Result<Arc<Handle>> {
        let handle = Handle {
            inode: inode.clone(),
            number,
            flags,
            opened_as,
            is_told: true,
        };
        handle.shared_with_inode()
    }

    fn shared_with_inode(self) -> Result<Arc<Handle>> {
        let handle = try_arc(self)?;
        let mut handles = handle.inode.handles.lock();
        handles.retain(|handle| handle.strong_count() > 0);
        handles.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        handles.push(Arc::downgrade(&handle));
        drop(handles);
        Ok(handle)
    }

    /// Has the program open a file or a directory. Sleeps.
    pub fn open(inode: &Arc<FuseInode>, flags: OpenFlags) -> Result<Arc<Handle>> {
        let terms = inode.shared.connection.terms()?;
        let (opcode, may_have_none) = match inode.kind() {
            FileKind::Directory => (Opcode::Opendir, terms.may_have_no_opendir),
            _ => (Opcode::Open, terms.may_have_no_open),
        };
        let message = inode.message(opcode).u32(told(flags)).u32(0);
        let expect = Expect::Exactly(OPEN_OUT);
        let answer = match may_have_none {
            true => inode.shared.ask_if_known(message, expect)?,
            false => Some(inode.ask(message, expect)?),
        };
        match answer {
            Some(answer) => {
                let (number, opened_as) = answers::opened(&answer)?;
                Handle::new(inode, number, told(flags), opened_as)
            }
            None => Handle {
                inode: inode.clone(),
                number: 0,
                flags: told(flags),
                opened_as: OpenedAs::KEEP_CACHE,
                is_told: false,
            }
            .shared_with_inode(),
        }
    }

    fn flags(&self) -> OpenFlags {
        OpenFlags::from_bits_retain(self.flags)
    }

    fn message(&self, opcode: Opcode) -> Message {
        self.inode.message(opcode).u64(self.number)
    }

    fn most_read(&self) -> usize {
        match self.inode.shared.options.max_read {
            0 => MOST_DATA,
            most => (most as usize).clamp(PAGE_SIZE, MOST_DATA),
        }
    }

    /// As many bytes as are there, up to `most` and what is read at once.
    pub fn read_some(
        &self,
        opcode: Opcode,
        offset: u64,
        most: usize,
        flags: u32,
    ) -> Result<Vec<u8>> {
        let most = most.min(self.most_read());
        let message = self.message(opcode).u64(offset).u32(most as u32);
        let message = message.u32(0).u64(0).u32(flags).u32(0);
        self.inode.ask(message, Expect::UpTo(most))
    }

    /// Reads until the buffer is full or the file ends; `flags` are the file's now.
    pub fn read(&self, offset: u64, to: &mut UserWriter<'_>, flags: u32) -> Result<usize> {
        let mut total = 0;
        while !to.is_full() {
            let at = offset.saturating_add(total as u64);
            let wanted = to.left().min(self.most_read());
            if at.saturating_add(wanted as u64) > MOST_OFFSET {
                break;
            }
            let read = self.read_some(Opcode::Read, at, wanted, flags);
            let copied = read.and_then(|bytes| match bytes.is_empty() {
                true => Ok((0, 0)),
                false => Ok((bytes.len(), to.copy_out(&bytes)?)),
            });
            match copied {
                Ok((read, copied)) => {
                    total += copied;
                    if read < wanted || copied < read {
                        break;
                    }
                }
                Err(error) if total == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(total)
    }

    /// Writes as much as the program takes; `flags` are the file's now. The bytes behind
    /// what it takes are taken off `from` as well: whoever writes is told where it ended.
    pub fn write(&self, offset: u64, from: &mut UserReader<'_>, flags: u32) -> Result<usize> {
        let most = self.inode.shared.connection.terms()?.max_write;
        let mut total = 0;
        while !from.is_empty() {
            let at = offset.saturating_add(total as u64);
            let wanted = from.left().min(most);
            if at.saturating_add(wanted as u64) > MOST_OFFSET {
                return Err(Errno::EFBIG);
            }
            let written = self.write_some(at, wanted, from, flags);
            total += *written.as_ref().unwrap_or(&0);
            match written {
                Err(error) if total == 0 => return Err(error),
                Ok(count) if count == wanted => {}
                _ => {
                    from.advance(from.left());
                    break;
                }
            }
        }
        Ok(total)
    }

    fn write_some(
        &self,
        offset: u64,
        wanted: usize,
        from: &mut UserReader<'_>,
        flags: u32,
    ) -> Result<usize> {
        let message = self.message(Opcode::Write).u64(offset).u32(0);
        let message = message.u32(0).u64(0).u32(flags).u32(0);
        let mut kept = None;
        let has_pages = self.inode.has_pages();
        let (mut message, count) = message.fill(wanted, |room| {
            let count = from.copy_in(room)?;
            if has_pages {
                kept = Some(paddock_sync::try_copy(&room[..count])?);
            }
            Ok(count)
        })?;
        message.set_u32(WRITE_LENGTH, count as u32);
        let answer = self.inode.ask(message, Expect::Exactly(8))?;
        let written = answers::written(&answer, count)?;
        self.inode.grown(offset.saturating_add(written as u64));
        if let Some(bytes) = &kept {
            self.inode.write_pages(offset, &bytes[..written]);
        }
        Ok(written)
    }

    /// fallocate(2).
    pub fn allocate(&self, what: Allocation, offset: u64, length: u64) -> Result<()> {
        let keep = |keep| if keep { FALLOC_FL_KEEP_SIZE } else { 0 };
        let mode = match what {
            Allocation::Reserve { keep_size } => keep(keep_size),
            Allocation::Punch => FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
            Allocation::Zero { keep_size } => FALLOC_FL_ZERO_RANGE | keep(keep_size),
        };
        let message = self.message(Opcode::Fallocate).u64(offset).u64(length);
        let message = message.u32(mode).u32(0);
        let shared = &self.inode.shared;
        let answer = shared.ask_if_known(message, NOTHING)?;
        answer.ok_or(Errno::EOPNOTSUPP)?;
        match what.may_grow() {
            true => self.inode.grown(offset.saturating_add(length)),
            false => self.inode.outdate(),
        }
        if !matches!(what, Allocation::Reserve { .. }) {
            self.inode.drop_pages(offset, length as i64);
        }
        Ok(())
    }

    /// lseek(2): where the program does not know, all is data.
    pub fn seek_data(&self, offset: u64, to: SeekTo) -> Result<u64> {
        let whence = match to {
            SeekTo::Data => SEEK_DATA,
            SeekTo::Hole => SEEK_HOLE,
        };
        let message = self.message(Opcode::Lseek).u64(offset).u32(whence).u32(0);
        let asked = self
            .inode
            .shared
            .ask_if_known(message, Expect::Exactly(8))?;
        if let Some(answer) = asked {
            return answers::offset(&answer);
        }
        let size = self.inode.size()?;
        match (offset < size, to) {
            (false, _) => Err(Errno::ENXIO),
            (true, SeekTo::Data) => Ok(offset),
            (true, SeekTo::Hole) => Ok(size),
        }
    }

    /// fsync(2), of data alone or of all. What the program does not know is done.
    pub fn sync(&self, is_data: bool) -> Result<()> {
        let opcode = match self.inode.kind() {
            FileKind::Directory => Opcode::Fsyncdir,
            _ => Opcode::Fsync,
        };
        let message = self.message(opcode).u32(u32::from(is_data)).u32(0);
        self.inode.shared.ask_if_known(message, NOTHING).map(drop)
    }

    /// What the program is told when a descriptor is closed, if it wants to be.
    pub fn flush(&self, owner: u64) -> Option<Message> {
        let is_wanted = self.is_told
            && self.inode.kind() == FileKind::Regular
            && !self.opened_as.contains(OpenedAs::NOFLUSH)
            && self.inode.shared.knows(Opcode::Flush);
        let message = || self.message(Opcode::Flush).u32(0).u32(0).u64(owner);
        is_wanted.then(message)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let shared = &self.inode.shared;
        if self.is_told {
            let opcode = match self.inode.kind() {
                FileKind::Directory => Opcode::Releasedir,
                _ => Opcode::Release,
            };
            let (node, connection) = (self.inode.node, &shared.connection);
            connection.release(opcode, node, self.number, self.flags);
        }
        if shared.is_out.load(Ordering::Relaxed) {
            shared.host().look_for_unused();
        }
    }
}

impl FuseInode {
    /// An open file to read or to write through: one that is there, or a new one.
    pub fn handle(&self, writable: bool) -> Result<Arc<Handle>> {
        let (may, flags) = match writable {
            true => (
                OpenFlags::writable as fn(OpenFlags) -> bool,
                OpenFlags::WRONLY,
            ),
            false => (
                OpenFlags::readable as fn(OpenFlags) -> bool,
                OpenFlags::empty(),
            ),
        };
        let found = {
            let handles = self.handles.lock();
            let live = handles.iter().filter_map(Weak::upgrade);
            let mut unfit = Vec::new();
            let mut found = None;
            for handle in live {
                match may(handle.flags()) {
                    true => {
                        found = Some(handle);
                        break;
                    }
                    // Not dropped under the lock: it may be the last reference.
                    false if unfit.try_reserve(1).is_ok() => unfit.push(handle),
                    false => break,
                }
            }
            drop(handles);
            drop(unfit);
            found
        };
        match found {
            Some(handle) => Ok(handle),
            None => Handle::open(&self.own()?, flags),
        }
    }
}
