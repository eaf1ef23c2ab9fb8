//! What execve(2) makes of a thread's identity.

use crate::{CapSet, Cred, Securebits};
use paddock_abi::stat::{S_ISGID, S_ISUID};

/// The program's file, as far as it has a say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecutedFile {
    /// Its mode.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Whether its mount gives nobody anything (`MS_NOSUID`).
    pub nosuid: bool,
}

/// Who the program runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    /// Its identity.
    pub cred: Cred,
    /// Whether it has more than its caller: the C library then trusts no
    /// environment (`AT_SECURE`).
    pub secure: bool,
}

const S_IXGRP: u32 = 0o010;

impl Cred {
    /// Who a program of that file runs as, if this one executes it.
    pub fn exec(&self, file: &ExecutedFile) -> Executed {
        let mut new = Cred {
            permitted: CapSet::EMPTY,
            ..self.clone()
        };
        // Whom its namespace does not know it cannot become.
        let known = self.user_namespace.knows(file.uid, file.gid);
        if !file.nosuid && !self.no_new_privs && known {
            if file.mode & S_ISUID != 0 {
                new.uid.effective = file.uid;
            }
            if file.mode & (S_ISGID | S_IXGRP) == S_ISGID | S_IXGRP {
                new.gid.effective = file.gid;
            }
        }
        let root = !self.securebits.contains(Securebits::NOROOT);
        let is_root = |uid: u32| self.root_uid() == Some(uid);
        let root_acts = root && is_root(new.uid.effective);
        if root_acts || root && is_root(new.uid.real) {
            new.permitted = self.bounding | self.inheritable;
        }
        let other = new.uid.effective != self.uid.real || new.gid.effective != self.gid.real;
        if self.no_new_privs && (other || !new.permitted.within(self.permitted)) {
            new.uid.effective = new.uid.real;
            new.gid.effective = new.gid.real;
            new.permitted = new.permitted & self.permitted;
        }
        for ids in [&mut new.uid, &mut new.gid] {
            ids.saved = ids.effective;
            ids.fs = ids.effective;
        }
        if other {
            new.ambient = CapSet::EMPTY;
        }
        new.permitted = new.permitted | new.ambient;
        new.effective = if root_acts {
            new.permitted
        } else {
            new.ambient
        };
        let secure =
            other || !is_root(new.uid.real) && (root_acts || !new.permitted.within(new.ambient));
        new.securebits.remove(Securebits::KEEP_CAPS);
        Executed { cred: new, secure }
    }
}
