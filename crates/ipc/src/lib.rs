//! System V IPC (sysvipc(7)): shared memory, semaphores and message
//! queues, in one namespace; and message queues of POSIX.
//!
//! [`Table`] gives objects their identifiers, [`Perm`] says who may do what
//! with them.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod mq;
pub mod msg;
mod perm;
pub mod sem;
pub mod shm;
mod sleeper;
mod table;

pub use perm::Perm;
pub use sleeper::Sleeper;
pub use table::{Table, Which, get, index_of};

use paddock_cred::Cred;

/// Who calls, and when.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// Who it is.
    pub cred: &'a Cred,
    /// Its process.
    pub pid: u32,
    /// Seconds of the wall clock.
    pub now: i64,
}
