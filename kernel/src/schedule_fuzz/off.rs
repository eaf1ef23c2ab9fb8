//! What is left of the fuzzing of schedules in every other kernel: nothing.

use alloc::sync::Arc;
use paddock_sched::{Class, CpuMask, Queues, Runnable};

#[inline(always)]
pub fn seed() -> Option<u64> {
    None
}

#[inline(always)]
pub fn switch_now() -> bool {
    false
}

#[inline(always)]
pub fn pop<T: Runnable, const CPUS: usize>(
    queues: &Queues<T, CPUS>,
    cpu: usize,
    wanted: impl FnOnce(Class) -> bool,
    _: impl Fn(&T) -> u64,
) -> Option<Arc<T>> {
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
pub fn note_switch(_: usize, _: u64) {}
