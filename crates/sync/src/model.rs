//! The hooks of [`crate::platform`] inside a model: threads are the model
//! checker's, and time passes only for who waits with a deadline.

use crate::{Context, LockMeta, Violation};
use alloc::sync::Arc;
use alloc::task::Wake;
use core::task::Waker;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread::{self, Thread};
use std::cell::Cell;
use std::sync::Mutex;

/// One thread of a model.
struct Local {
    context: Option<Box<Context>>,
    unpark: Arc<Unpark>,
    clock: Cell<u64>,
    irqs_off: Cell<bool>,
}

/// A park token of our own: the model checker's is lost by a thread that
/// yields, which spinning is here.
struct Unpark {
    token: AtomicBool,
    /// The model checker must not unpark a thread that waits for something
    /// else. Not of the model: nothing comes between the token and this.
    parked: std::sync::atomic::AtomicBool,
    thread: Thread,
}

loom::thread_local! {
    static LOCAL: Local = Local {
        context: Some(Box::default()),
        unpark: Arc::new(Unpark {
            token: AtomicBool::new(false),
            parked: std::sync::atomic::AtomicBool::new(false),
            thread: thread::current(),
        }),
        clock: Cell::new(0),
        irqs_off: Cell::new(false),
    };
}

/// Contexts of threads that have ended. Kept for the rest of the execution, so
/// that whoever still uses one is found out.
static GONE: Mutex<Vec<Box<Context>>> = Mutex::new(Vec::new());

/// Begins an execution of a model.
pub fn begin() {
    GONE.lock().unwrap().clear();
}

impl Drop for Local {
    fn drop(&mut self) {
        if let Some(context) = self.context.take() {
            context.set_gone();
            GONE.lock().unwrap().push(context);
        }
    }
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.token.swap(true, Ordering::AcqRel);
        if self.parked.swap(false, Ordering::Relaxed) {
            self.thread.unpark();
        }
    }
}

pub fn context() -> &'static Context {
    LOCAL.with(|local| {
        let context: *const Context = &**local.context.as_ref().unwrap();
        // SAFETY: boxed, and kept until the end of the execution.
        unsafe { &*context }
    })
}

pub fn irq_save() -> usize {
    LOCAL.with(|local| usize::from(local.irqs_off.replace(true)))
}

pub fn irq_restore(saved: usize) {
    LOCAL.with(|local| local.irqs_off.set(saved != 0));
}

pub fn irqs_enabled() -> bool {
    LOCAL.with(|local| !local.irqs_off.get())
}

pub fn reschedule() {}

pub fn current_waker() -> Waker {
    Waker::from(LOCAL.with(|local| local.unpark.clone()))
}

/// With a deadline: the time is up, or the wake-up came before.
pub fn park(deadline: u64) {
    let unpark = LOCAL.with(|local| local.unpark.clone());
    if deadline != u64::MAX {
        thread::yield_now();
        unpark.token.swap(false, Ordering::AcqRel);
        LOCAL.with(|local| local.clock.set(deadline));
        return;
    }
    while !unpark.token.swap(false, Ordering::AcqRel) {
        unpark.parked.store(true, Ordering::Relaxed);
        thread::park();
    }
}

pub fn now() -> u64 {
    LOCAL.with(|local| local.clock.get())
}

pub fn ticks() -> u64 {
    now()
}

pub fn ticks_to_nanos(ticks: u64) -> u64 {
    ticks
}

pub fn interrupted() -> bool {
    false
}

pub fn may_allocate() -> bool {
    true
}

pub fn violation(violation: &Violation) {
    panic!("{violation}");
}

pub fn priority_changed(context: &Context) {
    context.assert_there();
}

pub fn stalled_after() -> u64 {
    u64::MAX
}

pub fn relax() {
    loom::hint::spin_loop();
}

pub fn lock_stalled(_: &Context, _: &LockMeta) {}
