//! The list of waiters of one queue.

use super::Wakee;
use crate::poll::Ready;
use crate::shim::{UnsafeCell, const_fn};
use core::marker::PhantomPinned;
use core::ptr;
use core::task::Waker;

pub(super) struct Node {
    prev: *const Waiter,
    next: *const Waiter,
    wakee: Option<Wakee>,
    /// It joined for changes of these.
    events: Ready,
    /// It is one of those of which an event wakes one.
    exclusive: bool,
    queued: bool,
    /// It alone was woken since it joined last.
    chosen: bool,
}

pub(super) struct Waiter {
    node: UnsafeCell<Node>,
    _pinned: PhantomPinned,
}

impl Waiter {
    const_fn! {
        pub fn new() -> Self {
            Waiter {
                node: UnsafeCell::new(Node {
                    prev: ptr::null(),
                    next: ptr::null(),
                    wakee: None,
                    events: Ready::all(),
                    exclusive: false,
                    queued: false,
                    chosen: false,
                }),
                _pinned: PhantomPinned,
            }
        }
    }

    /// # Safety
    /// `waiter` is alive and its queue's lock is held.
    pub unsafe fn node(waiter: *const Waiter) -> *mut Node {
        // SAFETY: the caller's promise.
        unsafe { (*waiter).node.with_mut(|node| node) }
    }
}

impl Waiter {
    /// Whether it alone was woken since it joined last; for which events, if
    /// it joined as exclusive.
    ///
    /// # Safety
    /// As for [`Self::node`].
    pub unsafe fn chosen_for(waiter: *const Waiter) -> (bool, Option<Ready>) {
        // SAFETY: the caller's promise.
        let node = unsafe { &*Waiter::node(waiter) };
        (node.chosen, node.exclusive.then_some(node.events))
    }
}

pub(super) struct List {
    head: *const Waiter,
    tail: *const Waiter,
}

/// What to wake, and how it joins.
pub(super) struct Joining {
    pub wakee: Wakee,
    pub events: Ready,
    pub exclusive: bool,
}

impl From<Waker> for Joining {
    fn from(waker: Waker) -> Joining {
        Joining {
            wakee: Wakee::Waker(waker),
            events: Ready::all(),
            exclusive: false,
        }
    }
}

// SAFETY: the list's nodes are only touched under the queue's lock, and a
// node's waker is Send.
unsafe impl Send for List {}

impl List {
    pub const fn new() -> List {
        List {
            head: ptr::null(),
            tail: ptr::null(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.head.is_null()
    }

    /// # Safety
    /// `waiter` stays where it is and alive until it is removed. What it had
    /// woken before is the caller's to drop.
    pub unsafe fn push(&mut self, waiter: *const Waiter, joining: Joining) -> Option<Wakee> {
        // SAFETY: the caller keeps `waiter` alive; the lock is held.
        let node = unsafe { &mut *Waiter::node(waiter) };
        let replaced = node.wakee.replace(joining.wakee);
        node.events = joining.events;
        node.exclusive = joining.exclusive;
        if node.queued {
            return replaced;
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
        replaced
    }

    /// # Safety
    /// `waiter` is alive, and if it is queued then in this list.
    pub unsafe fn remove(&mut self, waiter: *const Waiter) -> Option<Wakee> {
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
        node.wakee.take()
    }

    pub fn pop(&mut self) -> Option<Wakee> {
        let first = self.head;
        if first.is_null() {
            return None;
        }
        // SAFETY: the head of the list is queued, hence alive.
        unsafe { self.remove(first) }
    }

    /// As [`Self::pop`], for the only one that is woken.
    pub fn choose(&mut self) -> Option<Wakee> {
        let first = self.head;
        let wakee = self.pop();
        if wakee.is_some() {
            // SAFETY: it was queued under this hold of the lock.
            unsafe { (*Waiter::node(first)).chosen = true };
        }
        wakee
    }

    /// Takes out the first that joined for one of `events`, of those that are
    /// `exclusive` or of the others. The only one that is woken is chosen.
    pub fn pop_for(&mut self, events: Ready, exclusive: bool) -> Option<Wakee> {
        let mut waiter = self.head;
        while !waiter.is_null() {
            // SAFETY: queued nodes are alive, and the lock is held.
            let node = unsafe { &mut *Waiter::node(waiter) };
            if node.exclusive == exclusive && node.events.intersects(events) {
                node.chosen = exclusive;
                // SAFETY: as above; it is in this list.
                return unsafe { self.remove(waiter) };
            }
            waiter = node.next;
        }
        None
    }
}
