//! How many user namespaces each user has (namespaces(7), `max_user_namespaces`).

use crate::UserNamespace;
use alloc::collections::BTreeMap;
use core::sync::atomic::{AtomicU32, Ordering};
use paddock_abi::{Errno, Result};
use paddock_sync::{PreemptOff, Rank, SpinLock, try_insert};

/// By the users of the initial namespace who made the outermost one.
static USERS: SpinLock<BTreeMap<u32, u32>, PreemptOff> = SpinLock::new(Rank::Leaf, BTreeMap::new());
static MOST: AtomicU32 = AtomicU32::new(1024);

/// How many user namespaces a user may have.
pub fn max_user_namespaces() -> u32 {
    MOST.load(Ordering::Relaxed)
}

/// Changes that, for those to come.
pub fn set_max_user_namespaces(most: u32) {
    MOST.store(most, Ordering::Relaxed);
}

/// One that counts for as long as this is there.
pub(crate) struct Counted(u32);

impl Counted {
    /// One more of a user's. `ENOSPC` if that is one too many, `ENOMEM`.
    pub fn new(uid: u32) -> Result<Counted> {
        let mut users = USERS.lock();
        let count = users.get(&uid).copied().unwrap_or(0);
        if count >= max_user_namespaces() {
            return Err(Errno::ENOSPC);
        }
        try_insert(&mut users, uid, count + 1)?;
        Ok(Counted(uid))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut users = USERS.lock();
        if let Some(count) = users.get_mut(&self.0) {
            *count -= 1;
            if *count == 0 {
                users.remove(&self.0);
            }
        }
    }
}

impl UserNamespace {
    /// Whose namespaces it and all within it are counted as: who made the outermost one.
    pub(crate) fn payer(&self) -> Option<u32> {
        let mut payer = None;
        let mut at = self;
        while let Some(above) = at.above() {
            payer = Some(at.owner());
            at = above;
        }
        payer
    }
}
