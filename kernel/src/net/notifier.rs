//! [`Notifier`]: who waits for a program's socket, and what wakes them.

use alloc::sync::Arc;
use paddock_abi::Result;
use paddock_inet::Observer;
use paddock_sync::{Ready, WaitQueue, try_arc};

/// Where those who wait for a socket are.
#[derive(Debug)]
pub struct Notifier {
    /// The queue.
    pub queue: WaitQueue,
    /// Whose it is.
    pub owner: Owner,
}

/// What `/proc/net` tells of who has a socket.
#[derive(Clone, Copy, Debug)]
pub struct Owner {
    /// The socket's number.
    pub ino: u64,
    /// Who made it.
    pub uid: u32,
    /// `AF_INET` or `AF_INET6`.
    pub family: u16,
}

impl Notifier {
    /// One that nobody waits at, of a socket that is made now.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn new(family: u16, ino: u64) -> Result<Arc<Notifier>> {
        let maker = crate::process::current();
        let uid = maker.map_or(0, |thread| thread.with_cred(|cred| cred.uid.effective));
        try_arc(Notifier {
            queue: WaitQueue::new(),
            owner: Owner { ino, uid, family },
        })
    }
}

/// What the stack of programs' sockets calls: it names what has changed, so
/// that an edge is told once.
impl Observer for Notifier {
    fn changed(&self, ready: Ready) {
        self.queue.wake(ready);
    }
}
