//! Who asks, and whether they may.

use crate::{Errno, FileKind, Metadata, Result};
use alloc::sync::Arc;

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

/// The identity that file access is checked against (fsuid and fsgid).
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Arc<[u32]>,
}

impl Credentials {
    /// The superuser's.
    pub fn root() -> Credentials {
        Credentials {
            uid: 0,
            gid: 0,
            groups: Arc::from([]),
        }
    }

    /// Whether `gid` is one of the groups.
    pub fn in_group(&self, gid: u32) -> bool {
        self.gid == gid || self.groups.contains(&gid)
    }

    /// `EACCES` unless the mode bits of `meta` grant all of `access`
    /// (path_resolution(7)). The superuser may do all, but execute only what
    /// someone may execute.
    pub fn check(&self, meta: &Metadata, access: Access) -> Result<()> {
        if self.uid == 0 {
            let executable = meta.kind == FileKind::Directory || meta.mode & 0o111 != 0;
            return match access.contains(Access::EXECUTE) && !executable {
                true => Err(Errno::EACCES),
                false => Ok(()),
            };
        }
        let shift = match self {
            _ if self.uid == meta.uid => 6,
            _ if self.in_group(meta.gid) => 3,
            _ => 0,
        };
        match (meta.mode >> shift) & access.bits() == access.bits() {
            true => Ok(()),
            false => Err(Errno::EACCES),
        }
    }

    /// `EPERM` unless it is the owner of `meta` or the superuser.
    pub fn check_owner(&self, meta: &Metadata) -> Result<()> {
        match self.uid == 0 || self.uid == meta.uid {
            true => Ok(()),
            false => Err(Errno::EPERM),
        }
    }

    /// May an entry for `victim` be taken out of `dir`? Write and search
    /// permission, and the rule of the sticky bit.
    pub fn check_delete(&self, dir: &Metadata, victim: &Metadata) -> Result<()> {
        self.check(dir, Access::WRITE | Access::EXECUTE)?;
        let sticky = dir.mode & paddock_abi::stat::S_ISVTX != 0;
        match sticky && self.uid != 0 && self.uid != dir.uid && self.uid != victim.uid {
            true => Err(Errno::EPERM),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    fn meta(mode: u32) -> Metadata {
        Metadata {
            device: 1,
            ino: 1,
            kind: FileKind::Regular,
            mode,
            links: 1,
            uid: 10,
            gid: 20,
            rdev: 0,
            size: 0,
            blocks: 0,
            block_size: 4096,
            atime: Timestamp::default(),
            mtime: Timestamp::default(),
            ctime: Timestamp::default(),
        }
    }

    fn user(uid: u32, gid: u32) -> Credentials {
        Credentials {
            uid,
            gid,
            groups: Arc::from([7]),
        }
    }

    #[test]
    fn one_class_of_bits_decides() {
        let owner_locked_out = meta(0o077);
        assert!(user(10, 20).check(&owner_locked_out, Access::READ).is_err());
        assert!(user(11, 20).check(&owner_locked_out, Access::READ).is_ok());
        assert!(user(11, 21).check(&meta(0o004), Access::READ).is_ok());
        assert!(user(11, 21).check(&meta(0o770), Access::READ).is_err());
    }

    #[test]
    fn the_superuser_executes_only_executables() {
        let root = Credentials::root();
        assert!(root.check(&meta(0), Access::READ | Access::WRITE).is_ok());
        assert!(root.check(&meta(0o666), Access::EXECUTE).is_err());
        assert!(root.check(&meta(0o001), Access::EXECUTE).is_ok());
    }
}
