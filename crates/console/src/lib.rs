//! The console without its device: a line under construction, the log ring,
//! and rings of bytes. Nothing here allocates, blocks or locks.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod byte_ring;
mod levels;
mod line;
mod log_ring;

pub use byte_ring::ByteRing;
pub use levels::{ConsoleLevels, MOST};
pub use line::Line;
pub use log_ring::{Cursor, LogRing, Record};
