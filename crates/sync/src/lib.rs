//! Contexts, guards, locks and wait queues: who may block where, and how.
//!
//! There are four contexts (see `docs/CONCURRENCY.md`): interrupt, atomic,
//! async poll and thread. Only the last may block, and every blocking entry
//! begins with [`might_sleep`]. Two kinds of lock exist: [`SpinLock`], which
//! turns preemption (or interrupts) off for as long as it is held, and the
//! sleeping [`Mutex`] and [`RwLock`]. Everything that waits stands on
//! [`WaitQueue`], whose register-recheck-park loop is written once.
//!
//! The machine is reached through the hooks of [`platform`]; on a host they
//! are ordinary `std` threads, so that the same code runs under `cargo test`.

#![cfg_attr(all(target_os = "none", not(test)), no_std)]

extern crate alloc;

mod chains;
mod context;
mod fallible;
mod guard;
mod held;
#[cfg(not(target_os = "none"))]
#[allow(
    missing_docs,
    reason = "documented where the kernel declares the same hooks"
)]
#[cfg_attr(loom, path = "model.rs")]
mod host;
mod meta;
mod mutex;
mod once;
pub mod platform;
mod points;
pub mod poll;
mod rank;
mod rwlock;
mod shim;
mod spin;
mod violation;
mod wait_queue;
mod wait_record;
mod waiter;

pub use chains::{Cycle, Link, hasten};
pub use context::Context;
pub use fallible::{
    SMALL, may_allocate, shrink_vec, try_arc, try_box, try_copy, try_insert, try_string,
};
pub use guard::{IrqGuard, PollGuard, PreemptGuard, might_sleep};
#[cfg(loom)]
pub use host::begin;
#[cfg(not(any(target_os = "none", loom)))]
pub use host::{allocations_tried, fail_allocation_after};
pub use meta::{LockMeta, LockRecord};
pub use mutex::{Mutex, MutexGuard};
pub use once::OnceCell;
pub use poll::{Pollable, Ready};
pub use rank::Rank;
pub use rwlock::{ReadGuard, RwLock, WriteGuard};
pub use spin::{IrqOff, PreemptOff, SpinContext, SpinLock, SpinLockGuard};
pub use violation::Violation;
pub use wait_queue::{
    Deadline, NO_DEADLINE, OwnedRegistration, Registration, WaitError, WaitQueue, Watch,
};
