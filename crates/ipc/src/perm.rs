//! Who may do what with an object (ipc_perm of sysvipc(7)).

use paddock_abi::ipc::{IPC_PRIVATE, IpcPerm};
use paddock_abi::{Errno, Result};
use paddock_cred::{Cap, Cred};

/// Owner, creator and permissions of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Perm {
    /// What it was made under.
    pub key: i32,
    /// Owner.
    pub uid: u32,
    /// The owner's group.
    pub gid: u32,
    /// Creator.
    pub cuid: u32,
    /// The creator's group.
    pub cgid: u32,
    /// The nine permission bits.
    pub mode: u32,
}

impl Perm {
    /// Of an object that `cred` makes with these flags of its call.
    pub fn new(key: i32, flags: u32, cred: &Cred) -> Perm {
        let (uid, gid) = (cred.uid.effective, cred.gid.effective);
        Perm {
            key,
            uid,
            gid,
            cuid: uid,
            cgid: gid,
            mode: flags & 0o777,
        }
    }

    /// `EACCES` unless all that `wanted` asks for is granted: bits as in a
    /// mode, whichever class they stand in.
    pub fn check(&self, cred: &Cred, wanted: u32) -> Result<()> {
        let wanted = (wanted >> 6 | wanted >> 3 | wanted) & 7;
        let shift = match self {
            _ if self.is_owner(cred) => 6,
            _ if cred.in_group(self.cgid) || cred.in_group(self.gid) => 3,
            _ => 0,
        };
        match wanted & !(self.mode >> shift) == 0 || cred.capable(Cap::CAP_IPC_OWNER) {
            true => Ok(()),
            false => Err(Errno::EACCES),
        }
    }

    /// Whether it is the owner or the creator.
    pub fn is_owner(&self, cred: &Cred) -> bool {
        [self.uid, self.cuid].contains(&cred.uid.effective)
    }

    /// `EPERM` unless `cred` may change or remove the object.
    pub fn check_change(&self, cred: &Cred) -> Result<()> {
        match self.is_owner(cred) || cred.capable(Cap::CAP_SYS_ADMIN) {
            true => Ok(()),
            false => Err(Errno::EPERM),
        }
    }

    /// `IPC_SET`. `EINVAL` for ids that nobody has.
    pub fn set(&mut self, new: &IpcPerm) -> Result<()> {
        if new.uid == u32::MAX || new.gid == u32::MAX {
            return Err(Errno::EINVAL);
        }
        (self.uid, self.gid) = (new.uid, new.gid);
        self.mode = new.mode & 0o777;
        Ok(())
    }

    /// No call finds it by its key any more.
    pub fn hide(&mut self) -> i32 {
        core::mem::replace(&mut self.key, IPC_PRIVATE)
    }

    /// As `IPC_STAT` shows it.
    pub fn shown(&self, id: i32) -> IpcPerm {
        let Perm {
            key,
            uid,
            gid,
            cuid,
            cgid,
            mode,
        } = *self;
        IpcPerm {
            key,
            uid,
            gid,
            cuid,
            cgid,
            mode,
            seq: crate::table::sequence_of(id),
            ..IpcPerm::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use paddock_cred::Groups;

    #[test]
    fn the_first_class_that_fits_decides() {
        let perm = Perm {
            uid: 10,
            gid: 20,
            ..Perm::new(1, 0o642, &Cred::user(11, 21))
        };
        let check = |uid, gid, wanted| perm.check(&Cred::user(uid, gid), wanted);
        for owner in [10, 11] {
            assert_eq!(check(owner, 9, 0o666), Ok(()));
            assert_eq!(check(owner, 9, 0o111), Err(Errno::EACCES));
        }
        for group in [20, 21] {
            assert_eq!(check(9, group, 0o444), Ok(()));
            assert_eq!(check(9, group, 0o222), Err(Errno::EACCES));
        }
        assert_eq!(check(9, 9, 0o222), Ok(()));
        assert_eq!(check(9, 9, 0o444), Err(Errno::EACCES));
        assert_eq!(check(9, 9, 0), Ok(()));
        assert_eq!(check(0, 0, 0o777), Ok(()));
        let mut member = Cred::user(9, 9);
        member.groups = Groups::new(vec![20]).unwrap();
        assert_eq!(perm.check(&member, 0o400), Ok(()));
    }

    #[test]
    fn owner_and_creator_may_change_it() {
        let mut perm = Perm::new(1, 0o1666, &Cred::user(11, 21));
        assert_eq!(perm.mode, 0o666);
        let mut new = perm.shown(5 << 15 | 3);
        assert_eq!(new.seq, 5);
        (new.uid, new.mode) = (10, 0o7700);
        perm.set(&new).unwrap();
        assert_eq!((perm.uid, perm.cuid, perm.mode), (10, 11, 0o700));
        for uid in [0, 10, 11] {
            assert_eq!(perm.check_change(&Cred::user(uid, 1)), Ok(()));
        }
        let other = Cred::user(12, 21);
        assert_eq!(perm.check_change(&other), Err(Errno::EPERM));
        new.gid = u32::MAX;
        assert_eq!(perm.set(&new), Err(Errno::EINVAL));
    }
}
