//! The waker of a stack's runner.

use alloc::sync::Arc;
use alloc::task::Wake;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};
use core::task::Waker;
use paddock_sync::{Context, IrqOff, Rank, SpinLock, platform};

/// Stands between embassy-net and the task that runs its runner.
///
/// embassy-net wakes its runner whenever a socket is so much as looked at.
/// While a thread is in a section, what it wakes there is ignored: the
/// section itself knows whether there is something to do, and wakes the task
/// when it is over. Wake-ups by interrupts and from the runner's own poll
/// pass.
pub struct RunnerWake {
    task: SpinLock<Option<Waker>, IrqOff>,
    in_section: AtomicPtr<Context>,
}

impl RunnerWake {
    /// Without a task yet.
    pub const fn new() -> Self {
        RunnerWake {
            task: SpinLock::new(Rank::Leaf, None),
            in_section: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// The task that runs the runner from now on.
    pub fn set_task(&self, waker: &Waker) {
        let mut task = self.task.lock();
        if !task.as_ref().is_some_and(|known| known.will_wake(waker)) {
            let old = task.replace(waker.clone());
            drop(task);
            drop(old);
        }
    }

    /// This thread's wake-ups are ignored until [`Self::leave`]. It holds
    /// the stack's lock, so there is one such thread at most.
    pub fn enter(&self) {
        self.in_section.store(this_thread(), Relaxed);
    }

    /// Wake-ups count again.
    pub fn leave(&self) {
        self.in_section.store(ptr::null_mut(), Relaxed);
    }

    /// Wakes the task. Any context.
    pub fn wake_task(&self) {
        let task = self.task.lock().clone();
        if let Some(task) = task {
            task.wake();
        }
    }

    fn is_own(&self) -> bool {
        let context = platform::context();
        !context.in_interrupt()
            && self.in_section.load(Relaxed) == ptr::from_ref(context).cast_mut()
    }
}

fn this_thread() -> *mut Context {
    ptr::from_ref(platform::context()).cast_mut()
}

impl Wake for RunnerWake {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_own() {
            self.wake_task();
        }
    }
}
