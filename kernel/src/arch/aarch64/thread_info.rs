//! What the vectors and the registers of a CPU know of the running thread.

use core::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize};
use paddock_sched::CpuTime;
use paddock_sync::Context;

/// The beginning of every thread, which `TPIDR_EL1` points at while it runs.
#[repr(C)]
pub struct ThreadInfo {
    /// Locks and sections. First, because `paddock-sync` reads it through the
    /// pointer.
    pub context: Context,
    /// Where `vectors.s` goes when this thread's stack has overflowed.
    pub emergency_stack: AtomicUsize,
    /// What it has run, in counts of the physical counter.
    pub cpu_time: CpuTime,
    /// The CPU that it runs on, in whose queue it is, or where it ran last.
    pub cpu: AtomicUsize,
    /// Something may have to be done before it goes back to user mode.
    pub work: AtomicBool,
    /// How much memory it leaves to others: a `memory::frames::Reserve`, of
    /// which 0 is none.
    pub reserve: AtomicU8,
}

impl ThreadInfo {
    /// That of a thread of this priority that has not run.
    pub const fn new(priority: u8) -> Self {
        ThreadInfo {
            context: Context::new_atomic().with_priority(priority),
            emergency_stack: AtomicUsize::new(0),
            cpu_time: CpuTime::new(),
            cpu: AtomicUsize::new(0),
            work: AtomicBool::new(false),
            reserve: AtomicU8::new(0),
        }
    }
}
