//! One who sleeps until others have done his work for him.

use alloc::sync::Arc;
use paddock_abi::{Errno, Result};
use paddock_sync::{Deadline, PreemptOff, Rank, SpinLock, WaitError, WaitQueue, try_arc};

/// A call that waits for its outcome.
#[derive(Debug)]
pub struct Sleeper<T> {
    outcome: SpinLock<Option<T>, PreemptOff>,
    queue: WaitQueue,
}

impl<T> Sleeper<T> {
    /// `ENOMEM`.
    pub fn new() -> Result<Arc<Self>> {
        try_arc(Sleeper {
            outcome: SpinLock::new(Rank::Leaf, None),
            queue: WaitQueue::new(),
        })
    }

    /// Ends the wait. Any context but an interrupt.
    pub fn finish(&self, outcome: T) {
        *self.outcome.lock() = Some(outcome);
        self.queue.wake_all();
    }

    /// Sleeps until the outcome is there. Thread context.
    ///
    /// # Errors
    /// That of the wait, which `cancel` then has made final: nobody calls
    /// [`Self::finish`] after it.
    pub fn wait(
        &self,
        deadline: Deadline,
        cancel: impl FnOnce(),
    ) -> core::result::Result<T, WaitError> {
        let take = || self.outcome.lock().take();
        self.queue
            .wait_interruptible(deadline, take)
            .or_else(|error| {
                cancel();
                take().ok_or(error)
            })
    }
}

/// The error of a wait that semop(2) and msgsnd(2) make: no signal has them
/// restarted.
pub(crate) fn errno(error: WaitError) -> Errno {
    match error {
        WaitError::Interrupted => Errno::EINTR,
        WaitError::TimedOut => Errno::EAGAIN,
    }
}
