//! epoll(7) without the system calls.
//!
//! A watched file tells its [`Entry`] of events that it awaits; the entry puts
//! itself on its epoll's ready list. A wait looks at that list only: what is
//! idle costs nothing. An entry is claimed by one wait at a time, and what
//! happens meanwhile keeps it on the list, so that nothing is lost and an edge
//! is told once. A file knows the entries that watch it, so that closing it
//! touches no other epoll.

#![cfg_attr(all(target_os = "none", not(test)), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod entry;
mod epoll;
mod inbox;
mod interest;
mod nest;
mod ready_list;

pub use entry::{Entry, Source};
pub use epoll::Epoll;
pub use interest::Interest;
pub use nest::MAX_NESTS;
