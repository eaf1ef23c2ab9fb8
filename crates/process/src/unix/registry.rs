//! [`Registry`]: sockets by the names they are bound to.

use super::UnixSocket;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use hashbrown::HashMap;
use paddock_abi::{Errno, Result};
use paddock_sync::{PreemptOff, Rank, SpinLock};

/// What a socket is found by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Name {
    /// A socket's inode: device and number.
    Inode(u64, u64),
    /// A name that is in no filesystem.
    Abstract(Vec<u8>),
}

/// All bound sockets.
pub struct Registry {
    sockets: SpinLock<Option<HashMap<Name, Weak<UnixSocket>>>, PreemptOff>,
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

impl Registry {
    /// No sockets.
    pub const fn new() -> Registry {
        Registry {
            sockets: SpinLock::new(Rank::Leaf, None),
        }
    }

    /// Binds a socket to a name. `EADDRINUSE`, `ENOMEM`.
    pub fn bind(&self, name: Name, socket: &Arc<UnixSocket>) -> Result<()> {
        let mut sockets = self.sockets.lock();
        let sockets = sockets.get_or_insert_with(HashMap::new);
        sockets.retain(|_, socket| socket.strong_count() > 0);
        if sockets.contains_key(&name) {
            return Err(Errno::EADDRINUSE);
        }
        sockets.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        sockets.insert(name, Arc::downgrade(socket));
        Ok(())
    }

    /// The socket of a name. `ECONNREFUSED` if there is none.
    pub fn find(&self, name: &Name) -> Result<Arc<UnixSocket>> {
        let sockets = self.sockets.lock();
        let socket = sockets.as_ref().and_then(|sockets| sockets.get(name));
        socket.and_then(Weak::upgrade).ok_or(Errno::ECONNREFUSED)
    }
}
