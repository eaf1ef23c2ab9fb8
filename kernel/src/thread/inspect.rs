//! Looking at threads from the outside, for reports: in any context, without
//! waiting.

use super::{Thread, cpu as per_cpu, current, idle_thread, scheduler};
use crate::arch::timers;
use crate::cpus;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::Ordering::{self, Relaxed};
use paddock_abi::{Errno, Result};
use paddock_sched::{Class, State};
use paddock_sync::Context;

/// How often the table's lock is tried: some tens of milliseconds. Its holder
/// may be the one that is stuck.
const PATIENCE: u32 = 100_000;

/// How often a reading begins anew that a switch overtook.
const ATTEMPTS: u32 = 8;

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

    /// The running thread has slept, or has been given work from outside, of which
    /// there may always be more: its run without sleep begins anew.
    pub fn note_slept(&self) {
        self.run_at_sleep.store(self.run_time(), Relaxed);
    }

    /// Of the running thread: time (ns) it has run since it last slept, and
    /// its whole run time at that moment, which tells one such run from the
    /// next.
    pub fn run_without_sleep(&self) -> (u64, u64) {
        let at_sleep = self.run_at_sleep.load(Relaxed);
        (self.run_time().saturating_sub(at_sleep), at_sleep)
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

    /// Who runs on a CPU, as far as can be seen from here.
    pub fn on_cpu(&self, cpu: usize) -> &Thread {
        if cpu == cpus::this_cpu() {
            return current();
        }
        let running = |thread: &&Thread| thread.cpu() == cpu && thread.state() == State::Running;
        self.iter()
            .find(running)
            .unwrap_or_else(|| idle_thread(cpu))
    }

    /// The thread that a context is part of.
    pub fn by_context(&self, context: *const Context) -> Option<&Thread> {
        let is_it = |thread: &&Thread| core::ptr::eq(thread.context(), context);
        self.iter()
            .find(is_it)
            .or_else(|| (0..cpus::online()).map(idle_thread).find(is_it))
            .or_else(|| Some(current()).filter(is_it))
    }
}

/// Calls `look` with all threads. Any context; `look` takes no lock.
pub fn inspect<R>(look: impl FnOnce(&Threads) -> R) -> R {
    for _ in 0..PATIENCE {
        if let Some(table) = scheduler::try_table() {
            return look(&Threads(Some(table)));
        }
        crate::arch::cpu::relax();
    }
    look(&Threads(None))
}

/// All threads, as of now. Never sleeps.
///
/// # Errors
/// `ENOMEM`.
pub fn snapshot() -> Result<Vec<Arc<Thread>>> {
    let mut all: Vec<Arc<Thread>> = Vec::new();
    let mut complete = true;
    super::for_each(|thread| match all.try_reserve(1) {
        Ok(()) => all.push(thread.clone()),
        Err(_) => complete = false,
    });
    complete.then_some(all).ok_or(Errno::ENOMEM)
}

/// Whether a CPU has nothing to do, as far as can be seen from here.
pub fn is_idle(cpu: usize) -> bool {
    per_cpu::by_index(cpu).running_class() == Class::Idle
}

/// What a CPU has been used for, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuUse {
    /// Programs in user mode.
    pub user: u64,
    /// The kernel, interrupts included.
    pub system: u64,
    /// Nothing.
    pub idle: u64,
}

/// Since when (ns) the running thread has this CPU. Interrupts are masked.
pub fn running_since() -> u64 {
    per_cpu::this().running_since.load(Relaxed)
}

/// What a CPU has been used for by now. Any context.
pub fn cpu_use(cpu: usize) -> CpuUse {
    let this = per_cpu::by_index(cpu);
    let mut user = this.user_time.past();
    for _ in 0..ATTEMPTS {
        let since = this.running_since.load(Ordering::Acquire);
        let now = inspect(|threads| this.user_time.with(&threads.on_cpu(cpu).cpu_time));
        if this.running_since.load(Ordering::Acquire) == since {
            user = now;
            break;
        }
    }
    let all = timers::count_now().saturating_sub(this.online_since.load(Relaxed));
    let all = timers::nanos(all);
    let (user, idle) = (timers::nanos(user), this.idle.run_time());
    CpuUse {
        user,
        system: all.saturating_sub(user + idle),
        idle,
    }
}

/// When (ns) the scheduler's timer of a CPU was to fire: zero while its handler
/// runs, `u64::MAX` if it is off.
pub fn timer_fires_at(cpu: usize) -> u64 {
    per_cpu::by_index(cpu).fires_at.load(Relaxed)
}
