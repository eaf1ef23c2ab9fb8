//! Who a thread is, and what it may (credentials(7), capabilities(7)).
//!
//! A [`Cred`] is never changed: what changes it makes another one, or refuses.
//! The rules are those of Linux 6.1; a file's own capabilities (the attribute
//! `security.capability`) are not among them.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod capability;
mod capset;
mod exec;
mod file;
mod groups;
mod id_map;
mod ids;
mod namespace_count;
mod securebits;
mod target;
#[cfg(test)]
mod tests;
mod user_namespace;
#[cfg(test)]
mod user_namespace_tests;

pub use capability::{Cap, CapSet};
pub use exec::{Executed, ExecutedFile};
pub use file::{Access, FileRights};
pub use groups::{Groups, NGROUPS_MAX};
pub use id_map::{EXTENTS_MAX, Extent, IdMap, OVERFLOW_ID};
pub use ids::Ids;
pub use namespace_count::{max_user_namespaces, set_max_user_namespaces};
pub use securebits::Securebits;
pub use user_namespace::{IdKind, UserNamespace};

use alloc::sync::Arc;
use paddock_sync::OnceCell;

/// The identity and the rights of a thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cred {
    /// Users.
    pub uid: Ids,
    /// Groups.
    pub gid: Ids,
    /// Supplementary groups.
    pub groups: Groups,
    /// Capabilities that may become effective.
    pub permitted: CapSet,
    /// Capabilities that are checked.
    pub effective: CapSet,
    /// Capabilities that files may pass on at execve.
    pub inheritable: CapSet,
    /// The most that execve may give.
    pub bounding: CapSet,
    /// Capabilities that programs without set-user-id keep.
    pub ambient: CapSet,
    /// Whether user 0 is special.
    pub securebits: Securebits,
    /// execve gives nothing that its caller has not (`PR_SET_NO_NEW_PRIVS`).
    pub no_new_privs: bool,
    /// Where its capabilities count, and its ids are known by other numbers.
    pub user_namespace: UserNamespace,
}

impl Cred {
    /// The superuser's, as process 1 begins.
    pub const fn root() -> Cred {
        Cred::new(0, 0, CapSet::ALL)
    }

    /// The superuser's, shared: the first call, at boot, makes it.
    #[allow(clippy::disallowed_methods, reason = "runs at boot, before any user")]
    pub fn shared_root() -> Arc<Cred> {
        static ROOT: OnceCell<Arc<Cred>> = OnceCell::new();
        match ROOT.get() {
            Some(root) => root.clone(),
            None => match ROOT.set(Arc::new(Cred::root())) {
                Ok(root) => root.clone(),
                Err(root) => root,
            },
        }
    }

    /// An ordinary user's, without capabilities; user 0 has them all.
    pub const fn user(uid: u32, gid: u32) -> Cred {
        match uid {
            0 => Cred::new(0, gid, CapSet::ALL),
            _ => Cred::new(uid, gid, CapSet::EMPTY),
        }
    }

    const fn new(uid: u32, gid: u32, caps: CapSet) -> Cred {
        Cred {
            uid: Ids::all(uid),
            gid: Ids::all(gid),
            groups: Groups::none(),
            permitted: caps,
            effective: caps,
            inheritable: CapSet::EMPTY,
            bounding: CapSet::ALL,
            ambient: CapSet::EMPTY,
            securebits: Securebits::empty(),
            no_new_privs: false,
            user_namespace: UserNamespace::INITIAL,
        }
    }

    /// Whether a capability is effective in the initial user namespace, as what is the
    /// machine's takes; it never is for who is in another one.
    #[inline]
    pub const fn capable(&self, cap: Cap) -> bool {
        self.effective.has(cap) && self.user_namespace.is_initial()
    }

    /// `EPERM` unless a capability is effective in the initial user namespace.
    pub fn require(&self, cap: Cap) -> paddock_abi::Result<()> {
        match self.capable(cap) {
            true => Ok(()),
            false => Err(paddock_abi::Errno::EPERM),
        }
    }

    /// Whether `gid` is the filesystem group or a supplementary one.
    pub fn in_group(&self, gid: u32) -> bool {
        self.gid.fs == gid || self.groups.has(gid)
    }

    /// Whether a process that goes on as `new` is to be hidden from its user's
    /// others: it has become someone else, or has gained something
    /// (`PR_SET_DUMPABLE` becomes 0, and `PR_SET_PDEATHSIG` is forgotten).
    pub fn hides(&self, new: &Cred) -> bool {
        let moved = |old: &Ids, new: &Ids| old.effective != new.effective || old.fs != new.fs;
        moved(&self.uid, &new.uid) || moved(&self.gid, &new.gid) || !self.covers(new)
    }
}
