//! [`WaitQueue`]: the one register-recheck-park primitive.
//!
//! A waiter is a node in an intrusive list: waiting allocates nothing, and a
//! node leaves its queue when its owner goes. Nodes are only touched under
//! the queue's spin lock. Wakers are called after that lock is released, so
//! that a waker may take any lock itself.

use crate::fallible::try_box;
use crate::guard::{PreemptGuard, might_sleep};
use crate::platform;
use crate::poll::Pollable;
use crate::rank::Rank;
use crate::shim::{UnsafeCell, const_fn};
use crate::spin::{IrqOff, SpinLock};
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::future::poll_fn;
use core::marker::PhantomPinned;
use core::pin::pin;
use core::ptr;
use core::task::{Poll, Waker};

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

struct Node {
    prev: *const Waiter,
    next: *const Waiter,
    waker: Option<Waker>,
    queued: bool,
    /// [`WaitQueue::wake_one`] chose it since it joined last.
    chosen: bool,
}

struct Waiter {
    node: UnsafeCell<Node>,
    _pinned: PhantomPinned,
}

impl Waiter {
    const_fn! {
        fn new() -> Self {
            Waiter {
                node: UnsafeCell::new(Node {
                    prev: ptr::null(),
                    next: ptr::null(),
                    waker: None,
                    queued: false,
                    chosen: false,
                }),
                _pinned: PhantomPinned,
            }
        }
    }

    /// # Safety
    /// `waiter` is alive and its queue's lock is held.
    unsafe fn node(waiter: *const Waiter) -> *mut Node {
        // SAFETY: the caller's promise.
        unsafe { (*waiter).node.with_mut(|node| node) }
    }
}

struct List {
    head: *const Waiter,
    tail: *const Waiter,
}

// SAFETY: the list's nodes are only touched under the queue's lock, and a
// node's waker is Send.
unsafe impl Send for List {}

impl List {
    /// # Safety
    /// `waiter` stays where it is and alive until it is removed.
    unsafe fn push(&mut self, waiter: *const Waiter, waker: Waker) {
        // SAFETY: the caller keeps `waiter` alive; the lock is held.
        let node = unsafe { &mut *Waiter::node(waiter) };
        node.waker = Some(waker);
        if node.queued {
            return;
        }
        node.queued = true;
        node.chosen = false;
        node.prev = self.tail;
        node.next = ptr::null();
        if self.tail.is_null() {
            self.head = waiter;
        } else {
            // SAFETY: queued nodes are alive.
            unsafe { (*Waiter::node(self.tail)).next = waiter };
        }
        self.tail = waiter;
    }

    /// # Safety
    /// `waiter` is alive, and if it is queued then in this list.
    unsafe fn remove(&mut self, waiter: *const Waiter) -> Option<Waker> {
        // SAFETY: the caller's promise; the lock is held.
        let node = unsafe { &mut *Waiter::node(waiter) };
        if node.queued {
            node.queued = false;
            if node.prev.is_null() {
                self.head = node.next;
            } else {
                // SAFETY: neighbours of a queued node are alive.
                unsafe { (*Waiter::node(node.prev)).next = node.next };
            }
            if node.next.is_null() {
                self.tail = node.prev;
            } else {
                // SAFETY: as above.
                unsafe { (*Waiter::node(node.next)).prev = node.prev };
            }
        }
        node.waker.take()
    }

    fn pop(&mut self) -> Option<Waker> {
        let first = self.head;
        if first.is_null() {
            return None;
        }
        // SAFETY: the head of the list is queued, hence alive.
        unsafe { self.remove(first) }
    }

    /// As [`Self::pop`], for the only one that is woken.
    fn choose(&mut self) -> Option<Waker> {
        let first = self.head;
        let waker = self.pop();
        if waker.is_some() {
            // SAFETY: it was queued under this hold of the lock.
            unsafe { (*Waiter::node(first)).chosen = true };
        }
        waker
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
                list: SpinLock::new(
                    Rank::WaitQueue,
                    List {
                        head: ptr::null(),
                        tail: ptr::null(),
                    },
                ),
            }
        }
    }

    /// Wakes the one that has waited longest; whether there was one. From
    /// any context.
    pub fn wake_one(&self) -> bool {
        // Whoever has a waker in hand uses it before he can be preempted: the
        // one who is to be woken may be more urgent than he is.
        let _stay = PreemptGuard::new();
        let waker = self.list.lock().choose();
        waker.map(Waker::wake).is_some()
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
        let (waker, chosen) = unsafe { (list.remove(waiter), (*Waiter::node(waiter)).chosen) };
        drop(list);
        drop(waker);
        if chosen {
            self.wake_one();
        }
    }

    /// Wakes everyone who waits now. From any context.
    pub fn wake_all(&self) {
        const BATCH: usize = 8;
        loop {
            let mut batch: [Option<Waker>; BATCH] = [const { None }; BATCH];
            let _stay = PreemptGuard::new();
            let mut list = self.list.lock();
            for slot in &mut batch {
                *slot = list.pop();
            }
            let done = list.head.is_null();
            drop(list);
            batch.into_iter().flatten().for_each(Waker::wake);
            if done {
                return;
            }
        }
    }

    /// Whether somebody waits. From any context; a hint only.
    pub fn has_waiters(&self) -> bool {
        !self.list.lock().head.is_null()
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
            unsafe { self.list.lock().push(waiter, platform::current_waker()) };
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
        let waiter = try_box(Waiter::new())?;
        // SAFETY: the box keeps the waiter where it is; `Registration`
        // removes it before freeing it, and leaks it if never dropped.
        unsafe { self.list.lock().push(&raw const *waiter, waker.clone()) };
        Ok(Registration {
            queue: self,
            waiter,
        })
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

/// Membership in a [`WaitQueue`]; ends when dropped.
#[must_use]
pub struct Registration<'a> {
    queue: &'a WaitQueue,
    waiter: Box<Waiter>,
}

// SAFETY: the waiter is only touched under the queue's lock.
unsafe impl Send for Registration<'_> {}
// SAFETY: as above.
unsafe impl Sync for Registration<'_> {}

impl Registration<'_> {
    /// Joins again (a wake-up takes the waiter out), with this waker.
    pub fn renew(&self, waker: &Waker) {
        // SAFETY: as in `register`.
        unsafe {
            self.queue
                .list
                .lock()
                .push(&raw const *self.waiter, waker.clone())
        };
    }
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        // SAFETY: the waiter is alive and only ever joined this queue.
        unsafe { self.queue.leave(&raw const *self.waiter) };
    }
}

/// Membership in the queue of an object that it keeps alive; ends when
/// dropped. For futures, which cannot borrow from themselves.
#[must_use]
pub struct OwnedRegistration<P: Pollable + ?Sized> {
    queue: *const WaitQueue,
    waiter: Box<Waiter>,
    object: Arc<P>,
}

// SAFETY: the waiter is only touched under the queue's lock, and the queue
// belongs to `object`, which is Send and Sync as every Pollable is.
unsafe impl<P: Pollable + ?Sized> Send for OwnedRegistration<P> {}
// SAFETY: as above.
unsafe impl<P: Pollable + ?Sized> Sync for OwnedRegistration<P> {}

impl<P: Pollable + ?Sized> OwnedRegistration<P> {
    /// Joins the queue of `object`; `None` if it has none.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn new(object: Arc<P>, waker: &Waker) -> paddock_abi::Result<Option<Self>> {
        let Some(queue) = object.wait_queue() else {
            return Ok(None);
        };
        let waiter = try_box(Waiter::new())?;
        // SAFETY: as in `WaitQueue::register`.
        unsafe { queue.list.lock().push(&raw const *waiter, waker.clone()) };
        Ok(Some(OwnedRegistration {
            queue: ptr::from_ref(queue),
            waiter,
            object,
        }))
    }

    /// The object.
    pub fn object(&self) -> &Arc<P> {
        &self.object
    }

    /// Joins again (a wake-up takes the waiter out), with this waker.
    pub fn renew(&self, waker: &Waker) {
        // SAFETY: the queue is part of `object`, which is alive.
        let queue = unsafe { &*self.queue };
        // SAFETY: as in `WaitQueue::register`.
        unsafe {
            queue
                .list
                .lock()
                .push(&raw const *self.waiter, waker.clone())
        };
    }
}

impl<P: Pollable + ?Sized> Drop for OwnedRegistration<P> {
    fn drop(&mut self) {
        // SAFETY: the queue is part of `object`, which is alive.
        let queue = unsafe { &*self.queue };
        // SAFETY: the waiter is alive and only ever joined this queue.
        unsafe { queue.leave(&raw const *self.waiter) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    #[test]
    fn a_waiter_sees_what_was_set_before_the_wake_up() {
        let shared = Arc::new((AtomicU32::new(0), WaitQueue::new()));
        let other = shared.clone();
        let waiter = thread::spawn(move || {
            other
                .1
                .wait_until(|| (other.0.load(Ordering::SeqCst) == 3).then_some(3))
        });
        for _ in 0..3 {
            shared.0.fetch_add(1, Ordering::SeqCst);
            shared.1.wake_all();
        }
        assert_eq!(waiter.join().unwrap(), 3);
        assert!(!shared.1.has_waiters());
    }

    #[test]
    fn a_deadline_ends_the_wait() {
        let queue = WaitQueue::new();
        let result = queue.wait_interruptible(platform::now() + 1_000_000, || None::<()>);
        assert_eq!(result, Err(WaitError::TimedOut));
        assert!(!queue.has_waiters());
    }

    #[test]
    fn a_dropped_registration_is_not_woken() {
        let queue = WaitQueue::new();
        let waker = platform::current_waker();
        drop(queue.register(&waker).unwrap());
        assert!(!queue.wake_one());
        let kept = queue.register(&waker).unwrap();
        assert!(queue.wake_one());
        assert!(!queue.wake_one());
        kept.renew(&waker);
        assert!(queue.wake_one());
    }
}
