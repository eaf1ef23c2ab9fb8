//! Network namespaces (network_namespaces(7)), as processes are in them. What is in one is
//! the network's, which provides them.

use alloc::sync::Arc;
use core::any::Any;
use paddock_abi::Result;
use paddock_cred::UserNamespace;
use paddock_sync::OnceCell;

/// A network namespace.
pub trait NetNamespace: Any + Send + Sync {
    /// Its inode number, which no other one ever has.
    fn number(&self) -> u64;

    /// The user namespace that it belongs to.
    fn owner(&self) -> &UserNamespace;
}

/// Where they come from.
pub struct Provider {
    /// The first one.
    pub first: Arc<dyn NetNamespace>,
    /// Makes another one, which belongs to a user namespace; the running process pays for
    /// it. `ENOMEM`.
    pub make: fn(&UserNamespace) -> Result<Arc<dyn NetNamespace>>,
}

static PROVIDER: OnceCell<Provider> = OnceCell::new();

/// The network is there. Once, before there is a process.
pub fn provide(provider: Provider) {
    if PROVIDER.set(provider).is_err() {
        panic!("the network was started twice");
    }
}

/// Where they come from.
pub fn provider() -> &'static Provider {
    match PROVIDER.get() {
        Some(provider) => provider,
        None => unreachable!("processes exist only once there is a network"),
    }
}
