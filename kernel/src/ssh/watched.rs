//! What a task waits for.

use alloc::sync::Arc;
use core::task::Waker;
use paddock_sync::{OwnedRegistration, Pollable};

/// An object with the registration of the task that waits for it.
pub struct Watched<P: Pollable + ?Sized> {
    /// The object.
    pub object: Arc<P>,
    registration: Option<OwnedRegistration<P>>,
}

impl<P: Pollable + ?Sized> Watched<P> {
    /// Nobody waits for it yet.
    pub fn new(object: Arc<P>) -> Self {
        Watched {
            object,
            registration: None,
        }
    }

    /// Has the waker woken at the next change. Before looking. Never sleeps.
    pub fn watch(&mut self, waker: &Waker) {
        match &self.registration {
            Some(registration) => registration.renew(waker),
            None => match OwnedRegistration::new(self.object.clone(), waker) {
                Ok(registration) => self.registration = registration,
                // No memory to wait with: look again soon.
                Err(_) => waker.wake_by_ref(),
            },
        }
    }
}
