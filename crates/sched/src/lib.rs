//! The scheduler's logic without its hardware: which thread states follow
//! which, ids that cannot be confused, run queues of several CPUs with
//! stealing, threads that wait for a time, and counted wakers.
//!
//! Memory is reserved when a thread is made, so that nothing here allocates
//! while a thread is woken, switched or put to sleep.

#![cfg_attr(not(any(test, loom)), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod cpu_time;
mod deadlines;
mod idle;
mod nice;
mod queues;
mod run_queue;
mod share;
mod shim;
mod sleepers;
mod state;
mod table;
mod wakers;

pub use cpu_time::{Counts, CpuTime};
pub use deadlines::Deadlines;
pub use idle::{CpuMask, IdleMask};
pub use nice::{idle_slice, slice};
pub use queues::{Queues, Runnable};
pub use run_queue::{Class, End, RunQueue};
pub use share::Share;
pub use sleepers::Sleepers;
pub use state::{AtomicState, State};
pub use table::{Id, Table};
pub use wakers::Wakers;
