//! Atomics and cells: the machine's own, or those of the model checker when
//! the crate is built with `--cfg loom`.
//!
//! Only what decides an interleaving goes through here: lock words, waiters'
//! states and the guarded values. What one thread alone writes stays ordinary.

#[cfg(not(loom))]
mod plain {
    use crate::Rank;
    pub(crate) use core::sync::atomic::{AtomicU8, AtomicUsize};

    /// See the model checker's: here, nothing.
    #[derive(Debug)]
    pub(crate) struct Door;
    pub(crate) type Pass<'a> = core::marker::PhantomData<&'a ()>;

    impl Door {
        pub(crate) const fn new(_: Rank) -> Self {
            Door
        }

        #[inline(always)]
        pub(crate) fn wait(&self) -> Pass<'_> {
            core::marker::PhantomData
        }

        #[inline(always)]
        pub(crate) fn look(&self) -> Option<Pass<'_>> {
            Some(core::marker::PhantomData)
        }
    }

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

#[cfg(loom)]
pub(crate) use modelled::{Door, Pass};
#[cfg(not(loom))]
pub(crate) use plain::{AtomicU8, AtomicUsize, Door, Pass, UnsafeCell};

#[cfg(loom)]
pub(crate) use loom::{
    cell::UnsafeCell,
    sync::atomic::{AtomicU8, AtomicUsize},
};

#[cfg(loom)]
mod modelled {
    use crate::Rank;
    use loom::sync::{Mutex, MutexGuard};

    /// Where the waiting of a spin lock is left to the model checker: spinning
    /// has far more interleavings than blocking, and none that differ after
    /// it. Locks of rank `Leaf` have no such door: they model the spinning.
    pub(crate) struct Door(Option<Mutex<()>>);
    pub(crate) type Pass<'a> = Option<MutexGuard<'a, ()>>;

    impl Door {
        pub(crate) fn new(rank: Rank) -> Self {
            Door((rank != Rank::Leaf).then(|| Mutex::new(())))
        }

        pub(crate) fn wait(&self) -> Pass<'_> {
            self.0.as_ref().map(|door| door.lock().unwrap())
        }

        pub(crate) fn look(&self) -> Option<Pass<'_>> {
            match &self.0 {
                Some(door) => door.try_lock().ok().map(Some),
                None => Some(None),
            }
        }
    }
}

/// A constructor that is `const`, except under the model checker, whose
/// objects are made while a model runs.
#[doc(hidden)]
#[macro_export]
macro_rules! const_fn {
    ($(#[$meta:meta])* $vis:vis fn $($rest:tt)*) => {
        #[cfg(not(loom))]
        $(#[$meta])* $vis const fn $($rest)*
        #[cfg(loom)]
        $(#[$meta])* $vis fn $($rest)*
    };
}
pub(crate) use const_fn;
