//! [`News`]: that a file's text has changed.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use paddock_sync::{Ready, WaitQueue};

/// How often what a file tells has changed, and who waits for that.
#[derive(Debug)]
pub struct News {
    count: AtomicU64,
    told: AtomicU64,
    queue: WaitQueue,
}

impl News {
    pub(crate) fn new() -> News {
        News {
            count: AtomicU64::new(1),
            told: AtomicU64::new(1),
            queue: WaitQueue::new(),
        }
    }

    /// The number of the newest.
    pub fn newest(&self) -> u64 {
        self.count.load(Relaxed)
    }

    /// There is something new; [`Self::take_untold`] comes later. Any context.
    pub(crate) fn note(&self) {
        self.count.fetch_add(1, Relaxed);
    }

    /// Whether there is something that nobody was told of; whoever waits is.
    /// Any context but an interrupt.
    #[inline]
    pub(crate) fn take_untold(&self) -> bool {
        let newest = self.newest();
        if self.told.load(Relaxed) == newest {
            return false;
        }
        self.told.store(newest, Relaxed);
        self.queue.wake(Ready::PRI | Ready::ERR);
        true
    }

    /// Where that is announced.
    pub(crate) fn queue(&self) -> &WaitQueue {
        &self.queue
    }
}
