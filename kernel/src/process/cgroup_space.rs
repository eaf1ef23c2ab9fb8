//! Cgroup namespaces (cgroup_namespaces(7)): from where processes see the groups.

use super::accounts;
use super::cgroup::hierarchy;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};
use paddock_abi::Result;
use paddock_cgroup::Group;
use paddock_charge::Charge;
use paddock_cred::UserNamespace;
use paddock_sync::try_arc;

/// The inode number of the first cgroup namespace, as on Linux, and of the next one.
const FIRST_NUMBER: u64 = 0xefff_fffb;
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0xf800_0000);

/// What one is charged for, in bytes.
const COST: usize = 1024;

/// A cgroup namespace.
pub struct CgroupSpace {
    number: u64,
    owner: UserNamespace,
    root: Arc<Group>,
    _charge: Option<Charge>,
}

impl CgroupSpace {
    /// The first one. `ENOMEM`.
    pub fn first() -> Result<Arc<CgroupSpace>> {
        try_arc(CgroupSpace {
            number: FIRST_NUMBER,
            owner: UserNamespace::INITIAL,
            root: hierarchy().root().clone(),
            _charge: None,
        })
    }

    /// Another one, which belongs to `owner`, of who is in the group `root`. `ENOMEM`.
    pub fn new(owner: &UserNamespace, root: Arc<Group>) -> Result<Arc<CgroupSpace>> {
        try_arc(CgroupSpace {
            number: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed),
            owner: owner.clone(),
            root,
            _charge: Some(Charge::new(&accounts::paying(), COST)?),
        })
    }

    /// Its inode number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The user namespace that it belongs to.
    pub fn owner(&self) -> &UserNamespace {
        &self.owner
    }

    /// The group that its processes see as the root.
    pub fn root(&self) -> &Arc<Group> {
        &self.root
    }
}
