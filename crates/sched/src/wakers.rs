//! How many wakers a thread has, and whether it waits without any.

use crate::shim::{AtomicU32, const_fn, fence};
use crate::state::{AtomicState, State};
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

/// The count of one thread's wakers, by which a thread that can never be woken
/// again is noticed at once.
#[derive(Debug)]
pub struct Wakers {
    count: AtomicU32,
    /// Counts the beginnings and ends of parks without a deadline: odd during
    /// one. Only the thread itself writes it.
    parks: AtomicU32,
}

impl Wakers {
    const_fn! {
        /// No waker; the thread runs.
        pub fn new() -> Self {
            Wakers {
                count: AtomicU32::new(0),
                parks: AtomicU32::new(0),
            }
        }
    }

    /// There is one more: the running thread's, or a copy of one.
    pub fn add(&self) {
        self.count.fetch_add(1, Relaxed);
    }

    /// One is gone that has unparked the thread before this call.
    pub fn used(&self) {
        self.count.fetch_sub(1, AcqRel);
    }

    /// One goes without having been used. True if it was the last: the caller
    /// asks [`Self::lost`].
    #[must_use]
    pub fn forgotten(&self) -> bool {
        self.count.fetch_sub(1, AcqRel) == 1
    }

    /// The calling thread, whose wakers these are, is about to park without a
    /// deadline. Once it is Blocked it asks [`Self::lost`].
    pub fn begin_park(&self) {
        self.step(Release);
    }

    /// The calling thread has returned from that park, or was not blocked.
    pub fn end_park(&self) {
        self.step(Relaxed);
    }

    fn step(&self, order: core::sync::atomic::Ordering) {
        let next = self.parks.load(Relaxed).wrapping_add(1);
        self.parks.store(next, order);
    }

    /// Whether the thread with this state is parked without a deadline and
    /// nobody can unpark it: there is no waker, and every one there was has
    /// gone without waking it.
    ///
    /// All of that is read within one park. Otherwise a waker of the last one
    /// that goes late would take the next one, with a new waker, for lost.
    #[must_use]
    pub fn lost(&self, state: &AtomicState) -> bool {
        // Who forgets the last waker and who parks meet here: the second one
        // sees what the first has done.
        fence(SeqCst);
        let park = self.parks.load(Acquire);
        let lost = park % 2 == 1 && self.count.load(Acquire) == 0 && state.get() == State::Blocked;
        fence(Acquire);
        lost && self.parks.load(Relaxed) == park
    }
}

impl Default for Wakers {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_without_wakers_is_lost_only_in_a_park_for_ever() {
        let (wakers, state) = (Wakers::new(), AtomicState::new_running());
        assert!(!wakers.lost(&state), "it runs");
        assert!(state.park());
        assert!(!wakers.lost(&state), "it has a deadline");
        assert!(state.expire());
        state.go(State::Running);
        wakers.add();
        wakers.begin_park();
        assert!(state.park());
        assert!(!wakers.lost(&state), "it has a waker");
        assert!(wakers.forgotten());
        assert!(wakers.lost(&state));
    }

    #[test]
    fn a_thread_that_was_woken_is_not_lost() {
        let (wakers, state) = (Wakers::new(), AtomicState::new_running());
        wakers.add();
        wakers.begin_park();
        assert!(state.park());
        assert!(state.unpark());
        wakers.used();
        assert!(!wakers.lost(&state));
    }
}
