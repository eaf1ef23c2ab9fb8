//! [`Turn`]: one after the other, in a line that whoever has to end can leave.

use crate::host::{Host, Woken};
use core::sync::atomic::{AtomicBool, Ordering};
use paddock_abi::{Errno, Result};
use paddock_sync::WaitQueue;

/// Whose turn it is. Held while a program is asked, so it is no lock: nobody who waits for
/// it is kept from ending.
pub struct Turn {
    is_taken: AtomicBool,
    free: WaitQueue,
}

/// The turn, for as long as this is there.
pub struct Taken<'a>(&'a Turn);

impl Turn {
    pub fn new() -> Turn {
        Turn {
            is_taken: AtomicBool::new(false),
            free: WaitQueue::new(),
        }
    }

    fn try_take(&self) -> bool {
        !self.is_taken.swap(true, Ordering::Acquire)
    }

    /// Waits for it. `EINTR` if the process ends. Sleeps.
    pub fn take(&self, host: &dyn Host) -> Result<Taken<'_>> {
        match self.try_take() || host.wait(&self.free, false, &|| self.try_take()) == Woken::Done {
            true => Ok(Taken(self)),
            false => Err(Errno::EINTR),
        }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.0.is_taken.store(false, Ordering::Release);
        self.0.free.wake_all();
    }
}
