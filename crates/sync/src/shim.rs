//! Atomics and cells: the machine's own, or those of the model checker when
//! the crate is built with `--cfg loom`.
//!
//! Only what decides an interleaving goes through here: lock words, waiters'
//! states and the guarded values. What one thread alone writes stays ordinary.

#[cfg(not(loom))]
mod plain {
    pub(crate) use crate::platform::relax as spin_loop;
    pub(crate) use core::sync::atomic::{AtomicU8, AtomicUsize};

    /// `core`'s cell with the model checker's interface.
    #[derive(Debug)]
    #[repr(transparent)]
    pub(crate) struct UnsafeCell<T: ?Sized>(core::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) const fn new(value: T) -> Self {
            UnsafeCell(core::cell::UnsafeCell::new(value))
        }

        pub(crate) fn into_inner(self) -> T {
            self.0.into_inner()
        }
    }

    impl<T: ?Sized> UnsafeCell<T> {
        #[inline(always)]
        pub(crate) fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
            read(self.0.get())
        }

        #[inline(always)]
        pub(crate) fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
            write(self.0.get())
        }
    }
}

#[cfg(not(loom))]
pub(crate) use plain::{AtomicU8, AtomicUsize, UnsafeCell, spin_loop};

#[cfg(loom)]
pub(crate) use loom::{
    cell::UnsafeCell,
    hint::spin_loop,
    sync::atomic::{AtomicU8, AtomicUsize},
};

/// A constructor that is `const`, except under the model checker, whose
/// objects are made while a model runs.
macro_rules! const_fn {
    ($(#[$meta:meta])* $vis:vis fn $($rest:tt)*) => {
        #[cfg(not(loom))]
        $(#[$meta])* $vis const fn $($rest)*
        #[cfg(loom)]
        $(#[$meta])* $vis fn $($rest)*
    };
}
pub(crate) use const_fn;
