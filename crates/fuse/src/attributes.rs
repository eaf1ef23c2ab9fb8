//! What stat(2) tells of a file, and who may do what.

use crate::answers::{self, ATTR_OUT, Attr};
use crate::connection::NOTHING;
use crate::inode::{FuseInode, Learned};
use crate::opcode::Opcode;
use crate::request::Expect;
use paddock_abi::{Errno, Result};
use paddock_cred::{Access, FileRights, IdKind};
use paddock_vfs::{FileKind, Inode, Metadata, SetMetadata, Timestamp};

/// Which attributes are set (`FATTR_*`).
mod set {
    pub const MODE: u32 = 1;
    pub const UID: u32 = 1 << 1;
    pub const GID: u32 = 1 << 2;
    pub const SIZE: u32 = 1 << 3;
    pub const ATIME: u32 = 1 << 4;
    pub const MTIME: u32 = 1 << 5;
    pub const HANDLE: u32 = 1 << 6;
}

impl FuseInode {
    /// The program has said what it is, which holds for so many nanoseconds.
    pub fn learn(&self, attr: &Attr, lasting: u64) {
        let attr = self.shared.with_own_ids(attr);
        let until = self.shared.until(lasting);
        let before = core::mem::replace(&mut *self.learned.lock(), Learned { attr, until });
        if attr.size < before.attr.size {
            self.cut_pages(attr.size);
        }
    }

    /// What was said of it may not hold any more.
    pub fn outdate(&self) {
        self.learned.lock().until = 0;
    }

    /// The file was written up to an offset.
    pub fn grown(&self, end: u64) {
        let mut learned = self.learned.lock();
        learned.attr.size = learned.attr.size.max(end);
        learned.until = 0;
    }

    /// What it is now. `EIO` if it is something else.
    fn ask_attributes(&self) -> Result<Attr> {
        let message = self.message(Opcode::Getattr).u32(0).u32(0).u64(0);
        let answer = self.ask(message, Expect::Exactly(ATTR_OUT))?;
        self.take_attributes(&answer)
    }

    fn take_attributes(&self, answer: &[u8]) -> Result<Attr> {
        let (attr, lasting) = answers::attr(answer)?;
        if attr.kind != self.kind() {
            return Err(Errno::EIO);
        }
        self.learn(&attr, lasting);
        Ok(self.learned.lock().attr)
    }

    /// What it is, as it was last said or is said now.
    fn current(&self) -> Result<Attr> {
        let Learned { attr, until } = *self.learned.lock();
        match self.shared.host().now() < until {
            true => Ok(attr),
            false => self.ask_attributes(),
        }
    }

    /// Its length, as it was last said or is said now.
    pub fn size(&self) -> Result<u64> {
        Ok(self.current()?.size)
    }

    pub fn attributes(&self) -> Result<Metadata> {
        self.check_caller()?;
        Ok(self.metadata_of(&self.current()?))
    }

    fn metadata_of(&self, attr: &Attr) -> Metadata {
        Metadata {
            device: self.shared.device,
            ino: attr.ino,
            kind: attr.kind,
            mode: attr.mode,
            links: attr.links,
            uid: attr.uid,
            gid: attr.gid,
            rdev: u64::from(attr.rdev),
            size: attr.size,
            blocks: attr.blocks,
            block_size: attr.block_size,
            atime: attr.atime,
            mtime: attr.mtime,
            ctime: attr.ctime,
        }
    }

    /// Without `default_permissions` the program decides when it is asked, and what was last
    /// said is good enough.
    pub fn file_rights(&self) -> Result<FileRights> {
        self.check_caller()?;
        let decided_there = !self.shared.options.default_permissions;
        let attr = match decided_there {
            true => self.learned.lock().attr,
            false => self.current()?,
        };
        Ok(FileRights {
            mode: attr.mode,
            uid: attr.uid,
            gid: attr.gid,
            directory: self.kind() == FileKind::Directory,
            decided_there,
        })
    }

    pub fn ask_access(&self, access: Access) -> Result<()> {
        if self.shared.options.default_permissions || access.is_empty() {
            return Ok(());
        }
        let message = self.message(Opcode::Access);
        let message = message.u32(access.bits()).u32(0);
        self.shared.ask_if_known(message, NOTHING).map(drop)
    }

    /// Changes it, by way of an open file if there is one.
    pub fn change(&self, change: &SetMetadata, handle: Option<u64>) -> Result<()> {
        self.check_caller()?;
        if change.size.is_some() && self.kind() != FileKind::Regular {
            return Err(self.not_data());
        }
        let id = |kind, id: Option<u32>| id.map(|id| self.shared.known_id(kind, id)).transpose();
        let (uid, gid) = (
            id(IdKind::User, change.uid)?,
            id(IdKind::Group, change.gid)?,
        );
        let flag = |is_set: bool, flag| if is_set { flag } else { 0 };
        let valid = flag(change.mode.is_some(), set::MODE)
            | flag(uid.is_some(), set::UID)
            | flag(gid.is_some(), set::GID)
            | flag(change.size.is_some(), set::SIZE)
            | flag(change.atime.is_some(), set::ATIME)
            | flag(change.mtime.is_some(), set::MTIME)
            | flag(handle.is_some(), set::HANDLE);
        let time = |time: Option<Timestamp>| time.unwrap_or_default();
        let (atime, mtime) = (time(change.atime), time(change.mtime));
        let mode = change.mode.map_or(0, |mode| mode | self.kind().mode_bits());
        let message = self
            .message(Opcode::Setattr)
            .u32(valid)
            .u32(0)
            .u64(handle.unwrap_or(0))
            .u64(change.size.unwrap_or(0))
            .u64(0)
            .u64(atime.seconds as u64)
            .u64(mtime.seconds as u64)
            .u64(0)
            .u32(atime.nanos)
            .u32(mtime.nanos)
            .u32(0)
            .u32(mode)
            .u32(0)
            .u32(uid.unwrap_or(0))
            .u32(gid.unwrap_or(0))
            .u32(0);
        let answer = self.ask(message, Expect::Exactly(ATTR_OUT))?;
        self.take_attributes(&answer)?;
        Ok(())
    }
}
