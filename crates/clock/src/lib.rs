//! The wall clock: how it goes on from the monotonic one, what steers it (adjtimex(2);
//! the kernel's part of NTP as in RFC 5905, 11.3, and RFC 1589), and how everybody
//! reads it without a lock.
//!
//! Times are nanoseconds, of the monotonic clock since boot or of the wall since 1970.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod clock;
mod discipline;
mod line;
mod shared;

pub use clock::Clock;
pub use line::Line;
pub use shared::Shared;

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;
