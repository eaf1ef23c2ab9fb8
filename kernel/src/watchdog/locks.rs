//! What is told of a lock, as of one moment: other threads may give it up
//! meanwhile.

use super::report::At;
use core::fmt;
use paddock_sync::{Context, LockRecord, Rank};

/// A lock, as of some moment.
#[derive(Clone, Copy)]
pub struct Lock {
    record: LockRecord,
    /// Since when (ns) the thread that this was asked of waits for it; zero
    /// for one that it holds.
    pub since: u64,
    /// To be compared with threads' contexts; null if there is none.
    pub holder: *const Context,
}

impl Lock {
    /// As reports show it.
    pub fn of(record: LockRecord, since: u64) -> Self {
        Lock {
            record,
            since,
            holder: record.holder(),
        }
    }

    /// Where its holder took it.
    pub fn taken_at(&self) -> At {
        At(self.record.taken_at())
    }

    /// Its address.
    pub fn address(&self) -> usize {
        self.record.address()
    }

    /// Whether it is a lock that sleeps.
    pub fn sleeps(&self) -> bool {
        self.record.rank().sleeps()
    }

    /// Whether it is the lock of the table of threads.
    pub fn is_thread_table(&self) -> bool {
        self.record.rank() == Rank::ThreadTable
    }

    /// Whether both are the same lock.
    pub fn is(&self, other: &Lock) -> bool {
        self.record.address() == other.record.address()
    }
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (record, at) = (&self.record, self.record.address());
        write!(
            f,
            "{} at {at:#x}, made at {}",
            record.name(),
            record.made_at()
        )
    }
}

/// What the thread of this context waits for.
pub fn waited_for(context: &Context) -> Option<Lock> {
    context
        .waiting_for()
        .map(|(lock, since)| Lock::of(lock, since))
}

/// What the thread of this context holds.
pub fn held(context: &Context) -> impl Iterator<Item = Lock> {
    context.held().map(|lock| Lock::of(lock, 0))
}
