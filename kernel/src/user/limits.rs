//! How many tasks there may be, and who is kept some.

use super::process::{DEFAULT_LIMITS, LIMITS, Limit, Process, RLIMIT_NPROC};
use super::tree;
use crate::memory::frames;
use crate::thread::MAX_THREADS;
use paddock_abi::Result;
use paddock_process::TaskLimits;

/// Tasks that are left to the kernel's own threads.
const KERNELS: usize = 64;
/// Tasks that are left to process 1 and root's logins besides.
const KEPT_FOR_OPERATORS: usize = 256;
/// Frames that a thread takes: its stack, and what describes it.
const FRAMES_OF_THREAD: usize = 9;

/// For process 1 and root's logins.
pub const OPERATORS: TaskLimits = TaskLimits {
    user: usize::MAX,
    total: MAX_THREADS - KERNELS,
};

/// The limits of what the kernel itself starts: one user's threads take no
/// more than a quarter of the memory with their stacks.
pub fn defaults() -> [Limit; LIMITS] {
    let tasks = (frames::total() / (4 * FRAMES_OF_THREAD)).min(MAX_THREADS / 2) as u64;
    let mut limits = DEFAULT_LIMITS;
    limits[RLIMIT_NPROC] = (tasks, tasks);
    limits
}

/// Reserves a number for a thread of `owner`, or for a new process of `by`.
///
/// # Errors
/// `EAGAIN` if `RLIMIT_NPROC` or the machine has no room for it (clone(2)).
pub fn reserve(by: &Process, owner: Option<u32>) -> Result<u32> {
    let total = match by.is_operators() {
        true => OPERATORS.total,
        false => OPERATORS.total - KEPT_FOR_OPERATORS,
    };
    let mut tree = tree().lock();
    let uid = tree.uid(by.pid)?;
    let user = match uid {
        0 => usize::MAX,
        _ => usize::try_from(by.limit(RLIMIT_NPROC)).unwrap_or(usize::MAX),
    };
    tree.reserve(owner, uid, TaskLimits { user, total })
}
