//! Changes of what stat(2) tells: modes, owners, times, lengths.

use super::{Namespace, Path, PathContext};
use crate::{Access, Errno, FileKind, Result, SetMetadata, Timestamp};
use paddock_abi::stat::{S_ISGID, S_ISUID, S_ISVTX};

/// A time that utimensat(2) sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetTime {
    /// The time now (`UTIME_NOW`).
    Now(Timestamp),
    /// This time.
    At(Timestamp),
    /// Leave it (`UTIME_OMIT`).
    Omit,
}

impl SetTime {
    fn value(self) -> Option<Timestamp> {
        match self {
            SetTime::Now(time) | SetTime::At(time) => Some(time),
            SetTime::Omit => None,
        }
    }
}

impl Namespace {
    /// chmod(2). `EPERM`, `EROFS`.
    pub fn chmod(&self, context: &PathContext, at: &Path, mode: u32) -> Result<()> {
        at.mount.check_writable()?;
        let meta = at.inode().metadata()?;
        context.credentials.check_owner(&meta)?;
        let mut mode = mode & 0o7777;
        let superuser = context.credentials.uid == 0;
        if !superuser && !context.credentials.in_group(meta.gid) {
            mode &= !S_ISGID;
        }
        if !superuser && meta.kind != FileKind::Directory {
            mode &= !S_ISVTX;
        }
        at.inode().set_metadata(&SetMetadata {
            mode: Some(mode),
            ..SetMetadata::default()
        })
    }

    /// chown(2); `None` leaves one as it is. Set-user bits of an executable
    /// go. `EPERM`, `EROFS`.
    pub fn chown(
        &self,
        context: &PathContext,
        at: &Path,
        uid: Option<u32>,
        gid: Option<u32>,
    ) -> Result<()> {
        at.mount.check_writable()?;
        let meta = at.inode().metadata()?;
        let who = &context.credentials;
        let allowed = who.uid == 0
            || (who.uid == meta.uid
                && uid.is_none_or(|uid| uid == meta.uid)
                && gid.is_none_or(|gid| who.in_group(gid)));
        if !allowed {
            return Err(Errno::EPERM);
        }
        let loses_bits = meta.kind == FileKind::Regular && meta.mode & 0o111 != 0;
        at.inode().set_metadata(&SetMetadata {
            uid,
            gid,
            mode: loses_bits.then_some(meta.mode & !(S_ISUID | S_ISGID)),
            ..SetMetadata::default()
        })
    }

    /// utimensat(2). `EPERM`, `EACCES`, `EROFS`.
    pub fn set_times(
        &self,
        context: &PathContext,
        at: &Path,
        atime: SetTime,
        mtime: SetTime,
    ) -> Result<()> {
        if (atime, mtime) == (SetTime::Omit, SetTime::Omit) {
            return Ok(());
        }
        at.mount.check_writable()?;
        let meta = at.inode().metadata()?;
        let who = &context.credentials;
        let both_now = matches!((atime, mtime), (SetTime::Now(_), SetTime::Now(_)));
        if who.check_owner(&meta).is_err() {
            match both_now {
                true => who.check(&meta, Access::WRITE)?,
                false => return Err(Errno::EPERM),
            }
        }
        at.inode().set_metadata(&SetMetadata {
            atime: atime.value(),
            mtime: mtime.value(),
            ..SetMetadata::default()
        })
    }

    /// truncate(2). `EISDIR`, `EINVAL`, `EACCES`, `EROFS`.
    pub fn truncate(&self, context: &PathContext, at: &Path, size: u64) -> Result<()> {
        match at.inode().kind() {
            FileKind::Regular => {}
            FileKind::Directory => return Err(Errno::EISDIR),
            _ => return Err(Errno::EINVAL),
        }
        if size > i64::MAX as u64 {
            return Err(Errno::EINVAL);
        }
        at.mount.check_writable()?;
        let meta = at.inode().metadata()?;
        context.credentials.check(&meta, Access::WRITE)?;
        at.inode().set_metadata(&SetMetadata {
            size: Some(size),
            ..SetMetadata::default()
        })
    }

    /// access(2) with the credentials of `context`. `EACCES`, `EROFS`.
    pub fn access(&self, context: &PathContext, at: &Path, access: Access) -> Result<()> {
        let meta = at.inode().metadata()?;
        let stored = matches!(
            meta.kind,
            FileKind::Regular | FileKind::Directory | FileKind::Symlink
        );
        if access.contains(Access::WRITE) && stored {
            at.mount.check_writable()?;
        }
        context.credentials.check(&meta, access)
    }
}
