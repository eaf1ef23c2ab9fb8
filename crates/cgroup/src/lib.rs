//! Control groups, version 2 (cgroups(7)): which process is in which group,
//! what the groups count and limit, and the filesystem that shows them.
//!
//! [`Hierarchy`] is the tree of groups, under one short lock. [`Group`] is
//! what is had of one group without that lock: its counters, and whoever waits
//! for its news. [`Place`] is a process's place in it, and pays for its tasks.
//! [`CgroupFs`] is the filesystem; what it needs of processes it asks of a
//! [`System`].
//!
//! Nothing here sleeps but the filesystem. Making a task or ending one looks
//! at the group's ancestors ([`MAX_DEPTH`] at the most), and at nothing else.

#![cfg_attr(all(target_os = "none", not(test)), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod controllers;
mod cpu;
mod fs;
mod group;
mod hierarchy;
mod limit;
mod memory;
mod news;
mod pids;
mod place;
#[cfg(test)]
mod tests;
mod tree;

pub use controllers::Controllers;
pub use cpu::CpuUse;
pub use fs::{CgroupFs, System};
pub use group::Group;
pub use hierarchy::{Entered, Hierarchy};
pub use limit::Limit;
pub use memory::{Accounts, MemoryEvent};
pub use news::News;
pub use place::Place;
pub use tree::MAX_DEPTH;
