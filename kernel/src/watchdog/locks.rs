//! What is told of a lock, copied out of it at one moment: other threads may
//! give it up meanwhile.

use super::report::At;
use core::fmt;
use core::panic::Location;
use paddock_sync::{Context, LockMeta, Rank};

/// A lock, as of some moment.
#[derive(Clone, Copy)]
pub struct Lock {
    address: usize,
    rank: Rank,
    taken_at: Option<&'static Location<'static>>,
    /// To be compared with threads' contexts; null if there is none.
    pub holder: *const Context,
}

impl Lock {
    /// A copy of what the lock knows of itself.
    pub fn of(lock: &LockMeta) -> Self {
        Lock {
            address: core::ptr::from_ref(lock).addr(),
            rank: lock.rank(),
            taken_at: lock.taken_at(),
            holder: lock.holder(),
        }
    }

    /// Where its holder took it.
    pub fn taken_at(&self) -> At {
        At(self.taken_at)
    }

    /// Whether it is a lock that sleeps.
    pub fn sleeps(&self) -> bool {
        self.rank <= Rank::LeafMutex
    }

    /// Whether it is the lock of the table of threads.
    pub fn is_thread_table(&self) -> bool {
        self.rank == Rank::ThreadTable
    }

    /// Whether both are the same lock.
    pub fn is(&self, other: &Lock) -> bool {
        self.address == other.address
    }
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {:#x}", self.rank, self.address)
    }
}

/// What the thread of this context waits for.
pub fn waited_for(context: &Context) -> Option<Lock> {
    context.waiting_for().map(Lock::of)
}

/// What the thread of this context holds.
pub fn held(context: &Context) -> impl Iterator<Item = Lock> {
    context.held().map(Lock::of)
}
