//! [`SpinLock`]: mutual exclusion for short, never-sleeping sections.

use crate::context::Context;
use crate::guard::{IrqGuard, PreemptGuard};
use crate::meta::LockMeta;
use crate::platform;
use crate::points;
use crate::rank::Rank;
use crate::shim::{Door, Pass, UnsafeCell, const_fn};
use crate::violation::Violation;
use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::panic::Location;
use core::ptr;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// What a spin lock turns off while it is held.
pub trait SpinContext {
    /// Whether the lock may be taken in an interrupt: only if none can come
    /// while it is held.
    const IN_INTERRUPTS: bool;
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
    const IN_INTERRUPTS: bool = false;
    type Guard = PreemptGuard;
    #[track_caller]
    #[inline]
    fn enter() -> PreemptGuard {
        PreemptGuard::new()
    }
}

impl SpinContext for IrqOff {
    const IN_INTERRUPTS: bool = true;
    type Guard = IrqGuard;
    #[track_caller]
    #[inline]
    fn enter() -> IrqGuard {
        IrqGuard::new()
    }
}

/// A lock that spins; its holder can neither sleep nor be preempted.
pub struct SpinLock<T, G = IrqOff> {
    meta: LockMeta,
    door: Door,
    context: PhantomData<fn() -> G>,
    value: UnsafeCell<T>,
}

// SAFETY: the lock gives out one exclusive reference at a time.
unsafe impl<T: Send, G> Sync for SpinLock<T, G> {}
// SAFETY: moving the lock moves the value.
unsafe impl<T: Send, G> Send for SpinLock<T, G> {}

impl<T, G: SpinContext> SpinLock<T, G> {
    const_fn! {
        /// A free lock of the given rank.
        #[track_caller]
        pub fn new(rank: Rank, value: T) -> Self {
            SpinLock {
                meta: LockMeta::new(rank, Location::caller()),
                door: Door::new(rank),
                context: PhantomData,
                value: UnsafeCell::new(value),
            }
        }
    }

    /// Takes the lock. Any context that may take `G`; never sleeps.
    #[track_caller]
    #[inline]
    pub fn lock(&self) -> SpinLockGuard<'_, T, G> {
        points::switch();
        let section = G::enter();
        let context = platform::context();
        let at = Location::caller();
        context.check_order(&self.meta, at);
        if cfg!(not(feature = "unchecked")) && !G::IN_INTERRUPTS && context.in_interrupt() {
            self.report_interrupt(at);
        }
        let pass = self.door.wait();
        if !self.take(context) {
            self.spin(context, at);
        }
        self.guard(section, pass, context, at)
    }

    #[cold]
    #[inline(never)]
    fn report_interrupt(&self, at: &'static Location<'static>) {
        platform::violation(&Violation::Interrupt {
            lock: self.meta.record(),
            at,
        });
    }

    /// Takes the lock if it is free. The order of locks does not matter to
    /// it, since it does not wait, but those taken after it must come after
    /// it.
    #[track_caller]
    pub fn try_lock(&self) -> Option<SpinLockGuard<'_, T, G>> {
        let section = G::enter();
        let context = platform::context();
        let pass = self.door.look()?;
        self.take(context)
            .then(|| self.guard(section, pass, context, Location::caller()))
    }

    #[inline(always)]
    fn guard<'a>(
        &'a self,
        section: G::Guard,
        pass: Pass<'a>,
        context: &Context,
        at: &'static Location<'static>,
    ) -> SpinLockGuard<'a, T, G> {
        if cfg!(not(feature = "unchecked")) {
            self.meta.set_taken(Some(at));
            context.push_held(&self.meta, at);
        }
        points::contend();
        SpinLockGuard {
            lock: self,
            _pass: pass,
            _section: section,
        }
    }

    #[inline(always)]
    fn take(&self, context: &Context) -> bool {
        let me = ptr::from_ref(context).expose_provenance();
        self.meta
            .word
            .compare_exchange(0, me, Acquire, Relaxed)
            .is_ok()
    }

    /// # Panics
    /// If the caller holds the lock: nobody else could ever give it back.
    #[cold]
    #[inline(never)]
    fn spin(&self, context: &Context, at: &'static Location<'static>) {
        context.check_recursion(&self.meta, at);
        assert!(
            !ptr::eq(self.meta.holder(), context),
            "spin lock {} taken again at {at} by its holder",
            self.meta.name()
        );
        let since = platform::now();
        while !self.take(context) {
            // Anew each time: an interrupt may have waited in between.
            context.wait.begin(&self.meta, at, since);
            context.wait.note_holder(&self.meta);
            while self.meta.word.load(Relaxed) != 0 {
                platform::relax();
            }
        }
        context.wait.end();
    }

    #[inline(always)]
    fn unlock(&self) {
        if cfg!(not(feature = "unchecked")) {
            platform::context().pop_held(&self.meta);
        }
        self.meta.word.store(0, Release);
    }

    /// Who holds the lock and where it was taken.
    pub fn meta(&self) -> &LockMeta {
        &self.meta
    }

    /// The value, which an exclusive reference proves to be unshared.
    pub fn get_mut(&mut self) -> &mut T {
        // SAFETY: the reference to the lock is exclusive.
        self.value.with_mut(|value| unsafe { &mut *value })
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
///
/// It stays with its thread:
/// ```compile_fail,E0277
/// fn sent(_: impl Send) {}
/// let lock: paddock_sync::SpinLock<()> = paddock_sync::SpinLock::new(paddock_sync::Rank::Leaf, ());
/// sent(lock.lock());
/// ```
#[must_use]
pub struct SpinLockGuard<'a, T, G: SpinContext> {
    lock: &'a SpinLock<T, G>,
    // Dropped after the lock is released: fields drop after `Drop::drop`.
    _pass: Pass<'a>,
    _section: G::Guard,
}

impl<T, G: SpinContext> SpinLockGuard<'_, T, G> {
    /// Gives the lock back, but stays in its section: for a switch that must
    /// not be interrupted between the two.
    pub fn release(this: Self) -> G::Guard {
        let guard = ManuallyDrop::new(this);
        guard.lock.unlock();
        // SAFETY: the wrapped guard is not dropped, so what it has is read
        // out once.
        unsafe {
            let _pass = core::ptr::read(&raw const guard._pass);
            core::ptr::read(&raw const guard._section)
        }
    }
}

impl<T, G: SpinContext> Deref for SpinLockGuard<'_, T, G> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard is the proof of exclusive access.
        self.lock.value.with(|value| unsafe { &*value })
    }
}

impl<T, G: SpinContext> DerefMut for SpinLockGuard<'_, T, G> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard is the proof of exclusive access.
        self.lock.value.with_mut(|value| unsafe { &mut *value })
    }
}

impl<T, G: SpinContext> Drop for SpinLockGuard<'_, T, G> {
    #[inline]
    fn drop(&mut self) {
        self.lock.unlock();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Runs `body` as if it were an interrupt's handler.
    fn in_an_interrupt(body: impl FnOnce()) {
        platform::context().enter_interrupt();
        body();
        platform::context().leave_interrupt();
    }

    #[test]
    #[should_panic(expected = "taken in an interrupt")]
    fn a_lock_that_lets_interrupts_come_is_not_for_them() {
        let lock = SpinLock::<(), PreemptOff>::new(Rank::Leaf, ());
        in_an_interrupt(|| drop(lock.lock()));
    }

    #[test]
    fn a_lock_that_keeps_interrupts_away_is_for_them() {
        let lock = SpinLock::<u8, IrqOff>::new(Rank::Leaf, 1);
        in_an_interrupt(|| *lock.lock() += 1);
        assert_eq!(lock.into_inner(), 2);
    }
}
