//! [`Inbox`]: where watched files leave word, from any context.

use crate::ready_list::{ReadyList, Sight, Slot, Then, Ticket};
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_sync::{Deadline, IrqOff, Rank, Ready, SpinLock, WaitError, WaitQueue, Watch};

/// An epoll's ready list and who waits for it. It holds no file, so that
/// whoever leaves word last drops none.
pub struct Inbox {
    ready: SpinLock<ReadyList, IrqOff>,
    /// Threads in epoll_wait(2): each event is for one of them.
    pub waiters: WaitQueue,
    /// Whoever polls the epoll itself.
    pub pollers: WaitQueue,
}

/// How one entry leaves word.
pub struct Note {
    pub inbox: Arc<Inbox>,
    pub ticket: Ticket,
}

impl Watch for Note {
    fn notify(&self) -> bool {
        self.inbox.ready.lock().push(self.ticket);
        let woken = self.inbox.waiters.wake_one();
        self.inbox.pollers.wake(Ready::IN);
        woken
    }
}

impl Inbox {
    pub fn new() -> Inbox {
        Inbox {
            ready: SpinLock::new(Rank::WaitQueue, ReadyList::new()),
            waiters: WaitQueue::new(),
            pollers: WaitQueue::new(),
        }
    }

    /// A place for an entry. `ENOMEM`.
    pub fn allot(&self) -> Result<Ticket> {
        loop {
            let room = {
                let mut ready = self.ready.lock();
                match ready.allot() {
                    Some(ticket) => return Ok(ticket),
                    None => ready.wanted_room(),
                }
            };
            // The array may be long: neither made nor dropped under the lock.
            let mut roomy: Vec<Slot> = Vec::new();
            roomy.try_reserve_exact(room).map_err(|_| Errno::ENOMEM)?;
            let old = self.ready.lock().move_to(roomy);
            drop(old);
        }
    }

    /// Ends an entry.
    pub fn retire(&self, ticket: Ticket) {
        self.ready.lock().retire(ticket);
    }

    /// How many entries may have something to tell.
    pub fn len(&self) -> usize {
        self.ready.lock().len()
    }

    /// Claims one of them.
    pub fn claim(&self) -> Option<Sight> {
        self.ready.lock().claim()
    }

    /// Ends a claim.
    pub fn finish(&self, sight: Sight, then: Then) {
        self.ready.lock().finish(sight, then);
    }

    /// The first entry that may have something to tell.
    pub fn first(&self) -> Option<Sight> {
        self.ready.lock().first()
    }

    /// The one after that, which had nothing.
    pub fn pass_over(&self, sight: Sight) -> Option<Sight> {
        self.ready.lock().pass_over(sight)
    }

    /// Waits until there is an entry to claim. Sleeps.
    pub fn wait(&self, deadline: Deadline) -> core::result::Result<(), WaitError> {
        let is_there = || self.ready.lock().has_unclaimed().then_some(());
        self.waiters.wait_interruptible(deadline, is_there)
    }

    /// Wakes another thread in epoll_wait(2) if there is something for it.
    pub fn pass_on(&self) {
        if self.waiters.has_waiters() && self.ready.lock().has_unclaimed() {
            self.waiters.wake_one();
        }
    }
}
