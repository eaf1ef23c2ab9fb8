//! System V IPC: the objects of the one namespace there is.

pub mod msg;
pub mod sem;
pub mod shm;

use crate::time;
use paddock_abi::time::NANOS;

/// Seconds of the wall clock.
pub fn now() -> i64 {
    (time::wall() / NANOS) as i64
}

/// The running process's number; 0 for the kernel.
pub fn pid() -> u32 {
    super::current().map_or(0, |thread| thread.process.pid)
}
