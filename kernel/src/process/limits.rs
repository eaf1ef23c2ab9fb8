//! How many tasks there may be, and who is kept some.

use super::object::{DEFAULT_LIMITS, LIMITS, Limit, Process, RLIMIT_NPROC};
use super::tree;
use crate::memory::frames;
use crate::thread::MAX_THREADS;
use paddock_abi::Result;
use paddock_process::{Local, PidSpace, TaskLimits};

/// The most that `RLIMIT_NOFILE` can be set to (`nr_open`, proc(5)).
pub const NR_OPEN: u64 = 1 << 20;
/// Tasks that are left to the kernel's own threads.
const KERNELS: usize = 64;
/// Tasks that are left to process 1 and root's logins besides.
const KEPT_FOR_OPERATORS: usize = 256;
/// Frames that a thread takes: its stack, and what describes it.
const FRAMES_OF_THREAD: usize = 9;

/// Tasks that there may be without those kept for operators, however little memory
/// there is.
const FEWEST: usize = 64;

/// How many tasks there may be, those kept for operators apart: a quarter of the memory
/// with their stacks (`threads-max`, proc(5)). So many processes can end within a second
/// or two, and leave memory to those who end them.
pub fn threads_max() -> usize {
    let by_memory = frames::total() / (4 * FRAMES_OF_THREAD);
    by_memory.clamp(FEWEST, OPERATORS.total - KEPT_FOR_OPERATORS)
}

/// For process 1 and root's logins.
pub const OPERATORS: TaskLimits = TaskLimits {
    user: usize::MAX,
    total: MAX_THREADS - KERNELS,
};

/// The limits of what the kernel itself starts: one user's tasks are half of all, as on
/// Linux.
pub fn defaults() -> [Limit; LIMITS] {
    let tasks = (threads_max() / 2) as u64;
    let mut limits = DEFAULT_LIMITS;
    limits[RLIMIT_NPROC] = (tasks, tasks);
    limits
}

/// Reserves a number for a thread of `owner`, or for a new process of `by`; that and the
/// one in `space`, where it is to be.
///
/// # Errors
/// `EAGAIN` if `RLIMIT_NPROC` or the machine has no room for it (clone(2)); `ENOMEM`,
/// also if the namespace's process 1 has ended.
pub fn reserve(by: &Process, owner: Option<u32>, space: &PidSpace) -> Result<(u32, Local)> {
    let total = match by.is_operators() {
        true => OPERATORS.total,
        false => threads_max(),
    };
    let mut tree = tree().lock();
    let uid = tree.uid(by.pid)?;
    let user = match uid {
        0 => usize::MAX,
        _ => usize::try_from(by.limit(RLIMIT_NPROC)).unwrap_or(usize::MAX),
    };
    let id = tree.reserve(owner, uid, TaskLimits { user, total })?;
    if space.is_initial() {
        return Ok((id, Local::new(id)));
    }
    let number = tree.enroll(id, space);
    let number = number.inspect_err(|_| tree.release(id))?;
    Ok((id, number))
}
