//! Rights to files (path_resolution(7), inode(7)).

use crate::{Cap, Cred, IdKind, Securebits};
use paddock_abi::stat::{S_ISGID, S_ISUID, S_ISVTX};
use paddock_abi::{Errno, Result};

bitflags::bitflags! {
    /// What is asked of a file, with access(2)'s values.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Access: u32 {
        /// To execute it, or to search a directory.
        const EXECUTE = 1;
        /// To write it, or to change a directory's entries.
        const WRITE = 2;
        /// To read it.
        const READ = 4;
    }
}

/// What decides about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileRights {
    /// Permission bits, with set-user-id, set-group-id and sticky.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Whether it is a directory.
    pub directory: bool,
    /// Whether its filesystem decides who may do what, when that is asked of it: nothing
    /// is refused before, but to run what nobody may.
    pub decided_there: bool,
}

const S_IXGRP: u32 = 0o010;

impl Cred {
    /// Whether a capability is effective for a file: its owner and its group are known
    /// where the capability counts.
    #[inline]
    fn has_for(&self, cap: Cap, file: &FileRights) -> bool {
        self.capable_over(cap, file.uid, file.gid)
    }

    /// `EACCES` unless the file grants all of `access`, or a capability does.
    pub fn check_file(&self, file: &FileRights, access: Access) -> Result<()> {
        let shift = match self {
            _ if self.uid.fs == file.uid => 6,
            _ if self.in_group(file.gid) => 3,
            _ => 0,
        };
        let granted = file.mode >> shift & access.bits() == access.bits();
        match granted || self.overrides(file, access) {
            true => Ok(()),
            false => Err(Errno::EACCES),
        }
    }

    fn overrides(&self, file: &FileRights, access: Access) -> bool {
        let harmless = match file.directory {
            true => !access.contains(Access::WRITE),
            false => access == Access::READ,
        };
        let executable = file.directory || file.mode & 0o111 != 0;
        harmless && self.has_for(Cap::CAP_DAC_READ_SEARCH, file)
            || (executable || !access.contains(Access::EXECUTE))
                && (file.decided_there || self.has_for(Cap::CAP_DAC_OVERRIDE, file))
    }

    /// `EPERM` unless it owns the file, or a capability says so.
    pub fn check_owner(&self, file: &FileRights) -> Result<()> {
        let may = || {
            let namespace = &self.user_namespace;
            let is_known =
                namespace.is_initial() || namespace.known(IdKind::User, file.uid).is_some();
            is_known && self.capable_here(Cap::CAP_FOWNER)
        };
        match self.uid.fs == file.uid || file.decided_there || may() {
            true => Ok(()),
            false => Err(Errno::EPERM),
        }
    }

    /// May `victim` be taken out of `dir`? The right to write and search that,
    /// and the rule of the sticky bit. `EACCES`, `EPERM`.
    pub fn check_delete(&self, dir: &FileRights, victim: &FileRights) -> Result<()> {
        self.check_file(dir, Access::WRITE | Access::EXECUTE)?;
        let own = self.uid.fs == victim.uid || self.uid.fs == dir.uid;
        let sticky = dir.mode & S_ISVTX != 0 && !dir.decided_there;
        match sticky && !own && !self.has_for(Cap::CAP_FOWNER, victim) {
            true => Err(Errno::EPERM),
            false => Ok(()),
        }
    }

    fn in_group_or_capable(&self, file: &FileRights) -> bool {
        self.in_group(file.gid) || self.has_for(Cap::CAP_FSETID, file)
    }

    /// chmod(2): the mode that the file gets. `EPERM`.
    pub fn chmod(&self, file: &FileRights, mode: u32) -> Result<u32> {
        self.check_owner(file)?;
        let mode = mode & 0o7777;
        Ok(match self.in_group_or_capable(file) {
            true => mode,
            false => mode & !S_ISGID,
        })
    }

    /// chown(2); `None` leaves one as it is. The mode that the file gets, if
    /// another. `EPERM`.
    pub fn chown(
        &self,
        file: &FileRights,
        uid: Option<u32>,
        gid: Option<u32>,
    ) -> Result<Option<u32>> {
        let own = self.uid.fs == file.uid;
        let may_uid = uid.is_none_or(|uid| own && uid == file.uid);
        let may_gid = gid.is_none_or(|gid| own && (gid == file.gid || self.in_group(gid)));
        let may = may_uid && may_gid || file.decided_there;
        if !(may || self.has_for(Cap::CAP_CHOWN, file)) {
            return Err(Errno::EPERM);
        }
        if file.directory {
            return Ok(None);
        }
        let mut mode = file.mode & !S_ISUID;
        if self.loses_set_gid(file) {
            mode &= !S_ISGID;
        }
        Ok((mode != file.mode).then_some(mode))
    }

    /// A set-group-id bit goes with a change if it would act, or if it is not
    /// the caller's to give.
    fn loses_set_gid(&self, file: &FileRights) -> bool {
        file.mode & S_IXGRP != 0 || !self.in_group_or_capable(file)
    }

    /// The mode that a regular file gets that is written, if another.
    pub fn written_mode(&self, file: &FileRights) -> Option<u32> {
        if file.mode & (S_ISUID | S_ISGID) == 0 || self.capable(Cap::CAP_FSETID) {
            return None;
        }
        let mut mode = file.mode & !S_ISUID;
        if self.loses_set_gid(file) {
            mode &= !S_ISGID;
        }
        (mode != file.mode).then_some(mode)
    }

    /// The mode and the group of a file that is made in `dir`.
    pub fn created(&self, dir: &FileRights, mode: u32, directory: bool) -> (u32, u32) {
        if dir.mode & S_ISGID == 0 {
            return (mode, self.gid.fs);
        }
        if directory {
            return (mode | S_ISGID, dir.gid);
        }
        let acts = S_ISGID | S_IXGRP;
        let strips = mode & acts == acts && !self.in_group_or_capable(dir);
        (if strips { mode & !S_ISGID } else { mode }, dir.gid)
    }

    /// The one by whom access(2) judges: the real ids.
    pub fn for_access(&self) -> Cred {
        let mut real = self.clone();
        real.uid.fs = self.uid.real;
        real.gid.fs = self.gid.real;
        if !self.securebits.contains(Securebits::NO_SETUID_FIXUP) {
            real.effective = match self.root_uid() == Some(self.uid.real) {
                true => self.permitted,
                false => crate::CapSet::EMPTY,
            };
        }
        real
    }
}
