//! [`Notifier`]: who waits for a service's socket, and what wakes them.

use super::TcpSocket;
use alloc::sync::{Arc, Weak};
use alloc::task::Wake;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering::SeqCst};
use core::task::Waker;
use paddock_abi::{Errno, Result};
use paddock_sync::{OnceCell, PreemptOff, Rank, Ready, SpinLock, WaitQueue, try_arc};

/// What a change of the incoming side can be about.
const INCOMING: Ready = Ready::OUT.complement();
/// What a change of the outgoing side can be about.
const OUTGOING: Ready = Ready::OUT.union(Ready::ERR).union(Ready::HUP);

/// What the stack calls for each side of a socket.
pub struct Wakers {
    /// Something has come, or the end of it.
    pub incoming: Waker,
    /// There is room.
    pub outgoing: Waker,
}

/// Where those who wait for a socket are.
#[derive(Debug)]
pub struct Notifier {
    /// The queue.
    pub queue: WaitQueue,
    /// The TCP socket, which the stack may have to be asked about.
    socket: OnceCell<Weak<TcpSocket>>,
    is_watched: AtomicBool,
}

/// What the stack calls when one side of a socket changes.
struct Side {
    notifier: Arc<Notifier>,
    events: Ready,
    /// The socket is to be asked once the stack's poll is over.
    asks: bool,
}

impl Wake for Side {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.asks {
            self.notifier.watch();
        }
        self.notifier.queue.wake(self.events);
    }
}

/// TCP sockets whose connection is ready on both sides, so that the stack keeps
/// no waker for what can still come: it is asked after each of its polls.
struct Watched {
    /// Each at most once; there is room for all TCP sockets.
    list: Vec<Arc<Notifier>>,
    sockets: usize,
}

static WATCHED: SpinLock<Watched, PreemptOff> = SpinLock::new(
    Rank::Leaf,
    Watched {
        list: Vec::new(),
        sockets: 0,
    },
);

impl Notifier {
    /// One for a TCP socket.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn new() -> Result<Arc<Notifier>> {
        let mut watched = WATCHED.lock();
        let missing = (watched.sockets + 1).saturating_sub(watched.list.len());
        watched
            .list
            .try_reserve(missing)
            .map_err(|_| Errno::ENOMEM)?;
        watched.sockets += 1;
        drop(watched);
        try_arc(Notifier {
            queue: WaitQueue::new(),
            socket: OnceCell::new(),
            is_watched: AtomicBool::new(false),
        })
    }

    /// The socket that it is for. Once.
    pub fn belongs_to(&self, socket: &Arc<TcpSocket>) {
        let _ = self.socket.set(Arc::downgrade(socket));
    }

    /// What the stack is to call for each side.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn wakers(self: &Arc<Self>) -> Result<Wakers> {
        Ok(Wakers {
            incoming: self.side(INCOMING, false)?,
            outgoing: self.side(OUTGOING, false)?,
        })
    }

    fn side(self: &Arc<Self>, events: Ready, asks: bool) -> Result<Waker> {
        let notifier = self.clone();
        let side = Side {
            notifier,
            events,
            asks,
        };
        try_arc(side).map(Waker::from)
    }

    /// What the stack is to call when a connection has come: it notices that
    /// by the outgoing side. The socket notes it after the poll.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn wakers_of_listener(self: &Arc<Self>) -> Result<Wakers> {
        let incoming = self.side(INCOMING, true)?;
        let outgoing = incoming.clone();
        Ok(Wakers { incoming, outgoing })
    }

    /// Has the socket asked for news after each poll of a stack.
    pub fn watch(self: &Arc<Self>) {
        if self.is_watched.load(SeqCst) {
            return;
        }
        let mut watched = WATCHED.lock();
        if !self.is_watched.swap(true, SeqCst) {
            watched.list.push(self.clone());
        }
    }

    /// Undoes that.
    pub fn unwatch(&self) {
        if !self.is_watched.load(SeqCst) {
            return;
        }
        let mut watched = WATCHED.lock();
        if !self.is_watched.swap(false, SeqCst) {
            return;
        }
        let is_it = |other: &Arc<Notifier>| core::ptr::eq(&raw const **other, self);
        let at = watched.list.iter().position(is_it);
        let gone = at.map(|at| watched.list.swap_remove(at));
        drop(watched);
        drop(gone);
    }

    /// Tells of something that has come.
    pub fn tell(&self) {
        self.queue.wake(INCOMING);
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        WATCHED.lock().sockets -= 1;
    }
}

/// Tells of what has come to the connections that are watched. After every poll
/// of a stack, outside its section.
pub fn wake_watched() {
    let mut index = 0;
    loop {
        let Some(notifier) = WATCHED.lock().list.get(index).cloned() else {
            return;
        };
        let socket = notifier.socket.get().and_then(Weak::upgrade);
        match socket {
            Some(socket) if !socket.look_for_news() => index += 1,
            Some(_) => {}
            None => notifier.unwatch(),
        }
    }
}
