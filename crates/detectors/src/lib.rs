//! Work that gets nowhere, told from work by what it leads to: a main loop
//! that only wakes itself, an interrupt that comes for nothing, and one that
//! does not come.
//!
//! Each detector counts what happened without any effect, and forgets it at
//! the first effect. Nothing here locks or allocates.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod misses;
mod rounds;
mod storm;

pub use misses::Misses;
pub use rounds::{BusyWait, Rounds};
pub use storm::{Storm, Useless};
