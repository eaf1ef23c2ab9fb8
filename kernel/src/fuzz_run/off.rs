//! What is left of a run of the fuzzing of schedules in every other kernel: nothing.

use crate::machine::CommandLine;
use alloc::sync::Arc;
use paddock_process::WaitStatus;
use paddock_vfs::BlockDevice;

/// Words of the command line that only the fuzzing kernel knows.
pub const WORDS: &[&str] = &[];

#[inline(always)]
pub fn start(_: &CommandLine<'_>) {}

#[inline(always)]
pub fn start_disk(
    _: &CommandLine<'_>,
    _: fn() -> Option<*mut [u8]>,
) -> Option<Arc<dyn BlockDevice>> {
    None
}

#[inline(always)]
pub fn process_1_ended(_: Option<WaitStatus>) {}
