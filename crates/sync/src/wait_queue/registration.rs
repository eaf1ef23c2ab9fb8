//! Membership in a queue for longer than one wait.

use super::list::{Joining, Waiter};
use super::{WaitQueue, Wakee, Watch};
use crate::fallible::try_box;
use crate::poll::{Pollable, Ready};
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::ptr;
use core::task::Waker;

/// Membership in a [`WaitQueue`]; ends when dropped.
#[must_use]
pub struct Registration<'a> {
    queue: &'a WaitQueue,
    waiter: Box<Waiter>,
    events: Ready,
}

// SAFETY: the waiter is only touched under the queue's lock.
unsafe impl Send for Registration<'_> {}
// SAFETY: as above.
unsafe impl Sync for Registration<'_> {}

impl<'a> Registration<'a> {
    /// Joins `queue` for a change of `events`. `ENOMEM`.
    pub(super) fn new(
        queue: &'a WaitQueue,
        waker: &Waker,
        events: Ready,
    ) -> paddock_abi::Result<Self> {
        let registration = Registration {
            queue,
            waiter: try_box(Waiter::new())?,
            events,
        };
        registration.renew(waker);
        Ok(registration)
    }

    /// Joins again (a wake-up takes the waiter out), with this waker.
    pub fn renew(&self, waker: &Waker) {
        let joining = Joining {
            events: self.events,
            ..waker.clone().into()
        };
        // SAFETY: the box keeps the waiter where it is; dropping this removes
        // it before freeing it, and leaks it if never dropped.
        unsafe { self.queue.join(&raw const *self.waiter, joining) };
    }
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        // SAFETY: the waiter is alive and only ever joined this queue.
        unsafe { self.queue.leave(&raw const *self.waiter) };
    }
}

/// Membership in the queue of an object that it keeps alive; ends when
/// dropped. For futures, which cannot borrow from themselves, and for what
/// watches an object.
#[must_use]
pub struct OwnedRegistration<P: Pollable + ?Sized> {
    queue: *const WaitQueue,
    waiter: Box<Waiter>,
    exclusive: bool,
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
        let registration = Self::apart(object, false)?;
        Ok(registration.inspect(|registration| registration.renew(waker)))
    }

    /// Joins it to be told once of a change of `events`; as one of those of
    /// whom an event wakes one, if `exclusive`. `None` if there is no queue.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn watching(
        object: Arc<P>,
        watch: Arc<dyn Watch>,
        events: Ready,
        exclusive: bool,
    ) -> paddock_abi::Result<Option<Self>> {
        let registration = Self::apart(object, exclusive)?;
        Ok(registration.inspect(|registration| registration.watch_again(&watch, events)))
    }

    fn apart(object: Arc<P>, exclusive: bool) -> paddock_abi::Result<Option<Self>> {
        let Some(queue) = object.wait_queue().map(ptr::from_ref) else {
            return Ok(None);
        };
        Ok(Some(OwnedRegistration {
            queue,
            waiter: try_box(Waiter::new())?,
            exclusive,
            object,
        }))
    }

    /// The object.
    pub fn object(&self) -> &Arc<P> {
        &self.object
    }

    fn queue(&self) -> &WaitQueue {
        // SAFETY: the queue is part of `object`, which is alive.
        unsafe { &*self.queue }
    }

    fn join(&self, joining: Joining) {
        // SAFETY: as in `Registration::renew`.
        unsafe { self.queue().join(&raw const *self.waiter, joining) };
    }

    /// Joins again (a wake-up takes the waiter out), with this waker.
    pub fn renew(&self, waker: &Waker) {
        self.join(waker.clone().into());
    }

    /// Joins again, to be told once of a change of `events`.
    pub fn watch_again(&self, watch: &Arc<dyn Watch>, events: Ready) {
        self.join(Joining {
            wakee: Wakee::Watch(watch.clone()),
            events,
            exclusive: self.exclusive,
        });
    }
}

impl<P: Pollable + ?Sized> Drop for OwnedRegistration<P> {
    fn drop(&mut self) {
        // SAFETY: the waiter is alive and only ever joined this queue.
        unsafe { self.queue().leave(&raw const *self.waiter) };
    }
}
