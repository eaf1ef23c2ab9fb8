//! The names of the host and its domain (uname(2)), in each UTS namespace.

use super::accounts;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};
use paddock_abi::Result;
use paddock_charge::Charge;
use paddock_cred::UserNamespace;
use paddock_sync::{PreemptOff, Rank, SpinLock, try_arc, try_copy};

/// The longest name, in bytes.
pub const NAME_MAX: usize = 64;

/// The inode number of the first UTS namespace, as on Linux, and of the next one.
const FIRST_NUMBER: u64 = 0xefff_fffe;
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0xf200_0000);

/// What one is charged for, in bytes.
const COST: usize = 1024;

struct Names {
    host: Vec<u8>,
    domain: Vec<u8>,
}

/// A UTS namespace.
pub struct Uts {
    number: u64,
    owner: UserNamespace,
    _charge: Option<Charge>,
    names: SpinLock<Names, PreemptOff>,
}

impl Uts {
    /// The first one. `ENOMEM`.
    pub fn first() -> Result<Arc<Uts>> {
        let initial = (FIRST_NUMBER, UserNamespace::INITIAL, None);
        Self::new(initial, try_copy(b"paddock")?, try_copy(b"(none)")?)
    }

    fn new(
        (number, owner, charge): (u64, UserNamespace, Option<Charge>),
        host: Vec<u8>,
        domain: Vec<u8>,
    ) -> Result<Arc<Uts>> {
        try_arc(Uts {
            number,
            owner,
            _charge: charge,
            names: SpinLock::new(Rank::Leaf, Names { host, domain }),
        })
    }

    /// Another with the same names, which belongs to `owner`. `ENOMEM`.
    pub fn copy(&self, owner: &UserNamespace) -> Result<Arc<Uts>> {
        let names = self.names.lock();
        let (host, domain) = (try_copy(&names.host)?, try_copy(&names.domain)?);
        drop(names);
        let number = NEXT_NUMBER.fetch_add(1, Ordering::Relaxed);
        let charge = Charge::new(&accounts::paying(), COST)?;
        Self::new((number, owner.clone(), Some(charge)), host, domain)
    }

    /// The user namespace that it belongs to.
    pub fn owner(&self) -> &UserNamespace {
        &self.owner
    }

    /// Its inode number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The host's name. `ENOMEM`. Never sleeps.
    pub fn hostname(&self) -> Result<Vec<u8>> {
        try_copy(&self.names.lock().host)
    }

    /// The domain's name, as uname(2) tells it. `ENOMEM`. Never sleeps.
    pub fn domain(&self) -> Result<Vec<u8>> {
        try_copy(&self.names.lock().domain)
    }

    /// Sets the host's name, of at most [`NAME_MAX`] bytes. Never sleeps.
    pub fn set_hostname(&self, name: Vec<u8>) {
        let old = core::mem::replace(&mut self.names.lock().host, name);
        drop(old);
    }

    /// Sets the domain's name, likewise.
    pub fn set_domain(&self, name: Vec<u8>) {
        let old = core::mem::replace(&mut self.names.lock().domain, name);
        drop(old);
    }
}
