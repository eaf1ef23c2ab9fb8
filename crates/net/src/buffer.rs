//! Memory that a stack's socket borrows for as long as it exists.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ptr::NonNull;
use paddock_abi::{Errno, Result};

/// An allocation that is lent out as `'static` and freed when dropped.
///
/// Kept beside the socket that it was lent to, and dropped after it: in its
/// structure it is declared after the socket.
pub struct Lent<T> {
    memory: NonNull<[T]>,
}

// SAFETY: the memory is the owner's alone.
unsafe impl<T: Send> Send for Lent<T> {}

impl<T: Clone> Lent<T> {
    /// `count` copies of `value`, and the reference to lend.
    ///
    /// # Errors
    /// `ENOMEM`.
    ///
    /// # Safety
    /// The reference is used no longer than the `Lent` lives.
    pub unsafe fn new(value: T, count: usize) -> Result<(Self, &'static mut [T])> {
        let mut items = Vec::new();
        items.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
        items.resize(count, value);
        let memory = NonNull::from(Box::leak(items.into_boxed_slice()));
        // SAFETY: the memory stays where it is until the `Lent` goes, and
        // the caller uses the reference no longer than that.
        let lent = unsafe { &mut *memory.as_ptr() };
        Ok((Lent { memory }, lent))
    }
}

impl<T> Drop for Lent<T> {
    fn drop(&mut self) {
        // SAFETY: `new` leaked the box, and whom it was lent to is gone.
        drop(unsafe { Box::from_raw(self.memory.as_ptr()) });
    }
}
