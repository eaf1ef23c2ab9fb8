//! Advisory locks on files (fcntl(2), flock(2)).

mod owners;
mod ranges;
mod table;
#[cfg(test)]
mod tests;
mod tree;

pub use ranges::{Bytes, Lock, MAX_LOCKS, RangeLocks};
pub use table::{Kind, LockTable, Shown, Turn, Wish};
