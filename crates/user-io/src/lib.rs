//! Cursors over user memory: what every read and write goes through.
//!
//! A [`UserWriter`] is where a read puts its bytes, a [`UserReader`] where a write
//! has them from: one piece of the running program's memory or many (readv(2)), or
//! a slice of the kernel's. Both go down to the object that has or takes the bytes,
//! so that these are copied once; they move on by what was copied, and an object
//! gives up exactly what was taken.
//!
//! A copy that may sleep has the pages that are missing brought in, which takes the
//! lock of the address space and those of the filesystem. Whoever holds a lock that
//! such a fault may need, or one that spins, copies with the calls that end in
//! `_atomic`: those never sleep, and end before the first page that is missing. If
//! nothing at all could be copied the lock is let go, `fault_in` brings the page in,
//! and the copy begins again.
//!
//! [`UserCopy`] is all that this crate knows of the machine.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod bounce;
mod copy;
mod cursor;
mod pass;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use bounce::with_buffer;
pub use copy::{Access, Faults, UserCopy};
pub use pass::{Pass, in_steps};
pub use reader::UserReader;
pub use writer::UserWriter;
