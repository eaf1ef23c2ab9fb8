//! The calls that change capabilities: capset(2) and prctl(2).

use crate::{Cap, CapSet, Cred, Securebits};
use paddock_abi::{Errno, Result};

impl Cred {
    /// capset(2). `EPERM`.
    pub fn capset(
        &self,
        effective: CapSet,
        permitted: CapSet,
        inheritable: CapSet,
    ) -> Result<Cred> {
        let may_add = match self.capable_here(Cap::CAP_SETPCAP) {
            true => CapSet::ALL,
            false => self.inheritable | self.permitted,
        };
        let fine = inheritable.within(may_add)
            && inheritable.within(self.inheritable | self.bounding)
            && permitted.within(self.permitted)
            && effective.within(permitted);
        if !fine {
            return Err(Errno::EPERM);
        }
        Ok(Cred {
            effective,
            permitted,
            inheritable,
            ambient: self.ambient & permitted & inheritable,
            ..self.clone()
        })
    }

    /// `PR_CAPBSET_DROP`. `EPERM`.
    pub fn drop_bounding(&self, cap: Cap) -> Result<Cred> {
        self.require_here(Cap::CAP_SETPCAP)?;
        Ok(Cred {
            bounding: self.bounding.without(CapSet::of(&[cap])),
            ..self.clone()
        })
    }

    /// `PR_SET_SECUREBITS`. `EPERM`, also for bits that there are not.
    pub fn set_securebits(&self, bits: u32) -> Result<Cred> {
        let new = Securebits::from_bits(bits).ok_or(Errno::EPERM)?;
        if !self.securebits.may_become(new) {
            return Err(Errno::EPERM);
        }
        self.require_here(Cap::CAP_SETPCAP)?;
        Ok(Cred {
            securebits: new,
            ..self.clone()
        })
    }

    /// `PR_SET_KEEPCAPS`. `EPERM` if it is locked.
    pub fn set_keep_caps(&self, keep: bool) -> Result<Cred> {
        if self.securebits.contains(Securebits::KEEP_CAPS_LOCKED) {
            return Err(Errno::EPERM);
        }
        let mut new = self.clone();
        new.securebits.set(Securebits::KEEP_CAPS, keep);
        Ok(new)
    }

    /// `PR_CAP_AMBIENT_RAISE`: of what is permitted and inheritable. `EPERM`.
    pub fn raise_ambient(&self, cap: Cap) -> Result<Cred> {
        let fine = self.permitted.has(cap)
            && self.inheritable.has(cap)
            && !self.securebits.contains(Securebits::NO_CAP_AMBIENT_RAISE);
        if !fine {
            return Err(Errno::EPERM);
        }
        Ok(Cred {
            ambient: self.ambient | CapSet::of(&[cap]),
            ..self.clone()
        })
    }

    /// `PR_CAP_AMBIENT_LOWER`, and `PR_CAP_AMBIENT_CLEAR_ALL`.
    pub fn lower_ambient(&self, caps: CapSet) -> Cred {
        Cred {
            ambient: self.ambient.without(caps),
            ..self.clone()
        }
    }

    /// `PR_SET_NO_NEW_PRIVS`.
    pub fn set_no_new_privs(&self) -> Cred {
        Cred {
            no_new_privs: true,
            ..self.clone()
        }
    }
}
