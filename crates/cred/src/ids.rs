//! Users and groups, and the calls that change them: setuid(2), setreuid(2),
//! setresuid(2), setfsuid(2), setgroups(2), and their like for groups.

use crate::{Cap, CapSet, Cred, Groups, Securebits};
use paddock_abi::{Errno, Result};

/// The four ids of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ids {
    /// Who started it.
    pub real: u32,
    /// As whom it acts.
    pub effective: u32,
    /// As whom it may act again.
    pub saved: u32,
    /// As whom it opens files.
    pub fs: u32,
}

impl Ids {
    /// All four the same.
    pub const fn all(id: u32) -> Ids {
        Ids {
            real: id,
            effective: id,
            saved: id,
            fs: id,
        }
    }

    fn one_of(&self, id: u32) -> bool {
        [self.real, self.effective, self.saved].contains(&id)
    }

    /// setuid(2) and setgid(2).
    fn set(self, id: u32, privileged: bool) -> Result<Ids> {
        match (privileged, id == self.real || id == self.saved) {
            (true, _) => Ok(Ids::all(id)),
            (false, true) => Ok(Ids {
                effective: id,
                fs: id,
                ..self
            }),
            (false, false) => Err(Errno::EPERM),
        }
    }

    /// setreuid(2) and setregid(2).
    fn set_two(self, real: Option<u32>, effective: Option<u32>, privileged: bool) -> Result<Ids> {
        let may_real = |id| id == self.real || id == self.effective;
        let fine =
            privileged || (real.is_none_or(may_real) && effective.is_none_or(|id| self.one_of(id)));
        if !fine {
            return Err(Errno::EPERM);
        }
        let mut new = Ids {
            real: real.unwrap_or(self.real),
            effective: effective.unwrap_or(self.effective),
            ..self
        };
        if real.is_some() || effective.is_some_and(|id| id != self.real) {
            new.saved = new.effective;
        }
        new.fs = new.effective;
        Ok(new)
    }

    /// setresuid(2) and setresgid(2): real, effective, saved.
    fn set_three(self, ids: [Option<u32>; 3], privileged: bool) -> Result<Ids> {
        let mut given = ids.iter().flatten();
        if !privileged && !given.all(|&id| self.one_of(id)) {
            return Err(Errno::EPERM);
        }
        let [real, effective, saved] = ids;
        let effective = effective.unwrap_or(self.effective);
        Ok(Ids {
            real: real.unwrap_or(self.real),
            effective,
            saved: saved.unwrap_or(self.saved),
            fs: effective,
        })
    }

    /// setfsuid(2) and setfsgid(2): unchanged if that may not be.
    fn set_fs(self, id: u32, privileged: bool) -> Ids {
        match privileged || self.one_of(id) || id == self.fs {
            true => Ids { fs: id, ..self },
            false => self,
        }
    }

    fn has_root(&self) -> bool {
        self.one_of(0)
    }
}

impl Cred {
    fn with_users(&self, uid: Ids) -> Cred {
        let mut new = Cred {
            uid,
            ..self.clone()
        };
        if !self.securebits.contains(Securebits::NO_SETUID_FIXUP) {
            new.fix_capabilities(&self.uid);
        }
        new
    }

    /// What becoming another user, from `old`, does to the capabilities
    /// (capabilities(7), "Effect of user ID changes").
    fn fix_capabilities(&mut self, old: &Ids) {
        if old.has_root() && !self.uid.has_root() {
            if !self.securebits.contains(Securebits::KEEP_CAPS) {
                self.permitted = CapSet::EMPTY;
                self.effective = CapSet::EMPTY;
            }
            self.ambient = CapSet::EMPTY;
        }
        match (old.effective, self.uid.effective) {
            (0, 0) => {}
            (0, _) => self.effective = CapSet::EMPTY,
            (_, 0) => self.effective = self.permitted,
            _ => {}
        }
    }

    fn with_groups_of(&self, gid: Ids) -> Cred {
        Cred {
            gid,
            ..self.clone()
        }
    }

    fn may_set_uid(&self) -> bool {
        self.capable(Cap::CAP_SETUID)
    }

    fn may_set_gid(&self) -> bool {
        self.capable(Cap::CAP_SETGID)
    }

    /// setuid(2). `EPERM`.
    pub fn set_uid(&self, uid: u32) -> Result<Cred> {
        let ids = self.uid.set(uid, self.may_set_uid())?;
        Ok(self.with_users(ids))
    }

    /// setreuid(2). `EPERM`.
    pub fn set_reuid(&self, real: Option<u32>, effective: Option<u32>) -> Result<Cred> {
        let ids = self.uid.set_two(real, effective, self.may_set_uid())?;
        Ok(self.with_users(ids))
    }

    /// setresuid(2): real, effective, saved. `EPERM`.
    pub fn set_resuid(&self, ids: [Option<u32>; 3]) -> Result<Cred> {
        let ids = self.uid.set_three(ids, self.may_set_uid())?;
        Ok(self.with_users(ids))
    }

    /// setfsuid(2): the same if that may not be.
    pub fn set_fsuid(&self, uid: u32) -> Cred {
        let old = self.uid.fs;
        let mut new = Cred {
            uid: self.uid.set_fs(uid, self.may_set_uid()),
            ..self.clone()
        };
        if !self.securebits.contains(Securebits::NO_SETUID_FIXUP) {
            match (old, new.uid.fs) {
                (0, 0) => {}
                (0, _) => new.effective = new.effective.without(CapSet::FILES),
                (_, 0) => new.effective = new.effective | (new.permitted & CapSet::FILES),
                _ => {}
            }
        }
        new
    }

    /// setgid(2). `EPERM`.
    pub fn set_gid(&self, gid: u32) -> Result<Cred> {
        let ids = self.gid.set(gid, self.may_set_gid())?;
        Ok(self.with_groups_of(ids))
    }

    /// setregid(2). `EPERM`.
    pub fn set_regid(&self, real: Option<u32>, effective: Option<u32>) -> Result<Cred> {
        let ids = self.gid.set_two(real, effective, self.may_set_gid())?;
        Ok(self.with_groups_of(ids))
    }

    /// setresgid(2): real, effective, saved. `EPERM`.
    pub fn set_resgid(&self, ids: [Option<u32>; 3]) -> Result<Cred> {
        let ids = self.gid.set_three(ids, self.may_set_gid())?;
        Ok(self.with_groups_of(ids))
    }

    /// setfsgid(2): the same if that may not be.
    pub fn set_fsgid(&self, gid: u32) -> Cred {
        self.with_groups_of(self.gid.set_fs(gid, self.may_set_gid()))
    }

    /// setgroups(2). `EPERM`.
    pub fn set_groups(&self, groups: Groups) -> Result<Cred> {
        self.require(Cap::CAP_SETGID)?;
        Ok(Cred {
            groups,
            ..self.clone()
        })
    }
}
