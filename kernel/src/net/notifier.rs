//! [`Notifier`]: who waits for a program's socket, and what wakes them.

use alloc::sync::Arc;
use alloc::task::Wake;
use core::task::Waker;
use paddock_abi::Result;
use paddock_inet::Observer;
use paddock_sync::{Ready, WaitQueue, try_arc};

/// What a change of the incoming side can be about.
pub const INCOMING: Ready = Ready::OUT.complement();
/// What a change of the outgoing side can be about.
pub const OUTGOING: Ready = Ready::OUT.union(Ready::ERR).union(Ready::HUP);

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

/// What embassy-net calls when one side of a socket changes.
struct Side {
    notifier: Arc<Notifier>,
    events: Ready,
}

impl Wake for Side {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.notifier.queue.wake(self.events);
    }
}

/// What embassy-net calls for each side of a socket.
pub struct Wakers {
    /// Something has come, or the end of it.
    pub incoming: Waker,
    /// There is room.
    pub outgoing: Waker,
}

impl Notifier {
    /// One that nobody waits at, of a socket that is made now.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn new(family: u16, ino: u64) -> Result<Arc<Notifier>> {
        let maker = crate::user::current();
        let uid = maker.map_or(0, |thread| thread.with_cred(|cred| cred.uid.effective));
        try_arc(Notifier {
            queue: WaitQueue::new(),
            owner: Owner { ino, uid, family },
        })
    }

    /// What embassy-net is to call for each side.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn wakers(self: &Arc<Self>) -> Result<Wakers> {
        Ok(Wakers {
            incoming: self.side(INCOMING)?,
            outgoing: self.side(OUTGOING)?,
        })
    }

    fn side(self: &Arc<Self>, events: Ready) -> Result<Waker> {
        let notifier = self.clone();
        try_arc(Side { notifier, events }).map(Waker::from)
    }
}

/// What the stack of programs' sockets calls: it names what has changed, so
/// that an edge is told once.
impl Observer for Notifier {
    fn changed(&self, ready: Ready) {
        self.queue.wake(ready);
    }
}
