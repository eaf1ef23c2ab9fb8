//! The CPU time of processes: reading it, and what it sets off
//! (`paddock_process::CpuTimers`).
//!
//! A process has an *allowance*: how long its threads may run before its
//! timers are to be looked at. Each switch away from one of them takes off what
//! it has run; each switch to one sets the CPU's timer for what is left. The
//! look itself is the thread's own, on its way back to user mode.

use super::object::{Process, RLIMIT_CPU, UserThread};
use super::signals;
use super::timers::Expire;
use crate::{cpus, thread};
use alloc::sync::Weak;
use core::sync::atomic::{AtomicI64, Ordering::Relaxed};
use paddock_abi::signal::{SIGKILL, SIGPROF, SIGVTALRM, SIGXCPU, Siginfo};
use paddock_process::{CpuLimit, CpuTimers, Due, Measured};
use paddock_sync::{Rank, SpinLock, WaitQueue};

/// Nothing is awaited.
const UNBOUNDED: i64 = i64::MAX;
/// The shortest time (ns) for which the CPU's timer is set on this account.
const SHORTEST_NS: u64 = 500_000;

/// What there is for a process's CPU time.
pub struct CpuClock {
    /// The timers.
    pub timers: SpinLock<CpuTimers<Weak<dyn Expire>>>,
    allowance: AtomicI64,
    /// Where threads sleep until the process has used some time.
    pub sleepers: WaitQueue,
}

impl CpuClock {
    /// No timer runs; `limited` if the process has an `RLIMIT_CPU`.
    pub const fn new(limited: bool) -> CpuClock {
        CpuClock {
            timers: SpinLock::new(Rank::Leaf, CpuTimers::new()),
            allowance: AtomicI64::new(if limited { 0 } else { UNBOUNDED }),
            sleepers: WaitQueue::new(),
        }
    }

    /// A thread of the process has run for so long (ns). Called by the switch
    /// away from it.
    #[inline]
    pub fn ran(&self, nanos: u64) {
        if self.allowance.load(Relaxed) != UNBOUNDED {
            self.allowance.fetch_sub(nanos as i64, Relaxed);
        }
    }

    /// Until when (ns since boot) a thread that begins to run now may go on
    /// before the timers are to be looked at; `u64::MAX` if nothing is
    /// awaited. Others of the process may run at the same time.
    #[inline]
    pub fn look_at(&self, now: u64) -> u64 {
        match self.allowance.load(Relaxed) {
            UNBOUNDED => u64::MAX,
            left => {
                let left = left.max(0) as u64;
                let share = left / cpus::online() as u64;
                now + share.max(left.min(SHORTEST_NS))
            }
        }
    }

    fn awaits(&self) -> bool {
        self.allowance.load(Relaxed) != UNBOUNDED
    }
}

/// Looks at the timers of the running thread's process, if anything is
/// awaited. On the way back to user mode.
pub fn look(thread: &UserThread) {
    let process = &thread.process;
    if !process.cpu_clock.awaits() {
        return;
    }
    let came = || {
        let mut timers = process.cpu_clock.timers.lock();
        timers.take_due(|clock| reading(process, clock))
    };
    while let Some(timer) = came() {
        if let Some(timer) = timer.upgrade() {
            timer.expire();
        }
    }
    let due = check(process);
    if due.sleepers {
        process.cpu_clock.sleepers.wake_all();
    }
    let send = |signal| {
        let _ = signals::send_to_process(process, &Siginfo::kernel(signal));
    };
    if due.virtual_timer {
        send(SIGVTALRM);
    }
    if due.profiling_timer {
        send(SIGPROF);
    }
    match due.limit {
        CpuLimit::Within => {}
        CpuLimit::Soft(next) => {
            process.limits.lock()[RLIMIT_CPU].0 = next;
            send(SIGXCPU);
        }
        CpuLimit::Hard => send(SIGKILL),
    }
    thread::set_cpu_look();
}

/// What one of a process's clocks shows; `u64::MAX` for a thread's that has ended, so that
/// nothing waits for it.
fn reading(process: &Process, clock: Measured) -> u64 {
    let times = match clock.thread {
        None => process.cpu_times(),
        Some(tid) => match process.thread(tid) {
            Some(thread) => thread.cpu_times(),
            None => return u64::MAX,
        },
    };
    times.of(clock.user_only)
}

fn check(process: &Process) -> Due {
    let limit = process.limits.lock()[RLIMIT_CPU];
    let mut timers = process.cpu_clock.timers.lock();
    let now = process.cpu_times();
    let due = timers.check(&now, limit);
    let clocked = timers.clocked_quiet(|clock| reading(process, clock));
    let quiet = [due.quiet, clocked]
        .into_iter()
        .flatten()
        .min()
        .map_or(UNBOUNDED, |quiet| quiet.min(i64::MAX as u64 - 1) as i64);
    process.cpu_clock.allowance.store(quiet, Relaxed);
    due
}

/// A timer, a limit or a sleep was set: all threads of the process look.
pub fn changed(process: &Process) {
    process.cpu_clock.allowance.store(0, Relaxed);
    process.wake_threads();
}
