//! The hooks of [`crate::platform`] on a host: a context per `std` thread,
//! no interrupts, and a rule broken is a panic.

use crate::{Context, LockMeta, Violation};
use alloc::sync::Arc;
use alloc::task::Wake;
use core::task::Waker;
use std::cell::Cell;
use std::sync::OnceLock;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

std::thread_local! {
    static CONTEXT: &'static Context = Box::leak(Box::new(Context::new()));
    static STALLS: Cell<u32> = const { Cell::new(0) };
    static IRQS_OFF: Cell<bool> = const { Cell::new(false) };
    static FAIL_AFTER: Cell<Option<u64>> = const { Cell::new(None) };
    static TRIED: Cell<u64> = const { Cell::new(0) };
    static DEPTH_AT_TICKS: Cell<u32> = const { Cell::new(0) };
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

pub fn context() -> &'static Context {
    CONTEXT.with(|context| *context)
}

pub fn irq_save() -> usize {
    usize::from(IRQS_OFF.with(|off| off.replace(true)))
}

pub fn irq_restore(saved: usize) {
    IRQS_OFF.with(|off| off.set(saved != 0));
}

pub fn irqs_enabled() -> bool {
    !IRQS_OFF.with(Cell::get)
}

pub fn reschedule() {
    thread::yield_now();
}

pub fn current_waker() -> Waker {
    Waker::from(Arc::new(Unpark(thread::current())))
}

pub fn park(deadline: u64) {
    if deadline == u64::MAX {
        thread::park();
    } else {
        thread::park_timeout(Duration::from_nanos(deadline.saturating_sub(now())));
    }
}

pub fn relax() {
    core::hint::spin_loop();
}

pub fn now() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

pub fn interrupted() -> bool {
    false
}

/// Has the allocation after `count` more of those that may fail do so, in the
/// calling thread; `None` for none. Restarts the count.
pub fn fail_allocation_after(count: Option<u64>) {
    FAIL_AFTER.with(|after| after.set(count));
    TRIED.with(|tried| tried.set(0));
}

/// How many allocations that may fail the calling thread has made since
/// [`fail_allocation_after`].
pub fn allocations_tried() -> u64 {
    TRIED.with(Cell::get)
}

pub fn may_allocate() -> bool {
    let number = TRIED.with(|tried| tried.replace(tried.get() + 1));
    FAIL_AFTER.with(Cell::get) != Some(number)
}

pub fn violation(violation: &Violation) {
    panic!("{violation}");
}

pub fn ticks() -> u64 {
    DEPTH_AT_TICKS.with(|depth| depth.set(context().preempt_depth()));
    now()
}

/// How many sections without preemption the calling thread was in when it last read
/// the clock.
#[cfg(test)]
pub fn depth_at_ticks() -> u32 {
    DEPTH_AT_TICKS.with(Cell::get)
}

pub fn ticks_to_nanos(ticks: u64) -> u64 {
    ticks
}

pub fn priority_changed(_: &Context) {}

/// Short enough for a test to wait for it.
pub fn stalled_after() -> u64 {
    20_000_000
}

pub fn lock_stalled(_: &Context, _: &LockMeta) {
    STALLS.with(|stalls| stalls.set(stalls.get() + 1));
}

/// How often the calling thread has had to report a lock it waits for.
#[cfg(test)]
pub fn stalls() -> u32 {
    STALLS.with(Cell::get)
}
