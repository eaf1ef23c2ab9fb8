//! [`SpinLock`]: mutual exclusion for short, never-sleeping sections.

use crate::context::{IrqGuard, PreemptGuard};
use crate::meta::LockMeta;
use crate::platform;
use crate::rank::Rank;
use core::cell::UnsafeCell;
use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::panic::Location;
use core::sync::atomic::{AtomicBool, Ordering};

/// What a spin lock turns off while it is held.
pub trait SpinContext {
    /// Alive for as long as the lock is held.
    type Guard;
    /// Turns it off.
    #[track_caller]
    fn enter() -> Self::Guard;
}

/// Preemption: for what interrupt handlers never touch.
#[derive(Debug)]
pub struct PreemptOff;
/// Interrupts: for what is shared with interrupt handlers or wakers.
#[derive(Debug)]
pub struct IrqOff;

impl SpinContext for PreemptOff {
    type Guard = PreemptGuard;
    #[track_caller]
    #[inline]
    fn enter() -> PreemptGuard {
        PreemptGuard::new()
    }
}

impl SpinContext for IrqOff {
    type Guard = IrqGuard;
    #[track_caller]
    #[inline]
    fn enter() -> IrqGuard {
        IrqGuard::new()
    }
}

/// A lock that spins; its holder can neither sleep nor be preempted.
pub struct SpinLock<T, G = IrqOff> {
    locked: AtomicBool,
    meta: LockMeta,
    context: PhantomData<fn() -> G>,
    value: UnsafeCell<T>,
}

// SAFETY: the lock gives out one exclusive reference at a time.
unsafe impl<T: Send, G> Sync for SpinLock<T, G> {}
// SAFETY: moving the lock moves the value.
unsafe impl<T: Send, G> Send for SpinLock<T, G> {}

impl<T, G: SpinContext> SpinLock<T, G> {
    /// A free lock of the given rank.
    pub const fn new(rank: Rank, value: T) -> Self {
        SpinLock {
            locked: AtomicBool::new(false),
            meta: LockMeta::new(rank),
            context: PhantomData,
            value: UnsafeCell::new(value),
        }
    }

    /// Takes the lock. Any context that may take `G`; never sleeps.
    #[track_caller]
    #[inline]
    pub fn lock(&self) -> SpinLockGuard<'_, T, G> {
        let section = G::enter();
        let context = platform::context();
        let at = Location::caller();
        context.check_order(&self.meta, at);
        if !self.try_acquire() {
            self.spin(context);
        }
        self.guard(section, at)
    }

    /// Takes the lock if it is free.
    #[track_caller]
    pub fn try_lock(&self) -> Option<SpinLockGuard<'_, T, G>> {
        let section = G::enter();
        self.try_acquire()
            .then(|| self.guard(section, Location::caller()))
    }

    #[inline]
    fn guard(&self, section: G::Guard, at: &'static Location<'static>) -> SpinLockGuard<'_, T, G> {
        let context = platform::context();
        self.meta.acquired(context, at);
        context.push_held(&self.meta);
        SpinLockGuard {
            lock: self,
            _section: section,
        }
    }

    #[inline]
    fn try_acquire(&self) -> bool {
        self.locked
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    #[cold]
    fn spin(&self, context: &crate::Context) {
        context.wait_begin(&self.meta);
        while !self.try_acquire() {
            while self.locked.load(Ordering::Relaxed) {
                core::hint::spin_loop();
            }
        }
        context.wait_end();
    }

    #[inline]
    fn unlock(&self) {
        platform::context().pop_held(&self.meta);
        self.meta.released();
        self.locked.store(false, Ordering::Release);
    }

    /// Who holds the lock and where it was taken.
    pub fn meta(&self) -> &LockMeta {
        &self.meta
    }

    /// The value, which an exclusive reference proves to be unshared.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// The value, of a lock that is given up.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T, G> fmt::Debug for SpinLock<T, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpinLock({:?})", self.meta.rank())
    }
}

/// A held [`SpinLock`].
#[must_use]
pub struct SpinLockGuard<'a, T, G: SpinContext> {
    lock: &'a SpinLock<T, G>,
    // Dropped after the lock is released: fields drop after `Drop::drop`.
    _section: G::Guard,
}

impl<T, G: SpinContext> SpinLockGuard<'_, T, G> {
    /// Gives the lock back, but stays in its section: for a switch that must
    /// not be interrupted between the two.
    pub fn release(this: Self) -> G::Guard {
        let guard = ManuallyDrop::new(this);
        guard.lock.unlock();
        // SAFETY: the wrapped guard is not dropped, so its section is read
        // out once.
        unsafe { core::ptr::read(&raw const guard._section) }
    }
}

impl<T, G: SpinContext> Deref for SpinLockGuard<'_, T, G> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard is the proof of exclusive access.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T, G: SpinContext> DerefMut for SpinLockGuard<'_, T, G> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard is the proof of exclusive access.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T, G: SpinContext> Drop for SpinLockGuard<'_, T, G> {
    #[inline]
    fn drop(&mut self) {
        self.lock.unlock();
    }
}
