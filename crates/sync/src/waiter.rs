//! Those who wait for one sleeping lock, the most urgent first.
//!
//! A waiter is a node on its thread's stack. Nodes and queues are touched only
//! with the [`Chains`] in hand, of which there is one.

use crate::chains::{Chains, LockRef};
use crate::context::Context;
use crate::meta::NO_PRIORITY;
use crate::shim::AtomicU8;
use core::cell::UnsafeCell;
use core::marker::PhantomPinned;
use core::panic::Location;
use core::ptr;
use core::sync::atomic::Ordering;
use core::task::Waker;

/// It has to wait.
pub(crate) const WAITING: u8 = 0;
/// The lock was free when it was woken: it may try for it.
pub(crate) const WOKEN: u8 = 1;
/// The lock is its own. The node is touched by nobody else any more.
pub(crate) const GRANTED: u8 = 2;

/// Every so many choices the one that has waited longest is chosen, however
/// urgent the others are: so nobody waits for ever.
const TURNS: u8 = 8;

struct Node {
    prev: *const Waiter,
    next: *const Waiter,
    priority: u8,
    ticket: u64,
    waker: Option<Waker>,
}

/// One thread's wait for one lock.
pub(crate) struct Waiter {
    pub(crate) context: *const Context,
    pub(crate) at: &'static Location<'static>,
    pub(crate) lock: LockRef,
    state: AtomicU8,
    node: UnsafeCell<Node>,
    _pinned: PhantomPinned,
}

impl Waiter {
    pub(crate) fn new(
        context: &Context,
        at: &'static Location<'static>,
        lock: LockRef,
        waker: Waker,
    ) -> Self {
        Waiter {
            context,
            at,
            lock,
            state: AtomicU8::new(WAITING),
            node: UnsafeCell::new(Node {
                prev: ptr::null(),
                next: ptr::null(),
                priority: NO_PRIORITY,
                ticket: 0,
                waker: Some(waker),
            }),
            _pinned: PhantomPinned,
        }
    }

    pub(crate) fn state(&self) -> u8 {
        self.state.load(Ordering::Acquire)
    }

    pub(crate) fn set_state(&self, state: u8) {
        self.state.store(state, Ordering::Release);
    }

    /// The last word on a wait: from the store on, the waiter may be gone. So
    /// there must be no reference to it then, not even a function's argument.
    ///
    /// # Safety
    /// The waiter is alive, and has left its queue.
    pub(crate) unsafe fn grant(waiter: *const Waiter) {
        // SAFETY: the caller's promise.
        unsafe { (*waiter).state.store(GRANTED, Ordering::Release) };
    }

    /// A waker for its thread.
    pub(crate) fn waker(&self, _: &Chains) -> Option<Waker> {
        // SAFETY: `Chains` is in hand.
        unsafe { (*self.node.get()).waker.clone() }
    }
}

/// The waiters of one lock.
#[derive(Debug)]
pub(crate) struct Queue {
    head: *const Waiter,
    tail: *const Waiter,
    /// The one that was woken to try for the free lock, until it has it.
    pub(crate) woken: *const Waiter,
    tickets: u64,
    turns: u8,
}

// SAFETY: nodes are only touched with `Chains` in hand, and a queued waiter
// stays where it is until it has left the queue.
unsafe impl Send for Queue {}

impl Queue {
    pub(crate) const fn new() -> Self {
        Queue {
            head: ptr::null(),
            tail: ptr::null(),
            woken: ptr::null(),
            tickets: 0,
            turns: 0,
        }
    }

    fn node(waiter: *const Waiter) -> *mut Node {
        // SAFETY: queued waiters, and those about to be, are alive.
        unsafe { (*waiter).node.get() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.head.is_null()
    }

    /// The priority of the most urgent.
    pub(crate) fn best(&self) -> u8 {
        if self.head.is_null() {
            return NO_PRIORITY;
        }
        // SAFETY: as in `node`.
        unsafe { (*Self::node(self.head)).priority }
    }

    /// Behind those that are as urgent or more.
    ///
    /// # Safety
    /// The waiter is in no queue, `Chains` is in hand, and the waiter stays
    /// where it is until it is removed.
    pub(crate) unsafe fn insert(&mut self, waiter: *const Waiter, priority: u8) {
        self.tickets += 1;
        let ticket = self.tickets;
        // SAFETY: the caller's promise.
        unsafe {
            (*Self::node(waiter)).ticket = ticket;
            self.link(waiter, priority);
        }
    }

    /// # Safety
    /// As for [`Self::insert`].
    unsafe fn link(&mut self, waiter: *const Waiter, priority: u8) {
        let mut before = self.tail;
        // SAFETY: as in `node`; only the caller touches nodes now.
        unsafe {
            while !before.is_null() && (*Self::node(before)).priority > priority {
                before = (*Self::node(before)).prev;
            }
            let after = match before.is_null() {
                true => self.head,
                false => (*Self::node(before)).next,
            };
            let node = &mut *Self::node(waiter);
            (node.priority, node.prev, node.next) = (priority, before, after);
            self.join(before, waiter);
            self.join(waiter, after);
        }
    }

    /// # Safety
    /// Both are null or alive, `Chains` is in hand, and no reference to their
    /// nodes is used across the call.
    unsafe fn join(&mut self, before: *const Waiter, after: *const Waiter) {
        // SAFETY: the caller's promise.
        unsafe {
            match before.is_null() {
                true => self.head = after,
                false => (*Self::node(before)).next = after,
            }
            match after.is_null() {
                true => self.tail = before,
                false => (*Self::node(after)).prev = before,
            }
        }
    }

    /// # Safety
    /// The waiter is in this queue and `Chains` is in hand.
    pub(crate) unsafe fn remove(&mut self, waiter: *const Waiter) {
        // SAFETY: the caller's promise; neighbours are queued, hence alive.
        unsafe {
            let (before, after) = ((*Self::node(waiter)).prev, (*Self::node(waiter)).next);
            self.join(before, after);
        }
        if self.woken == waiter {
            self.woken = ptr::null();
        }
    }

    /// Gives a waiter another priority.
    ///
    /// # Safety
    /// As for [`Self::remove`].
    pub(crate) unsafe fn reorder(&mut self, waiter: *const Waiter, priority: u8) {
        let woken = self.woken;
        // SAFETY: the caller's promise.
        unsafe {
            self.remove(waiter);
            self.link(waiter, priority);
        }
        self.woken = woken;
    }

    /// Who is to have the lock next: the most urgent, and among those the one
    /// that came first; in every [`TURNS`]th choice the one that came first.
    pub(crate) fn choose(&mut self) -> Option<*const Waiter> {
        if self.head.is_null() {
            return None;
        }
        self.turns = (self.turns + 1) % TURNS;
        if self.turns != 0 {
            return Some(self.head);
        }
        // SAFETY: as in `node`.
        self.iter()
            .min_by_key(|waiter| unsafe { (*Self::node(*waiter)).ticket })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = *const Waiter> {
        let mut next = self.head;
        core::iter::from_fn(move || {
            let this = next;
            if this.is_null() {
                return None;
            }
            // SAFETY: as in `node`.
            next = unsafe { (*Self::node(this)).next };
            Some(this)
        })
    }
}
