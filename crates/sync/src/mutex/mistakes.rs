//! What must not be done with a [`Mutex`]: for kernels that test whether it
//! is noticed.

use super::{Mutex, MutexGuard};
use crate::platform;
use core::panic::Location;

impl<T: ?Sized> Mutex<T> {
    /// Takes the lock without a check, and waits for it by going around, as
    /// if it were a spin lock: whoever does that with preemption off may wait
    /// for a holder that cannot run.
    #[track_caller]
    pub fn lock_spinning(&self) -> MutexGuard<'_, T> {
        let at = Location::caller();
        let context = platform::context();
        context.wait.begin(&self.raw.meta, at, platform::now());
        context.wait.note_holder(&self.raw.meta);
        while !self.raw.take(context) {
            core::hint::spin_loop();
        }
        context.wait.end();
        self.raw.meta.set_taken(Some(at));
        context.push_held(&self.raw.meta, at);
        self.guard()
    }
}
