//! From embassy-net's wakers to whoever waits for a socket.

use alloc::sync::Arc;
use alloc::task::Wake;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use paddock_sync::WaitQueue;

/// Whether sockets of a stack have changed since it was last looked after.
pub type Attention = Arc<AtomicBool>;

/// A socket's waiters. Its waker wakes them all; embassy-net calls it inside
/// a section, where nothing happens but marking threads and tasks runnable.
#[derive(Debug, Default)]
pub struct Notifier {
    /// Who waits.
    pub queue: WaitQueue,
}

impl Wake for Notifier {
    fn wake(self: Arc<Self>) {
        self.queue.wake_all();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.queue.wake_all();
    }
}

/// The waker of a stack's own sockets: those that listen and those that
/// nobody owns any more. Only asks for the stack's attention.
#[derive(Debug)]
pub struct Caretaker {
    attention: Attention,
}

impl Caretaker {
    /// For the stack with this mark.
    pub fn new(attention: Attention) -> Self {
        Caretaker { attention }
    }
}

impl Wake for Caretaker {
    fn wake(self: Arc<Self>) {
        self.attention.store(true, Relaxed);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.attention.store(true, Relaxed);
    }
}
