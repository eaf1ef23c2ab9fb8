//! Changes of what stat(2) tells: modes, owners, times, lengths.

use super::{MountNamespace, Path, PathContext};
use crate::cut;
use crate::lease;
use crate::notify::{self, Events};
use crate::{Access, Errno, FileKind, OpenFlags, Result, SetMetadata, Timestamp, Writing};
use paddock_cred::IdKind;

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

impl MountNamespace {
    /// chmod(2). `EPERM`, `EROFS`.
    pub fn chmod(&self, context: &PathContext, at: &Path, mode: u32) -> Result<()> {
        at.mount.check_writable()?;
        let mode = context.cred.chmod(&at.inode().rights()?, mode)?;
        at.inode().set_metadata(&SetMetadata {
            mode: Some(mode),
            ..SetMetadata::default()
        })?;
        notify::at_name(at, Events::ATTRIB);
        Ok(())
    }

    /// chown(2), with ids of the caller's user namespace; `None` leaves one as it is.
    /// Set-user-id bits go. `EPERM`, `EROFS`, `EINVAL` for who is nobody.
    pub fn chown(
        &self,
        context: &PathContext,
        at: &Path,
        uid: Option<u32>,
        gid: Option<u32>,
    ) -> Result<()> {
        let given = |kind, id: Option<u32>| {
            let given = |id| context.cred.user_namespace.given(kind, id);
            id.map(|id| given(id).ok_or(Errno::EINVAL)).transpose()
        };
        let (uid, gid) = (given(IdKind::User, uid)?, given(IdKind::Group, gid)?);
        at.mount.check_writable()?;
        let mode = context.cred.chown(&at.inode().rights()?, uid, gid)?;
        at.inode().set_metadata(&SetMetadata {
            uid,
            gid,
            mode,
            ..SetMetadata::default()
        })?;
        notify::at_name(at, Events::ATTRIB);
        Ok(())
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
        let (who, rights) = (&context.cred, at.inode().rights()?);
        let both_now = matches!((atime, mtime), (SetTime::Now(_), SetTime::Now(_)));
        if who.check_owner(&rights).is_err() {
            match both_now {
                true => who.check_file(&rights, Access::WRITE)?,
                false => return Err(Errno::EPERM),
            }
        }
        at.inode().set_metadata(&SetMetadata {
            atime: atime.value(),
            mtime: mtime.value(),
            ..SetMetadata::default()
        })?;
        notify::at_name(at, Events::ATTRIB);
        Ok(())
    }

    /// truncate(2). `EISDIR`, `EINVAL`, `EACCES`, `EROFS`, `ETXTBSY`.
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
        let rights = at.inode().rights()?;
        context.cred.check_file(&rights, Access::WRITE)?;
        let _writing = Writing::new(at.inode())?;
        lease::check(at.inode(), OpenFlags::WRONLY)?;
        at.inode().set_metadata(&SetMetadata {
            size: Some(size),
            mode: context.cred.written_mode(&rights),
            ..SetMetadata::default()
        })?;
        cut::length_was_set(at.inode());
        notify::at_name(at, Events::MODIFY);
        Ok(())
    }

    /// access(2) for whom `context` says. `EACCES`, also of a file that is to be executed
    /// where the mount forbids that; `EROFS`.
    pub fn access(&self, context: &PathContext, at: &Path, access: Access) -> Result<()> {
        let kind = at.kind();
        if access.contains(Access::EXECUTE) && kind == FileKind::Regular && at.forbids_exec() {
            return Err(Errno::EACCES);
        }
        let stored = matches!(
            kind,
            FileKind::Regular | FileKind::Directory | FileKind::Symlink
        );
        if access.contains(Access::WRITE) && stored {
            at.mount.check_writable()?;
        }
        context.cred.check_file(&at.inode().rights()?, access)
    }

    /// The same where a program wants to know: a filesystem that decides itself is asked
    /// beforehand.
    pub fn ask_access(&self, context: &PathContext, at: &Path, access: Access) -> Result<()> {
        self.access(context, at, access)?;
        at.inode().check_access(access)
    }
}
