//! [`WaitQueue`]: the one register-recheck-park primitive.
//!
//! A waiter is a node in an intrusive list: waiting allocates nothing, and a
//! node leaves its queue when its owner goes. Nodes are only touched under
//! the queue's spin lock. Wakers are called after that lock is released, so
//! that a waker may take any lock itself.

use crate::guard::{PreemptGuard, might_sleep};
use crate::platform;
use crate::poll::Ready;
use crate::rank::Rank;
use crate::shim::const_fn;
use crate::spin::{IrqOff, SpinLock};
use alloc::sync::Arc;
use core::fmt;
use core::future::poll_fn;
use core::pin::pin;
use core::task::{Poll, Waker};

mod list;
mod registration;

use list::{Joining, List, Waiter};
pub use registration::{OwnedRegistration, Registration};

/// A point of the monotonic clock in nanoseconds.
pub type Deadline = u64;
/// Wait for ever.
pub const NO_DEADLINE: Deadline = u64::MAX;

/// Why a wait ended without its condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitError {
    /// A signal is waiting to be handled.
    Interrupted,
    /// The deadline has passed.
    TimedOut,
}

/// What is told of a change, and stays: an entry of an epoll.
pub trait Watch: Send + Sync {
    /// Something has changed of what it joined for. It has left the queue.
    /// Whether somebody is awake for it now. Called in any context, outside
    /// the queue's lock, with preemption disabled.
    fn notify(&self) -> bool;
}

/// What a waiter has woken.
enum Wakee {
    Waker(Waker),
    Watch(Arc<dyn Watch>),
}

impl Wakee {
    /// Whether it was of use to somebody.
    fn wake(self) -> bool {
        match self {
            Wakee::Waker(waker) => {
                waker.wake();
                true
            }
            Wakee::Watch(watch) => watch.notify(),
        }
    }
}

/// Threads and tasks that wait for something to change.
pub struct WaitQueue {
    list: SpinLock<List, IrqOff>,
}

impl Default for WaitQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for WaitQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WaitQueue")
    }
}

/// Takes the waiter out of the queue when the wait ends, however it ends.
struct Leave<'a> {
    queue: &'a WaitQueue,
    waiter: &'a Waiter,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        // SAFETY: the waiter is borrowed, so alive, and only ever joined
        // this queue.
        unsafe { self.queue.leave(self.waiter) };
    }
}

impl WaitQueue {
    const_fn! {
        /// An empty queue.
        #[track_caller]
        pub fn new() -> Self {
            WaitQueue {
                list: SpinLock::new(Rank::WaitQueue, List::new()),
            }
        }
    }

    /// Wakes the one that has waited longest; whether there was one. From
    /// any context.
    pub fn wake_one(&self) -> bool {
        // Whoever has a waker in hand uses it before he can be preempted: the
        // one who is to be woken may be more urgent than he is.
        let _stay = PreemptGuard::new();
        let wakee = self.list.lock().choose();
        wakee.map(Wakee::wake).is_some()
    }

    /// A waiter joins, or joins for something else.
    ///
    /// # Safety
    /// `waiter` stays where it is and alive until it [leaves](Self::leave).
    unsafe fn join(&self, waiter: *const Waiter, joining: Joining) {
        // SAFETY: the caller's promise; the lock is held.
        let replaced = unsafe { self.list.lock().push(waiter, joining) };
        drop(replaced);
    }

    /// A waiter leaves for good. If it alone was woken and has not looked
    /// since, somebody else is woken in its place: what the wake-up was about
    /// may still be there.
    ///
    /// # Safety
    /// `waiter` is alive, and if it is queued then here.
    unsafe fn leave(&self, waiter: *const Waiter) {
        let mut list = self.list.lock();
        // SAFETY: the caller's promise; the lock is held.
        let (wakee, (chosen, for_whom)) =
            unsafe { (list.remove(waiter), Waiter::chosen_for(waiter)) };
        drop(list);
        drop(wakee);
        match for_whom {
            _ if !chosen => {}
            None => drop(self.wake_one()),
            Some(events) => self.wake_exclusive(events),
        }
    }

    /// Wakes everyone who waits now, whatever for. From any context.
    pub fn wake_all(&self) {
        self.wake_batches(|list| list.pop());
    }

    /// Announces a change of `events` only: wakes all who wait for one of them,
    /// but of those who joined as exclusive, one. Who waits for others is not
    /// disturbed. From any context.
    pub fn wake(&self, events: Ready) {
        self.wake_batches(|list| list.pop_for(events, false));
        self.wake_exclusive(events);
    }

    /// Wakes exclusive ones until it was of use to one.
    fn wake_exclusive(&self, events: Ready) {
        loop {
            let _stay = PreemptGuard::new();
            let wakee = self.list.lock().pop_for(events, true);
            if wakee.is_none_or(Wakee::wake) {
                return;
            }
        }
    }

    fn wake_batches(&self, mut pop: impl FnMut(&mut List) -> Option<Wakee>) {
        const BATCH: usize = 8;
        loop {
            let mut batch: [Option<Wakee>; BATCH] = [const { None }; BATCH];
            let _stay = PreemptGuard::new();
            let mut list = self.list.lock();
            for slot in &mut batch {
                *slot = pop(&mut list);
                if slot.is_none() {
                    break;
                }
            }
            drop(list);
            let done = batch[BATCH - 1].is_none();
            batch.into_iter().flatten().for_each(|wakee| {
                wakee.wake();
            });
            if done {
                return;
            }
        }
    }

    /// Whether somebody waits. From any context; a hint only.
    pub fn has_waiters(&self) -> bool {
        !self.list.lock().is_empty()
    }

    /// Blocks until `condition` gives a value. The condition may take spin
    /// locks, and must not sleep. Thread context.
    #[track_caller]
    pub fn wait_until<T>(&self, mut condition: impl FnMut() -> Option<T>) -> T {
        might_sleep();
        match self.wait(NO_DEADLINE, false, &mut condition) {
            Ok(value) => value,
            Err(_) => unreachable!("a wait without deadline that signals do not end"),
        }
    }

    /// Blocks until `condition` gives a value, the deadline passes, or a
    /// signal arrives. Thread context.
    #[track_caller]
    pub fn wait_interruptible<T>(
        &self,
        deadline: Deadline,
        mut condition: impl FnMut() -> Option<T>,
    ) -> Result<T, WaitError> {
        might_sleep();
        self.wait(deadline, true, &mut condition)
    }

    /// Blocks until `condition` gives a value or the deadline passes; signals
    /// do not end it. Thread context.
    #[track_caller]
    pub fn wait_deadline<T>(
        &self,
        deadline: Deadline,
        mut condition: impl FnMut() -> Option<T>,
    ) -> Result<T, WaitError> {
        might_sleep();
        self.wait(deadline, false, &mut condition)
    }

    fn wait<T>(
        &self,
        deadline: Deadline,
        interruptible: bool,
        condition: &mut dyn FnMut() -> Option<T>,
    ) -> Result<T, WaitError> {
        if let Some(value) = condition() {
            return Ok(value);
        }
        let waiter = pin!(Waiter::new());
        let waiter = waiter.into_ref().get_ref();
        let _leave = Leave {
            queue: self,
            waiter,
        };
        loop {
            // SAFETY: the waiter is pinned here, and `_leave` removes it
            // before this frame goes.
            unsafe { self.join(waiter, platform::current_waker().into()) };
            if let Some(value) = condition() {
                return Ok(value);
            }
            if interruptible && platform::interrupted() {
                return Err(WaitError::Interrupted);
            }
            if deadline != NO_DEADLINE && platform::now() >= deadline {
                return Err(WaitError::TimedOut);
            }
            platform::park(deadline);
        }
    }

    /// Joins the queue for one wake-up of `waker`, as long as the result
    /// lives: for waiting on several queues at once.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn register(&self, waker: &Waker) -> paddock_abi::Result<Registration<'_>> {
        Registration::new(self, waker, Ready::all())
    }

    /// The same for a change of `events` only.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn register_for(
        &self,
        waker: &Waker,
        events: Ready,
    ) -> paddock_abi::Result<Registration<'_>> {
        Registration::new(self, waker, events)
    }

    /// The asynchronous form of [`Self::wait_until`].
    ///
    /// # Errors
    /// `ENOMEM` if joining the queue needs memory that is not there.
    pub async fn wait_async<T>(
        &self,
        mut condition: impl FnMut() -> Option<T>,
    ) -> paddock_abi::Result<T> {
        let mut registration: Option<Registration<'_>> = None;
        poll_fn(move |cx| {
            match &registration {
                Some(registration) => registration.renew(cx.waker()),
                None => match self.register(cx.waker()) {
                    Ok(new) => registration = Some(new),
                    Err(error) => return Poll::Ready(Err(error)),
                },
            }
            condition().map_or(Poll::Pending, |value| Poll::Ready(Ok(value)))
        })
        .await
    }
}

impl Drop for WaitQueue {
    fn drop(&mut self) {
        // Only leaked registrations can still be here: cut them loose.
        while self.list.get_mut().pop().is_some() {}
    }
}

#[cfg(test)]
mod tests;
