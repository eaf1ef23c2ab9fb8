//! What is left of the fuzzing of schedules in every other kernel: nothing.

use crate::machine::CommandLine;
use crate::thread::{RunQueues, Thread};
use alloc::sync::Arc;
use paddock_process::WaitStatus;
use paddock_sched::{Class, CpuMask};
use paddock_vfs::BlockDevice;

/// Words of the command line that only the fuzzing kernel knows.
pub const WORDS: &[&str] = &[];

#[inline(always)]
pub fn start(_: &CommandLine<'_>) {}

#[inline(always)]
pub fn start_disk(_: &CommandLine<'_>) -> Option<Arc<dyn BlockDevice>> {
    None
}

#[inline(always)]
pub fn seed() -> Option<u64> {
    None
}

#[inline(always)]
pub fn switch_now() -> bool {
    false
}

#[inline(always)]
pub fn pop(
    queues: &RunQueues,
    cpu: usize,
    wanted: impl FnOnce(Class) -> bool,
) -> Option<Arc<Thread>> {
    queues.pop(cpu, wanted)
}

#[inline(always)]
pub fn slice(left: u64) -> u64 {
    left
}

#[inline(always)]
pub fn tick(ordinary: u64) -> u64 {
    ordinary
}

#[inline(always)]
pub fn cpu_for_wake_up(_: CpuMask) -> Option<usize> {
    None
}

#[inline(always)]
pub fn note_switch(_: &Thread) {}

#[inline(always)]
pub fn process_1_ended(_: Option<WaitStatus>) {}
