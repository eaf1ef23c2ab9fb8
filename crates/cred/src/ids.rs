//! Users and groups, and the calls that change them: setuid(2), setreuid(2),
//! setresuid(2), setfsuid(2), setgroups(2), and their like for groups.

use crate::{Cap, CapSet, Cred, Groups, IdKind, Securebits};
use alloc::vec::Vec;
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

    fn has_root(&self, root: Option<u32>) -> bool {
        root.is_some_and(|root| self.one_of(root))
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
        let root = self.root_uid();
        if old.has_root(root) && !self.uid.has_root(root) {
            if !self.securebits.contains(Securebits::KEEP_CAPS) {
                self.permitted = CapSet::EMPTY;
                self.effective = CapSet::EMPTY;
            }
            self.ambient = CapSet::EMPTY;
        }
        let is_root = |uid: u32| root == Some(uid);
        match (is_root(old.effective), is_root(self.uid.effective)) {
            (true, false) => self.effective = CapSet::EMPTY,
            (false, true) => self.effective = self.permitted,
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
        self.capable_here(Cap::CAP_SETUID)
    }

    fn may_set_gid(&self) -> bool {
        self.capable_here(Cap::CAP_SETGID)
    }

    /// The kernel's id for one of its namespace. `EINVAL` for nobody's.
    fn given(&self, kind: IdKind, id: u32) -> Result<u32> {
        self.user_namespace.given(kind, id).ok_or(Errno::EINVAL)
    }

    fn given_all<const N: usize>(
        &self,
        kind: IdKind,
        ids: [Option<u32>; N],
    ) -> Result<[Option<u32>; N]> {
        let mut all = ids;
        for id in all.iter_mut().flatten() {
            *id = self.given(kind, *id)?;
        }
        Ok(all)
    }

    /// setuid(2), as all of these calls with ids of its namespace. `EPERM`, `EINVAL`.
    pub fn set_uid(&self, uid: u32) -> Result<Cred> {
        let uid = self.given(IdKind::User, uid)?;
        let ids = self.uid.set(uid, self.may_set_uid())?;
        Ok(self.with_users(ids))
    }

    /// setreuid(2). `EPERM`, `EINVAL`.
    pub fn set_reuid(&self, real: Option<u32>, effective: Option<u32>) -> Result<Cred> {
        let [real, effective] = self.given_all(IdKind::User, [real, effective])?;
        let ids = self.uid.set_two(real, effective, self.may_set_uid())?;
        Ok(self.with_users(ids))
    }

    /// setresuid(2): real, effective, saved. `EPERM`, `EINVAL`.
    pub fn set_resuid(&self, ids: [Option<u32>; 3]) -> Result<Cred> {
        let ids = self.given_all(IdKind::User, ids)?;
        let ids = self.uid.set_three(ids, self.may_set_uid())?;
        Ok(self.with_users(ids))
    }

    /// setfsuid(2): the same if that may not be.
    pub fn set_fsuid(&self, uid: u32) -> Cred {
        let old = self.uid.fs;
        let Ok(uid) = self.given(IdKind::User, uid) else {
            return self.clone();
        };
        let mut new = Cred {
            uid: self.uid.set_fs(uid, self.may_set_uid()),
            ..self.clone()
        };
        if !self.securebits.contains(Securebits::NO_SETUID_FIXUP) {
            let is_root = |uid: u32| self.root_uid() == Some(uid);
            match (is_root(old), is_root(new.uid.fs)) {
                (true, false) => new.effective = new.effective.without(CapSet::FILES),
                (false, true) => new.effective = new.effective | (new.permitted & CapSet::FILES),
                _ => {}
            }
        }
        new
    }

    /// setgid(2). `EPERM`, `EINVAL`.
    pub fn set_gid(&self, gid: u32) -> Result<Cred> {
        let gid = self.given(IdKind::Group, gid)?;
        let ids = self.gid.set(gid, self.may_set_gid())?;
        Ok(self.with_groups_of(ids))
    }

    /// setregid(2). `EPERM`, `EINVAL`.
    pub fn set_regid(&self, real: Option<u32>, effective: Option<u32>) -> Result<Cred> {
        let [real, effective] = self.given_all(IdKind::Group, [real, effective])?;
        let ids = self.gid.set_two(real, effective, self.may_set_gid())?;
        Ok(self.with_groups_of(ids))
    }

    /// setresgid(2): real, effective, saved. `EPERM`, `EINVAL`.
    pub fn set_resgid(&self, ids: [Option<u32>; 3]) -> Result<Cred> {
        let ids = self.given_all(IdKind::Group, ids)?;
        let ids = self.gid.set_three(ids, self.may_set_gid())?;
        Ok(self.with_groups_of(ids))
    }

    /// setfsgid(2): the same if that may not be.
    pub fn set_fsgid(&self, gid: u32) -> Cred {
        match self.given(IdKind::Group, gid) {
            Ok(gid) => self.with_groups_of(self.gid.set_fs(gid, self.may_set_gid())),
            Err(_) => self.clone(),
        }
    }

    /// `EPERM` unless it may call setgroups(2): with CAP_SETGID, where it is not denied.
    pub fn check_setgroups(&self) -> Result<()> {
        self.require_here(Cap::CAP_SETGID)?;
        match self.user_namespace.may_setgroups() {
            true => Ok(()),
            false => Err(Errno::EPERM),
        }
    }

    /// setgroups(2). `EPERM`, `EINVAL` for more than [`crate::NGROUPS_MAX`] and for who
    /// is nobody; `ENOMEM`.
    pub fn set_groups(&self, mut groups: Vec<u32>) -> Result<Cred> {
        self.check_setgroups()?;
        for gid in &mut groups {
            *gid = self.given(IdKind::Group, *gid)?;
        }
        let groups = Groups::new(groups)?;
        Ok(Cred {
            groups,
            ..self.clone()
        })
    }
}
