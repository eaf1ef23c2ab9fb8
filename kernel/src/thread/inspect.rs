//! Looking at threads from the outside, for reports: in any context, without
//! waiting.

use super::{Thread, current, scheduler};
use core::fmt;
use core::sync::atomic::Ordering;
use paddock_sched::Class;
use paddock_sync::Context;

/// How often the table's lock is tried: some tens of milliseconds. Its holder
/// may be the one that is stuck.
const PATIENCE: u32 = 100_000;

impl Thread {
    /// What the guards know of the thread.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Whether some CPU uses its stack.
    pub fn is_on_cpu(&self) -> bool {
        self.on_cpu.load(Ordering::Acquire)
    }

    /// Writes the name without waiting and without memory: "?" if somebody
    /// else has it in hand just now.
    pub fn write_name(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.class == Class::Idle {
            return f.write_str("idle");
        }
        match self.name.try_lock() {
            Some(name) => f.write_str(&name),
            None => f.write_str("?"),
        }
    }

    /// The frame record from which its stack can be walked, if it does not
    /// run: the switch away from it left x29 and x30 there.
    pub fn saved_frame(&self) -> Option<usize> {
        if self.is_on_cpu() {
            return None;
        }
        // SAFETY: not on a CPU, so no switch writes it. Should one begin just
        // now, the walk goes astray within the stack.
        Some(unsafe { self.sp.get().read_volatile() })
    }
}

impl Thread {
    /// The most bytes of its kernel stack that were ever in use, and how many
    /// there are.
    pub fn stack_use(&self) -> (usize, usize) {
        const WORD: usize = size_of::<usize>();
        let (bottom, top) = self.stack_range();
        let used = |&address: &usize| {
            let word = core::ptr::with_exposed_provenance::<usize>(address);
            // SAFETY: within the thread's stack, which is mapped for as long
            // as the thread is there.
            unsafe { word.read_volatile() != 0 }
        };
        let deepest = (bottom..top).step_by(WORD).find(used).unwrap_or(top);
        (top - deepest, top - bottom)
    }
}

/// Threads that stay what and where they are while this is looked at.
pub struct Threads(Option<scheduler::Table>);

impl Threads {
    /// All threads but the idle ones; none at all if the table could not be
    /// had.
    pub fn iter(&self) -> impl Iterator<Item = &Thread> {
        let all = self.0.as_ref().map(|table| table.iter());
        all.into_iter().flatten().map(|thread| &**thread)
    }

    /// The thread that a context is part of.
    pub fn by_context(&self, context: *const Context) -> Option<&Thread> {
        let running = current();
        if core::ptr::eq(running.context(), context) {
            return Some(running);
        }
        self.iter()
            .find(|thread| core::ptr::eq(thread.context(), context))
    }
}

/// Calls `look` with all threads. Any context; `look` takes no lock.
pub fn inspect<R>(look: impl FnOnce(&Threads) -> R) -> R {
    for _ in 0..PATIENCE {
        if let Some(table) = scheduler::try_table() {
            return look(&Threads(Some(table)));
        }
        core::hint::spin_loop();
    }
    look(&Threads(None))
}
