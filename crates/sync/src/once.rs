//! [`OnceCell`]: a value that is set once, at boot, and read ever after.

use crate::shim::{AtomicU8, UnsafeCell, const_fn};
use core::fmt;
use core::mem::MaybeUninit;
use core::sync::atomic::Ordering;

const EMPTY: u8 = 0;
const BUSY: u8 = 1;
const SET: u8 = 2;

/// A cell that can be written once.
pub struct OnceCell<T> {
    state: AtomicU8,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: the value is written by one caller before `SET` is published, and
// only shared references are given out afterwards.
unsafe impl<T: Send + Sync> Sync for OnceCell<T> {}
// SAFETY: moving the cell moves the value.
unsafe impl<T: Send> Send for OnceCell<T> {}

impl<T> OnceCell<T> {
    const_fn! {
        /// An empty cell.
        pub fn new() -> Self {
            OnceCell {
                state: AtomicU8::new(EMPTY),
                value: UnsafeCell::new(MaybeUninit::uninit()),
            }
        }
    }

    /// Sets the value; gives it back if one is there already.
    pub fn set(&self, value: T) -> Result<&T, T> {
        if self
            .state
            .compare_exchange(EMPTY, BUSY, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            return Err(value);
        }
        // SAFETY: `BUSY` makes this the only writer, and nobody reads yet.
        self.value.with_mut(|cell| unsafe { (*cell).write(value) });
        self.state.store(SET, Ordering::Release);
        self.get().ok_or_else(|| unreachable!("just set"))
    }

    /// The value, if it has been set.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        (self.state.load(Ordering::Acquire) == SET).then(|| {
            // SAFETY: `SET` says that the value was written, for good.
            self.value.with(|cell| unsafe { (*cell).assume_init_ref() })
        })
    }
}

impl<T> Default for OnceCell<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for OnceCell<T> {
    fn drop(&mut self) {
        if self.state.load(Ordering::Acquire) == SET {
            // SAFETY: `SET` says that the value was written.
            self.value
                .with_mut(|cell| unsafe { (*cell).assume_init_drop() });
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for OnceCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnceCell").field(&self.get()).finish()
    }
}
