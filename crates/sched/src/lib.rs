//! The scheduler's logic without its hardware: which thread states follow
//! which, ids that cannot be confused, run queues, and the heap of deadlines.
//!
//! Memory is reserved when a thread is made, so that nothing here allocates
//! while a thread is woken, switched or put to sleep.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod deadlines;
mod run_queue;
mod state;
mod table;

pub use deadlines::Deadlines;
pub use run_queue::{Class, RunQueue};
pub use state::{BadTransition, State};
pub use table::{Id, Table};
