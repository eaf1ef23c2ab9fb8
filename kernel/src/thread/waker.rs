//! A thread's wakers: they unpark it, and they are counted, so that a thread
//! that can never be woken again is noticed at once.
//!
//! The only raw wakers there are: one made of an `Arc` by the library could
//! not tell that it goes without having been used.

use super::{Thread, ports, scheduler};
use alloc::sync::Arc;
use core::mem::ManuallyDrop;
use core::sync::atomic::Ordering::Relaxed;
use core::task::{RawWaker, RawWakerVTable, Waker};

/// A waker's data is a pointer of `Arc::into_raw`, of which it owns one count.
static FUNCTIONS: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, forget);

/// A waker that unparks this thread.
pub fn waker_of(thread: Arc<Thread>) -> Waker {
    thread.wakers.add();
    let data = Arc::into_raw(thread).cast();
    // SAFETY: `FUNCTIONS` keeps to the contract of `RawWaker`: the data is an
    // `Arc`'s, which may be sent and shared.
    unsafe { Waker::from_raw(RawWaker::new(data, &FUNCTIONS)) }
}

/// # Safety
/// `data` is a waker's, which is alive and used no more.
unsafe fn take(data: *const ()) -> Arc<Thread> {
    // SAFETY: the caller's promise.
    unsafe { Arc::from_raw(data.cast()) }
}

/// # Safety
/// `data` is a waker's, which is alive.
unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the caller's promise.
    let thread = ManuallyDrop::new(unsafe { take(data) });
    thread.wakers.add();
    let _counted = ManuallyDrop::new(Arc::clone(&thread));
    RawWaker::new(data, &FUNCTIONS)
}

/// # Safety
/// As for [`take`].
unsafe fn wake(data: *const ()) {
    // SAFETY: the caller's promise.
    let thread = unsafe { take(data) };
    scheduler::unpark(&thread);
    // Only now: a thread that is blocked and has no waker was not woken.
    thread.wakers.used();
}

/// # Safety
/// `data` is a waker's, which is alive.
unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: the caller's promise.
    let thread = ManuallyDrop::new(unsafe { take(data) });
    scheduler::unpark(&thread);
}

/// # Safety
/// As for [`take`].
unsafe fn forget(data: *const ()) {
    // SAFETY: the caller's promise.
    let thread = unsafe { take(data) };
    if thread.wakers.forgotten() {
        thread.look_for_waker();
    }
}

impl Thread {
    /// Says that the thread is unparked by others than its wakers, so that it
    /// may block without any.
    pub fn set_unparked_by_name(&self) {
        self.unparked_by_name.store(true, Relaxed);
    }

    /// Reports the thread if it waits for ever and nobody can wake it.
    #[inline]
    pub(super) fn look_for_waker(&self) {
        let lost = self.wakers.lost(&self.state);
        if lost && !self.unparked_by_name.load(Relaxed) {
            ports::has_no_waker(self);
        }
    }
}
